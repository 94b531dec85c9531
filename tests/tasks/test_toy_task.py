"""A task is one file: with only an entry point in an installed package, all commands support it."""

import json
import os
import re
import subprocess
import sys
import tomllib

import numpy as np
import pytest
from PIL import Image

from magn_cli import images
from magn_cli.tasks import TASKS, register
from tests.support.brighten import Brighten
from tests.support.fake_hub import USER, FakeHub, environment
from tests.support.paths import ROOT

RECIPE = """
[network]
features = 8
graph_features = 8
blocks_before = 1
blocks_after = 1
heads = 1
patch_features = 4
window = 48
window_overlap = 8

[pairs]
keep = 0.25
levels = [20, 80]

[training]
max_steps = 3
batch = 2
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory, otter):
    """A folder with photos, and an installed package with the task."""
    place = tmp_path_factory.mktemp("toy")
    (place / "photos").mkdir()
    for name, photo in (("a", otter), ("b", otter[::-1]), ("c", otter[:, ::-1])):
        Image.fromarray(np.ascontiguousarray(photo)).save(place / "photos" / f"{name}.png")
    package = place / "installed" / "brighten-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: brighten\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[magn_cli.tasks]\nbrighten = tests.support.brighten:Brighten\n")
    (place / "recipe.toml").write_text(RECIPE)
    return place


def magn(place, *words, env=None):
    env = {**(env or os.environ), "PYTHONPATH": os.pathsep.join([str(ROOT), str(place / "installed")])}
    command = [sys.executable, "-m", "magn_cli", *map(str, words)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, cwd=place)


def does(place, *words, env=None):
    done = magn(place, *words, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def weights(place):
    does(place, "train", "--task", "brighten", "--data", "photos", "--config", "recipe.toml", "--out", "run")
    return place / "run" / "magn-s-brighten.safetensors"


def test_help_shows_the_task_and_its_options(place):
    for command, option in (("degrade", "--keep"), ("eval", "--keep"), ("restore", "--before")):
        text = does(place, command, "--help")
        assert "Brightening (--task brighten)" in text and option in text
    assert "brighten" in does(place, "train", "--help")


def test_degrade(place, otter):
    does(place, "degrade", "photos", "--task", "brighten", "--level", "40,60", "--keep", 0.2, "--out", "set")
    dark = np.asarray(Image.open(place / "set" / "brighten-60" / "a.png"))
    np.testing.assert_array_equal(dark, images.from_float(images.to_float(otter) * np.float32(0.52), np.uint8))
    manifest = json.loads((place / "set" / "manifest.json").read_text())
    assert manifest["task"] == "brighten" and manifest["options"]["keep"] == 0.2
    for words, sentence in (
        (("--level", 60.5), "needs a whole number"),
        (("--level", 60, "--keep", 2), "keep 2.0 is out of range"),
        (("--level", 60, "--pattern", "rggb"), "--pattern rggb is only for demosaic"),
    ):
        done = magn(place, "degrade", "photos", "--task", "brighten", "--out", "other", *words)
        assert done.returncode == 2 and sentence in done.stderr


def test_train_keeps_its_options(place, weights):
    from magn_cli.weights.checkpoint import load_checkpoint

    assert tomllib.loads((place / "run" / "config.toml").read_text())["pairs"]["keep"] == 0.25
    about = load_checkpoint(weights)[1]
    assert (about.task, about.scale) == ("brighten", Brighten.scale)
    assert about.training["recipe"]["pairs"] == {
        "gray": 0.25,
        "unknown": 0.0,
        "patterns": 0.05,
        "levels": [20, 80],
        "keep": 0.25,
    }


def test_restore(place, weights, otter):
    Image.fromarray(otter // 2).save(place / "dark.png")
    words = ("restore", "dark.png", "--task", "brighten", "--weights", weights, "--overwrite")
    found = magn(place, *words, "--out", "one.png")
    assert found.returncode == 0 and "brighten darkness 5" in found.stderr
    assert "from the brightest pixel" in found.stderr
    does(place, *words, "--out", "two.png", "--level", 50, "--before", 0.5)
    one, two = (np.asarray(Image.open(place / name)).astype(float) for name in ("one.png", "two.png"))
    assert one.shape == two.shape == otter.shape and np.abs(one - two).mean() > 5
    other = magn(place, "restore", "dark.png", "--task", "denoise", "--before", 0.5)
    assert other.returncode == 2 and "--before 0.5 is only for brighten" in other.stderr
    # It does not ask to take part, so auto leaves it alone.
    assert magn(place, "restore", "dark.png", "--out", "three.png", "--dry-run").returncode == 0


def test_eval(place, weights, otter):
    words = ("eval", "photos", "--task", "brighten", "--level", 40, "--keep", 0.2, "--weights", weights)
    report = json.loads(does(place, *words, "--baseline", "triple", "--json", "-"))
    assert [r["method"] for r in report["results"]] == ["input", "triple", "magn-s-brighten"]
    clean = images.to_float(otter)
    dark = images.to_float(images.from_float(clean * np.float32(0.68), np.uint8)).astype(float)
    expected = -10 * np.log10(np.square(dark - clean).mean())
    assert report["results"][0]["pictures"][0]["psnr"] == pytest.approx(expected)
    assert all(np.isfinite(r["psnr"]) for r in report["results"])
    page = place / "page.html"
    does(place, *words, "--html", page)
    assert "keep 0.2" in page.read_text()


def test_model_card(place, weights):
    with FakeHub() as hub:
        env = environment(hub, place / "home", HF_TOKEN="hf_right")
        entry = does(place, "weights", "push", weights, f"{USER}/brighter", env=env)
        card = hub.files(f"{USER}/brighter")["README.md"].decode()
    assert tomllib.loads(entry)["checkpoint"][0]["task"] == "brighten"
    for words in ("brightens dark photographs", "| level | darkness 0-100, given |", "| light kept | 25% |"):
        assert words in card
    assert "--task brighten" in card


def test_a_package_that_is_broken_is_left_out(place, tmp_path):
    package = tmp_path / "installed" / "broken-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[magn_cli.tasks]\nbroken = no_such_module:Task\n")
    done = magn(tmp_path, "--version")
    assert done.returncode == 0 and "'broken'" in done.stderr and "Traceback" not in done.stderr


def test_the_example_in_contributing(otter):
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    names = {}
    exec(text.split("```python\n")[1].split("```")[0], names)
    task = names["Brighten"]()
    assert task.degrade(images.to_float(otter), 100, None, keep=0.5).max() <= 0.5
    assert task.settings("degrade", {}) == {"keep": 0.1} and task.level_words(30) == "darkness 30"


def test_every_member_that_contributing_names_is_there():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|") and "`" in line]
    names = {name for row in rows for name in re.findall(r"`(\w+)`", row)} - {"eval"}
    assert len(names) > 25 and all(hasattr(Brighten, name) for name in names)


class TestRegister:
    @pytest.fixture(autouse=True)
    def restored(self, monkeypatch):
        before = dict(TASKS)
        yield
        TASKS.clear()
        TASKS.update(before)

    def test_by_hand(self):
        register(Brighten())
        assert TASKS["brighten"].validation_levels == (30, 60)

    @pytest.mark.parametrize("name", ["jpeg", "auto", "Bad Name", ""])
    def test_a_name_that_cannot_be(self, name):
        with pytest.raises(ValueError):
            register(type("Other", (Brighten,), {"name": name})())

    def test_an_option_with_another_type(self):
        from magn_cli.tasks import Option

        options = (Option("pattern", 3, "Not text."),)
        with pytest.raises(ValueError, match="pattern"):
            register(type("Other", (Brighten,), {"restore_options": options})())
        assert "brighten" not in TASKS
