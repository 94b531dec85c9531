"""Networks of others: called as they want, tiled, and refused in one sentence where they are none or not safe."""

import doctest
import os

import numpy as np
import psutil
import pytest

onnx = pytest.importorskip("onnx", reason="ONNX files need onnx: pip install '.[export]'")
pytest.importorskip("onnxruntime", reason="ONNX files need onnxruntime: pip install '.[export]'")

from onnx import helper  # noqa: E402

from magn_cli.errors import ImageError, UsageError, WeightsError  # noqa: E402
from magn_cli.inference.onnx import (  # noqa: E402
    OnnxNetwork,
    Told,
    network,
)
from magn_cli.inference.onnx import file as files  # noqa: E402
from magn_cli.inference.onnx.layout import level_scale  # noqa: E402
from magn_cli.inference.onnx.session import Session  # noqa: E402
from tests.support import onnx_files as made  # noqa: E402

RNG = np.random.default_rng(3)


def picture(height, width):
    return RNG.random((height, width, 3), dtype=np.float32)


def change(path, **told):
    pixels = picture(37, 50)
    return OnnxNetwork(path, Told(**told), threads=1).restore(pixels, None) - pixels


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        (["batch", 3, "height", "width"], {}),
        ([1, 3, None, None], {}),
        (["b", "h", "w", 3], {}),
        (["b", "c", "h", "w"], {"axes": "nchw"}),
        (["b", "h", "w", "c"], {"axes": "nhwc"}),
        ([1, 3, 32, 48], {}),
        ([1, 1, "h", "w"], {}),
        ([1, 20, 20, 1], {}),
    ],
    ids=str,
)
def test_layouts(tmp_path, shape, told):
    assert np.abs(change(made.plus(tmp_path / "a.onnx", 0.25, shape), **told) - 0.25).max() < 1e-5


def test_ranges(tmp_path):
    whole = made.plus(tmp_path / "a.onnx", 51.0)
    assert np.abs(change(whole, value_range=255.0) - 0.2).max() < 1e-5
    # In 8 bits, without being told.
    bytes_ = OnnxNetwork(made.plus(tmp_path / "b.onnx", 51, dtype=made.UINT8), threads=1)
    pixels = (np.arange(60, dtype=np.float32).reshape(4, 5, 3) + 100) / 255
    assert bytes_.layout.white == 255 and np.abs(bytes_.restore(pixels, None) - pixels - 0.2).max() < 1e-5


def test_a_range_that_is_likely_wrong_is_mentioned_once(tmp_path, caplog):
    other = OnnxNetwork(made.plus(tmp_path / "a.onnx", 51.0), threads=1)
    for _ in range(2):
        other.restore(picture(20, 20), None)
    assert [r.getMessage() for r in caplog.records] == [
        "a.onnx changes pictures beyond recognition; if its white is 255, add --against-range 255."
    ]


@pytest.mark.parametrize("multiple", [1, 2, 8, 64])
def test_multiples_are_found(tmp_path, multiple):
    other = OnnxNetwork(made.multiple_of(tmp_path / "a.onnx", multiple), threads=1)
    assert other.multiple == multiple
    for size in [(1, 1), (7, 130), (64, 65)]:
        pixels = picture(*size)
        assert np.abs(other.restore(pixels, None) - pixels).max() < 1e-6


def test_multiples_can_be_told(tmp_path):
    path = made.multiple_of(tmp_path / "a.onnx", 2)
    assert OnnxNetwork(path, Told(multiple=6), threads=1).multiple == 6
    with pytest.raises(UsageError, match="--against-multiple 0 is out of range"):
        Told(multiple=0)


def test_tiles_overlap_and_agree_with_the_whole(tmp_path):
    path = made.blur(tmp_path / "a.onnx")
    pixels = picture(90, 75)
    whole = OnnxNetwork(path, Told(tile=4096), threads=1).restore(pixels, None)
    tiled = OnnxNetwork(path, Told(tile=32, overlap=8), threads=1)
    assert "tiles of 32 x 32 pixels that overlap by 8" in tiled.described()
    found = tiled.restore(pixels, None)
    # At the border of a tile the blur sees zeros; blending leaves little of that.
    assert 0 < np.abs(found - whole).max() < 0.05
    assert np.abs(found[:20, :20] - whole[:20, :20]).max() < 1e-6


