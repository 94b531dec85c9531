"""``magn export``: the values of torch, for pictures of any size, in files that appear whole or not at all."""

import dataclasses
import doctest
import io
import json
import zipfile

import numpy as np
import pytest
import torch

onnx = pytest.importorskip("onnx", reason="exporting needs onnx: pip install '.[export]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="exporting needs onnxruntime: pip install '.[export]'")

from magn_cli.errors import UsageError, WeightsError  # noqa: E402
from magn_cli.export import builder, check, darktable, exporting, settings  # noqa: E402
from magn_cli.export.network import onnx_network  # noqa: E402
from magn_cli.inference.onnx import OnnxNetwork  # noqa: E402
from magn_cli.inference.onnx.session import Session  # noqa: E402
from magn_cli.inference.tiled_network import TiledNetwork  # noqa: E402
from magn_cli.model import PRESETS, Magn, MagnConfig  # noqa: E402
from magn_cli.tasks import get_task  # noqa: E402
from magn_cli.version import __version__  # noqa: E402
from magn_cli.weights.checkpoint import save_checkpoint  # noqa: E402
from magn_cli.weights.metadata import Checkpoint  # noqa: E402
from magn_cli.weights.resolve import resolve  # noqa: E402
from tests.support.commands import magn, refused  # noqa: E402

SMALL = dataclasses.replace(
    PRESETS["magn-s"], features=8, blocks_before=1, blocks_after=1, graph_features=8, heads=2, window=48
)
"""The preset with less of everything."""

SMALL_PAPER = MagnConfig(
    features=8,
    graph_features=8,
    blocks_before=2,
    blocks_after=1,
    graph_blocks=2,
    heads=2,
    window=24,
    window_overlap=8,
)
"""The paper's network with less of everything."""


LEVELS = (0.3, -1.0)


def network(config):
    """A network with weights at random, none of them zero."""
    torch.manual_seed(5)
    model = Magn(config).eval()
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if tensor.dtype == torch.float32 and not tensor.any():
            torch.nn.init.normal_(tensor, std=0.1)
        elif name.endswith(("running_var", "running_mean")):
            torch.nn.init.uniform_(tensor, 0.5, 1.5)
    return model.requires_grad_(False)


def folded(config):
    model = network(config)
    model.fold()
    return model


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A small checkpoint that takes a level."""
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    training = {"data": ["photos"], "steps": 7, "minutes": 1.0}
    scale = get_task("denoise").scale
    save_checkpoint(path, network(SMALL), Checkpoint("denoise", "magn-s", SMALL, scale, training, "CC BY-SA 4.0"))
    return path


CONFIGS = {
    "magn-s": SMALL,
    "magn": SMALL_PAPER,
    "gray": dataclasses.replace(SMALL, channels=1),
    "no overlap": dataclasses.replace(SMALL, window_overlap=0),
    "two patch graphs": dataclasses.replace(SMALL, graphs=("patch", "patch"), patch_size=7),
    "pixels only": dataclasses.replace(SMALL_PAPER, graphs=("pixel",), level_channel=True),
    "large stem": dataclasses.replace(SMALL, stem=3, window=48, window_overlap=12),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_it_computes_what_torch_computes(name):
    model = folded(CONFIGS[name])
    data = onnx_network(model, settings.OPSET, keeps_bayer=False).SerializeToString()
    found = check.compare(model, data, keeps_bayer=False, levels=LEVELS, threads=1)
    assert found.difference < check.TOLERANCE and len(found.sizes) == 3
    # Smaller than a window, longer on one axis, and longer on both, all odd somewhere.
    assert found.sizes[0] < (model.config.window,) * 2 and any(side % 2 for size in found.sizes for side in size)


@pytest.mark.parametrize("opset", range(settings.MIN_OPSET, settings.MAX_OPSET + 1))
def test_opsets(opset):
    model = folded(SMALL)
    exported = onnx_network(model, opset, keeps_bayer=False)
    onnx.checker.check_model(exported, full_check=True)
    assert [(one.domain, one.version) for one in exported.opset_import] == [("", opset)]
    found = check.compare(model, exported.SerializeToString(), keeps_bayer=False, levels=LEVELS, threads=1)
    assert found.difference < check.TOLERANCE


@pytest.mark.parametrize("keeps_bayer", [False, True])
def test_pictures_of_any_size(keeps_bayer):
    model = folded(SMALL)
    session = Session(onnx_network(model, 17, keeps_bayer).SerializeToString(), threads=1)
    tiled, rng = TiledNetwork(model), np.random.default_rng(1)
    for size in [(1, 1), (1, 9), (2, 3), (8, 8), (16, 17), (18, 40), (75, 33)]:
        pixels = rng.random((*size, 3), dtype=np.float32)
        feed = {"input": pixels.transpose(2, 0, 1)[None].copy(), "level": np.array([0.5], np.float32)}
        restored = session.run("output", feed)[0].transpose(1, 2, 0)
        assert restored.shape == pixels.shape
        assert np.abs(restored - tiled.restore(pixels, 0.5, keeps_bayer)).max() < check.TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_presets_in_full_size(preset):
    model = folded(PRESETS[preset])
    data = onnx_network(model, settings.OPSET, keeps_bayer=False).SerializeToString()
    assert check.compare(model, data, keeps_bayer=False, levels=LEVELS, threads=None).difference < check.TOLERANCE


def test_free_sides_can_be_fixed():
    """As darktable does when it loads a network; ONNX Runtime then checks all shapes."""
    data = onnx_network(folded(SMALL), 17, keeps_bayer=False, level=-1.0).SerializeToString()
    options = onnxruntime.SessionOptions()
    for name, side in {"batch": 1, "height": 64, "width": 64}.items():
        options.add_free_dimension_override_by_name(name, side)
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    assert [i.shape for i in session.get_inputs()] == [o.shape for o in session.get_outputs()] == [[1, 3, 64, 64]]
    assert session.run(None, {"input": np.zeros((1, 3, 64, 64), np.float32)})[0].shape == (1, 3, 64, 64)


def test_batch_norm_is_folded_and_nothing_is_kept_twice():
    exported = onnx_network(folded(SMALL), 17, keeps_bayer=False)
    assert not {"BatchNormalization"} & {node.op_type for node in exported.graph.node}
    values = [
        one.raw_data + str(one.dims).encode() for one in exported.graph.initializer if len(one.raw_data) > 64
    ]
    assert len(values) == len(set(values))


def test_the_command(checkpoint, tmp_path):
    out = tmp_path / "small.onnx"
    words = ("export", "--task", "denoise", "--weights", checkpoint, "--out", out, "--threads", "1")
    done = magn(*words)
    assert done.exit_code == 0 and done.stdout.strip() == str(out), done.output
    assert "opset 17, differs from torch by at most" in done.stderr and "3 sizes compared" in done.stderr
    about = {one.key: one.value for one in onnx.load(out).metadata_props}
    assert about["magn.task"] == "denoise" and about["magn.preset"] == "magn-s"
    assert about["magn.licence"] == "CC BY-SA 4.0" and about["magn.version"] == __version__
    assert json.loads(about["magn.training"])["steps"] == 7 and json.loads(about["magn.config"]) == SMALL.to_dict()
    assert json.loads(about["magn.level_scale"])["factor"] == pytest.approx(1 / 75)
    assert (about["magn.level"], about["magn.unknown_level"], about["magn.multiple"]) == ("input", "-1", "1")
    # The same command gives the same bytes, and asks before it replaces a file.
    first = out.read_bytes()
    refused(magn(*words), 2, "small.onnx already exists", "--overwrite")
    assert magn(*words, "--overwrite", "--no-check").exit_code == 0 and out.read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["small.onnx"]


def test_a_level_can_be_built_in(checkpoint, tmp_path, otter):
    words = ("export", "--task", "denoise", "--weights", checkpoint, "--no-check", "--quiet")
    for level in ("input", "unknown", "25"):
        assert magn(*words, "--level", level, "--out", tmp_path / f"{level}.onnx").exit_code == 0
    asks, *fixed = (OnnxNetwork(tmp_path / f"{name}.onnx", threads=1) for name in ("input", "unknown", "25"))
    assert asks.takes_level and asks.takes_unknown and not any(one.takes_level for one in fixed)
    pixels = otter[:40, :50].astype(np.float32) / 255
    for one, level in zip(fixed, (None, 25.0), strict=True):
        assert np.array_equal(asks.restore(pixels, level), one.restore(pixels, None))
    assert np.abs(fixed[0].restore(pixels, None) - fixed[1].restore(pixels, None)).max() > 1e-3


def test_what_a_command_line_can_get_wrong(checkpoint, tmp_path):
    export = ("export", "--task", "denoise", "--weights", checkpoint)
    refused(magn("export"), 2, "give --task denoise, jpeg or demosaic")
    refused(magn("export", "--task", "dehaze"), 2, "dehaze")
    refused(magn(*export, "--format", "ncnn"), 2, "choose onnx or darktable")
    refused(magn(*export, "--opset", 16), 2, "--opset 16 is out of range", "17 to 22")
    refused(magn(*export, "--level", "auto"), 2, "finds no levels")
    refused(magn(*export, "--level", "99"), 2, "sigma 99 is out of range")
    refused(magn(*export, "--level", "much"), 2, "invalid level 'much'")
    refused(magn(*export, "--out", tmp_path), 2, "is a folder")
    refused(magn(*export, "--out", "-"), 2, "standard output")
    refused(magn(*export, "--out", tmp_path / "k.txt"), 2, "end k.txt in .onnx")
    refused(magn(*export, "--out", tmp_path / "none/a.onnx"), 1, "folder not found")
    refused(magn("export", "--task", "jpeg", "--weights", checkpoint), 3, "is a checkpoint for denoise")
    refused(magn("export", "--task", "denoise", "--weights", tmp_path / "none.safetensors"), 3, "does not exist")
    refused(magn("export", "--task", "denoise", "--preset", "magn"), 3, "are not trained yet")
    packed = (*export, "--format", "darktable")
    refused(magn(*packed, "--level", "input"), 2, "darktable gives networks no level")
    refused(magn(*packed, "--out", tmp_path / "a.zip"), 2, "end a.zip in .dtmodel")
    refused(magn(*packed, "--out", tmp_path / "My Network.dtmodel"), 2, "lower-case letters, digits and hyphens")
    refused(magn("export", "--task", "jpeg", "--format", "darktable"), 2, "cannot use networks for jpeg: export")


def test_a_missing_extra_is_one_sentence(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("magn_cli.runtime.extras.find_spec", lambda name: None)
    done = magn("export", "--task", "denoise", "--weights", checkpoint, "--out", tmp_path / "a.onnx")
    refused(done, 2, "magn export needs onnx and onnxruntime: run pip install 'magn-cli[export]'")


def test_nothing_is_written_where_the_result_differs(checkpoint, tmp_path, monkeypatch):
    found = check.Comparison(1.0, (5, 7), ((5, 7),))
    monkeypatch.setattr(check, "compare", lambda *rest: found)
    done = magn("export", "--task", "denoise", "--weights", checkpoint, "--out", tmp_path / "a.onnx")
    refused(done, 3, "differs from torch by 1.0e+00 on 7 x 5 pixels")
    assert not any(tmp_path.iterdir())


def test_a_network_that_must_be_told_the_level(tmp_path):
    path, out = tmp_path / "told.safetensors", tmp_path / "denoise-told.dtmodel"
    training = {"recipe": {"pairs": {"unknown": 0.0}}}
    about = Checkpoint("denoise", "own", SMALL, get_task("denoise").scale, training, "")
    save_checkpoint(path, network(SMALL), about)
    words = ("export", "--task", "denoise", "--weights", path, "--no-check")
    refused(magn(*words, "--level", "unknown"), 2, "was never trained without a level: give --level a number")
    refused(magn(*words, "--format", "darktable", "--out", out), 2, "give --level a number")
    assert magn(*words, "--format", "darktable", "--out", out, "--level", "10").exit_code == 0
    assert magn(*words[:-1], "--out", tmp_path / "a.onnx", "--threads", "1").exit_code == 0
    network_ = OnnxNetwork(tmp_path / "a.onnx", threads=1)
    assert network_.takes_level and not network_.takes_unknown


def test_a_network_without_a_level(tmp_path):
    path = tmp_path / "plain.safetensors"
    config = dataclasses.replace(SMALL, level_channel=False)
    save_checkpoint(path, network(config), Checkpoint("denoise", "own", config, None, {}, ""))
    with pytest.raises(UsageError, match="takes no level: omit --level"):
        exporting.export(resolve("denoise", "own", path), settings.ExportSettings(level=25))
    exported = exporting.export(resolve("denoise", "own", path), settings.ExportSettings(threads=1))
    assert [one.name for one in Session(exported.data, threads=1).inputs] == ["input"]
    assert magn("export", "--task", "denoise", "--weights", path, "--format", "darktable", "--no-check", "--out",
                tmp_path / "own.dtmodel").exit_code == 0  # fmt: skip


def test_a_package_for_darktable(checkpoint, tmp_path):
    out = tmp_path / "denoise-small.dtmodel"
    words = ("export", "--task", "denoise", "--weights", checkpoint, "--format", "darktable", "--threads", "1")
    assert magn(*words, "--out", out).exit_code == 0
    with zipfile.ZipFile(out) as archive:
        names = archive.namelist()
        manifest = json.loads(archive.read("denoise-small/config.json"))
        data = archive.read("denoise-small/model.onnx")
    # One folder, named as the file; the manifest lies directly in it.
    assert names == [f"denoise-small/{name}" for name in ("README.md", "config.json", "model.onnx")]
    assert {"id", "name", "description", "task", "backend", "version"} <= manifest.keys()
    assert (manifest["id"], manifest["task"], manifest["backend"]) == ("denoise-small", "denoise", "onnx")
    assert all(isinstance(value, str) for value in manifest["model_card"].values())
    assert manifest["model_card"]["license"] == "CC BY-SA 4.0" and isinstance(manifest["version"], str)
    session = Session(data, threads=1)
    # darktable would fill a second input with a map of its own.
    assert [(one.name, one.shape) for one in session.inputs] == [("input", ["batch", 3, "height", "width"])]
    again = tmp_path / "again"
    again.mkdir()
    assert magn(*words, "--out", again / out.name, "--no-check").exit_code == 0
    assert (again / out.name).read_bytes() == out.read_bytes()


def test_a_package_can_be_read_as_written(checkpoint):
    exported = exporting.export(
        resolve("denoise", "magn-s", checkpoint), settings.ExportSettings(check=False, level=40.0)
    )
    with zipfile.ZipFile(io.BytesIO(darktable.package(exported, "a"))) as archive:
        assert archive.testzip() is None and archive.read("a/model.onnx") == exported.data
    assert "sigma 40" in darktable.manifest(exported, "a")["model_card"]["long_description"]


@pytest.mark.parametrize("module", [builder, exporting])
def test_examples_run(module):
    found = doctest.testmod(module)
    assert found.attempted and not found.failed


def test_damaged_weights(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"no weights")
    with pytest.raises(WeightsError):
        exporting.export(resolve("denoise", "magn-s", path))
