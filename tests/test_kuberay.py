"""The manifest for KubeRay: its structure, its volumes, and its command as magn would read it."""

import shlex

import pytest
from typer.main import get_command

from magn_cli.cli.app import app
from tests.support.paths import ROOT

yaml = pytest.importorskip("yaml")


@pytest.fixture(scope="module")
def spec():
    job = yaml.safe_load((ROOT / "docs/kuberay.yaml").read_text(encoding="utf-8"))
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    return job["spec"]


def test_fields_are_those_of_the_resource(spec):
    """Checked against the whole schema of KubeRay when it was written; these are the parts that it uses."""
    assert set(spec) <= {"entrypoint", "backoffLimit", "shutdownAfterJobFinishes", "rayClusterSpec"}
    cluster = spec["rayClusterSpec"]
    assert set(cluster) == {"rayVersion", "headGroupSpec", "workerGroupSpecs"}
    assert set(cluster["headGroupSpec"]) == {"rayStartParams", "template"}
    fields = {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}
    for group in cluster["workerGroupSpecs"]:
        assert set(group) == fields and group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    parameters = [
        cluster["headGroupSpec"]["rayStartParams"],
        *(g["rayStartParams"] for g in cluster["workerGroupSpecs"]),
    ]
    assert all(isinstance(value, str) for given in parameters for value in given.values())


def test_all_nodes_have_the_image_and_the_files(spec):
    cluster, images = spec["rayClusterSpec"], set()
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        images.add(container["image"])
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert {mount["name"] for mount in container["volumeMounts"]} == {
            volume["name"] for volume in pod["volumes"]
        }
        assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/archive"]
    assert len(images) == 1


def test_magn_knows_the_command(spec):
    program, name, *words = shlex.split(spec["entrypoint"])
    assert program == "magn"
    command = get_command(app).commands[name]
    with command.make_context(name, words) as context:
        given = context.params
    assert given["cluster"] == "auto" and given["task"] == "jpeg" and given["recursive"]
    assert all(str(path).startswith("/archive/") for path in (*given["sources"], given["out"].path))