@pytest.mark.parametrize("shape", [[], [1], ["batch"], [1, 1], [1, 1, 1, 1], [1, 1, "height", "width"]], ids=str)
def test_levels(tmp_path, shape):
    path = made.with_level(tmp_path / "a.onnx", shape)
    other = OnnxNetwork(path, Told(level="level/255"), threads=1)
    pixels = picture(30, 33)
    assert other.takes_level and not other.takes_unknown
    assert np.abs(other.restore(pixels, 51) - pixels - 0.2).max() < 1e-5
    with pytest.raises(ImageError, match="needs to know the level"):
        other.restore(pixels, None)


def test_a_level_of_a_network_for_gray_is_not_taken_for_the_picture(tmp_path):
    path = made.with_level(tmp_path / "a.onnx", [1, 1, 1, 1], ["batch", 1, "h", "w"])
    other = OnnxNetwork(path, Told(level="1-level/100"), threads=1)
    pixels = picture(20, 20)
    assert np.abs(other.restore(pixels, 80) - pixels - 0.2).max() < 1e-5


def test_networks_for_other_channels(tmp_path):
    for shape, axes in [([1, 4, "h", "w"], "nchw"), ([1, "h", "w", 2], "nhwc")]:
        with pytest.raises(WeightsError, match=r"takes [24] channels; only networks for 1 or 3"):
            OnnxNetwork(made.plus(tmp_path / "a.onnx", 0, shape), Told(axes=axes), threads=1)


def test_a_level_must_be_told_where_the_file_does_not_say(tmp_path):
    path = made.with_level(tmp_path / "a.onnx", [1])
    with pytest.raises(WeightsError, match="second input, 'noise'; say what it takes with --against-level"):
        OnnxNetwork(path, threads=1)
    with pytest.raises(UsageError, match="no input for a level: omit --against-level"):
        OnnxNetwork(made.plus(tmp_path / "b.onnx", 0), Told(level="level"), threads=1)


@pytest.mark.parametrize(("formula", "value"), [("level", 25), ("level / 50", 0.5), ("1-level/100", 0.75)])
def test_formulas(formula, value):
    assert level_scale(formula).to_network(25) == value


@pytest.mark.parametrize(
    "formula", ["", "sigma", "level/0", "level*2", "2-", "level/1e3", "__import__('os')", "9" * 99]
)
def test_formulas_that_are_none(formula):
    with pytest.raises(UsageError, match="invalid --against-level"):
        Told(level=formula)


def external(path):
    weight = made.constant("number", [0.5])
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="secret.bin")
    (path.parent / "secret.bin").write_bytes(bytes(4))
    return made.save(path, helper.make_node("Add", ["input", "number"], ["output"]), constants=[weight])


def external_in_a_branch(path):
    hidden = made.constant("value", [0.5])
    hidden.ClearField("raw_data")
    hidden.data_location = onnx.TensorProto.EXTERNAL
    hidden.external_data.add(key="location", value="/etc/passwd")
    out = helper.make_tensor_value_info("chosen", made.FLOAT, None)
    inner = helper.make_graph([helper.make_node("Constant", [], ["chosen"], value=hidden)], "inner", [], [out])
    yes = made.constant("yes", True, np.bool_)
    nodes = [
        helper.make_node("If", ["yes"], ["number"], then_branch=inner, else_branch=inner),
        helper.make_node("Add", ["input", "number"], ["output"]),
    ]
    return made.save(path, *nodes, constants=[yes])


def sparse(path):
    """A few bytes that stand for 4 TB."""
    values, where = made.constant("number", [0.5]), made.constant("where", [0], np.int64)
    weight = helper.make_sparse_tensor(values, where, [1 << 40])
    node = helper.make_node("Constant", [], ["number"], sparse_value=weight)
    return made.save(path, node, helper.make_node("Add", ["input", "number"], ["output"]))


def foreign(path, domain="evil", kind="Run"):
    node = helper.make_node(kind, ["input"], ["output"], domain=domain)
    return made.save(path, node, imports=[helper.make_opsetid(domain, 1)])


def written(text):
    def make(path):
        path.write_bytes(text)
        return path

    return make


def hungry(path, amount):
    nodes = [
        helper.make_node("ConstantOfShape", ["amount"], ["large"]),
        helper.make_node("ReduceMax", ["large"], ["number"], keepdims=0),
        helper.make_node("Add", ["input", "number"], ["output"]),
    ]
    return made.save(path, *nodes, constants=[made.constant("amount", [amount], np.int64)])


def inputs(path, *more):
    ends = [("input", made.FLOAT, made.PICTURE), *more]
    return made.save(path, helper.make_node("Identity", ["input"], ["output"]), inputs=ends)


def enlarges(path):
    sizes = made.constant("scales", [1, 1, 2, 2])
    return made.save(path, helper.make_node("Resize", ["input", "", "scales"], ["output"]), constants=[sizes])


def truncated(path):
    whole = made.blur(path).read_bytes()
    path.write_bytes(whole[:-40])
    return path


def bare(path, shape, result=made.PICTURE):
    node = helper.make_node("Identity", ["input"], ["output"])
    return made.save(path, node, inputs=[("input", made.FLOAT, shape)], outputs=[("output", made.FLOAT, result)])


REFUSED = {
    "a missing file": (lambda path: path, "does not exist"),
    "a folder": (lambda path: path.mkdir() or path, "cannot be read"),
    "nothing": (written(b""), "is no ONNX file"),
    "text": (written(b"hello world, this is no network"), "is no ONNX file"),
    "a picture": (written(b"\x89PNG\r\n\x1a\n" + bytes(99)), "is no ONNX file"),
    "ONNX Runtime's own format": (written(b"\x1c\0\0\0ORTM" + bytes(99)), "is no ONNX file"),
    "half a file": (truncated, "is no ONNX file"),
    "weights elsewhere": (external, "keeps weights in other files"),
    "weights elsewhere, in a branch": (external_in_a_branch, "keeps weights in other files"),
    "sparse weights": (sparse, "has sparse weights"),
    "foreign operators": (foreign, "evil.Run, whose code magn does not load"),
    "an operator that loads files": (lambda p: foreign(p, "com.microsoft", "EPContext"), "EPContext"),
    "an operator that is none": (lambda p: foreign(p, "", "Nonsense"), "cannot load"),
    "three inputs": (lambda p: inputs(p, ("a", made.FLOAT, [1]), ("b", made.FLOAT, [1])), "3 inputs"),
    "text as second input": (lambda p: inputs(p, ("a", onnx.TensorProto.STRING, [1])), "cannot feed"),
    "three axes": (lambda p: bare(p, [3, "h", "w"]), "which has 4 axes"),
    "no channels named": (lambda p: bare(p, ["a", "b", "c", "d"]), "--against-layout nchw or nhwc"),
    "four pictures": (lambda p: bare(p, [4, 3, "h", "w"], [4, 3, "h", "w"]), "takes 4 pictures at once"),
    "no picture out": (lambda p: bare(p, made.PICTURE, [1]), "returns no picture"),
    "tiny sides": (lambda p: bare(p, [1, 3, 4, 4], [1, 3, 4, 4]), "only sides of 4 pixels"),
    "another size": (enlarges, "only networks that keep the size"),
    "too much memory": (lambda p: hungry(p, 1 << 40), "not enough memory); free some"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(tmp_path, name):
    make, words = REFUSED[name]
    with pytest.raises(WeightsError) as caught:
        OnnxNetwork(make(tmp_path / "other.onnx"), threads=1)
    sentence = str(caught.value)
    assert words in sentence and sentence.endswith(".") and "\n" not in sentence and len(sentence) < 500


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.onnx")
    with pytest.raises(WeightsError, match=r"a\.onnx cannot be read"):
        OnnxNetwork(tmp_path / "a.onnx")


def test_a_file_that_is_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_BYTES", 100)
    with pytest.raises(WeightsError, match="is too large"):
        OnnxNetwork(made.blur(tmp_path / "a.onnx"))


def test_too_many_operators(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_NODES", 1)
    with pytest.raises(WeightsError, match="more than 1 operators"):
        OnnxNetwork(made.multiple_of(tmp_path / "a.onnx", 2))


def test_nothing_large_is_computed_before_memory_is_bounded(tmp_path):
    data = hungry(tmp_path / "a.onnx", 100_000_000).read_bytes()
    before = psutil.Process().memory_info().rss
    Session(data, threads=1)
    assert psutil.Process().memory_info().rss - before < 200_000_000


def test_the_example_runs(tmp_path):
    path = made.blur(tmp_path / "other.onnx")
    found = doctest.testmod(network, extraglobs={"path": path, "np": np})
    assert found.attempted and not found.failed


def test_results_that_are_not_finite(tmp_path):
    other = OnnxNetwork(made.plus(tmp_path / "a.onnx", np.nan), threads=1)
    with pytest.raises(ImageError, match="not finite"):
        other.restore(picture(20, 20), None)
