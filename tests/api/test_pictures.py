"""What goes in comes out: every kind of picture, its shape, type and mode."""

import numpy as np
import pytest
import torch
from PIL import Image

import magn_cli
from magn_cli.errors import ImageError, MagnError, UsageError


@pytest.fixture(scope="module")
def restorer():
    return magn_cli.load("jpeg", precision="fp32")


@pytest.fixture(scope="module")
def small(otter):
    return np.ascontiguousarray(otter[:24, :32])


@pytest.fixture(scope="module")
def expected(restorer, small):
    out = restorer(small, level=20)
    assert (out != small).any()
    return out


@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">u2", "float16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(24, 32), (24, 32, 1), (24, 32, 3)])
def test_arrays(restorer, small, dtype, shape):
    top = {"uint8": 255, "uint16": 65535, ">u2": 65535}.get(dtype, 1)
    given = (small / 255 * top)[..., : shape[-1] if len(shape) == 3 else 1].reshape(shape).astype(dtype)
    before = given.copy()
    out = restorer(given, level=20)
    assert type(out) is np.ndarray and out.shape == given.shape and out.dtype == given.dtype
    np.testing.assert_array_equal(given, before)
    distance = np.abs(out.astype(float) - given.astype(float)).mean() / top
    assert 0 < distance < 0.1


def test_a_result_is_never_the_array_that_was_given(otter):
    restored = magn_cli.load().restore(otter)
    assert restored.task is None and "nothing to restore" in restored.reason
    assert not np.shares_memory(restored.pixels, otter)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16", "I;16B"])
def test_images_keep_their_mode(restorer, small, expected, mode):
    alpha = np.arange(24 * 32).reshape(24, 32).astype(np.uint8)
    alpha[0] = 0
    gray = small[..., 1]
    arrays = {
        "L": gray, "LA": np.dstack([gray, alpha]), "RGB": small, "RGBA": np.dstack([small, alpha]),
        "I;16": gray.astype(np.uint16) * 257, "I;16B": (gray.astype(np.uint16) * 257).astype(">u2"),
    }  # fmt: skip
    given = Image.fromarray(arrays[mode])
    assert given.mode == mode
    given.info["dpi"] = (72, 72)
    out = restorer(given, level=20)
    assert out.mode == mode and out.size == given.size and out.info["dpi"] == (72, 72)
    pixels = np.asarray(out)
    assert (pixels != arrays[mode]).any()
    if mode in ("LA", "RGBA"):
        np.testing.assert_array_equal(pixels[..., -1], alpha)
        np.testing.assert_array_equal(pixels[0], arrays[mode][0])  # transparent
    if mode == "RGB":
        np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("mode, becomes", [("1", "L"), ("P", "RGB"), ("PA", "RGBA")])
def test_modes_that_hold_no_photograph_become_others(restorer, small, mode, becomes):
    given = Image.fromarray(small).convert("P" if mode == "PA" else mode).convert(mode)
    assert restorer(given, level=20).mode == becomes
    if mode == "P":
        given.info["transparency"] = 0
        assert restorer(given, level=20).mode == "RGBA"


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors(restorer, small, expected, dtype):
    whole = torch.from_numpy(small).permute(2, 0, 1)
    given = whole if dtype == torch.uint8 else (whole / 255).to(dtype)
    for one in (given, given[:1], given[None], torch.stack([given, given.flip(-1)])):
        out = restorer(one, level=20)
        assert out.shape == one.shape and out.dtype == dtype and out.device == one.device
    if dtype == torch.uint8:
        np.testing.assert_array_equal(restorer(given, level=20).permute(1, 2, 0).numpy(), expected)
    two = restorer(torch.stack([given, given.flip(-1)]), level=20)
    torch.testing.assert_close(two[0], restorer(given, level=20), rtol=0, atol=0)


def test_no_gradient_goes_through(restorer, small):
    given = (torch.from_numpy(small).permute(2, 0, 1) / 255).requires_grad_()
    assert not restorer(given, level=20).requires_grad


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_tensors_stay_on_their_device(restorer, small):
    given = torch.from_numpy(small).permute(2, 0, 1).cuda()
    assert restorer(given, level=20).device == given.device


def test_a_batch_says_what_was_seen_in_each(small, otter):
    rng = np.random.default_rng(0)
    noisy = [(otter / 255 + rng.normal(0, s / 255, otter.shape)).astype(np.float32) for s in (20, 40)]
    batch = torch.from_numpy(np.stack(noisy)).permute(0, 3, 1, 2)[..., :96, :96]
    restored = magn_cli.load("denoise").restore(batch)
    assert restored.task == "denoise" and restored.level is None
    same = magn_cli.load("denoise").restore(batch, level=25)
    assert same.level == 25 and same.reason == "as given"


def test_files_give_arrays_of_their_depth(tmp_path, small, otter_jpeg):
    restored = magn_cli.load().restore(otter_jpeg)
    assert restored.pixels.shape == (144, 200, 3) and restored.pixels.dtype == np.uint8
    assert (restored.task, restored.level) == ("jpeg", 20)
    assert "quantization tables" in restored.reason
    np.testing.assert_array_equal(magn_cli.restore(str(otter_jpeg)), restored.pixels)
    deep = tmp_path / "deep.png"
    magn_cli.write(deep, small[..., 0].astype(np.uint16) * 257)
    out = magn_cli.restore(deep, "jpeg", level=20)
    assert out.shape == (24, 32) and out.dtype == np.uint16


def test_mosaics_become_colour(small):
    restorer, cfa = magn_cli.load("demosaic", pattern="rggb"), small[..., 1]
    assert restorer(cfa).shape == restorer(cfa[..., None]).shape == (24, 32, 3)
    assert restorer(Image.fromarray(cfa)).mode == "RGB"
    assert restorer(torch.from_numpy(cfa.copy())[None]).shape == (3, 24, 32)
    with pytest.raises(UsageError, match="16-bit colour"):
        restorer(Image.fromarray(cfa.astype(np.uint16) * 257))


NAN = np.full((8, 8), np.nan, np.float32)


@pytest.mark.parametrize(
    "picture, says",
    [
        ([[1, 2]], "type list"),
        (None, "type NoneType"),
        (np.zeros((8, 8, 2), np.uint8), "alpha"),
        (np.zeros((8, 8, 5), np.uint8), r"\(8, 8, 5\)"),
        (np.zeros((2, 8, 8, 3), np.uint8), r"\(2, 8, 8, 3\)"),
        (np.zeros((0, 8), np.uint8), r"\(0, 8\)"),
        (np.zeros((8, 8), np.int64), "int64"),
        (np.zeros((8, 8), bool), "bool"),
        (NAN, "not finite"),
        (np.full((8, 8), 255.0), r"0\.\.1"),
        (torch.zeros(2, 8, 8), r"\(2, 8, 8\)"),
        (torch.zeros(8, 8), r"\(8, 8\)"),
        (torch.zeros(0, 3, 8, 8), r"\(0, 3, 8, 8\)"),
        (torch.zeros(3, 8, 8, dtype=torch.int64), "int64"),
        (torch.from_numpy(NAN)[None], "not finite"),
        (torch.full((1, 8, 8), 255.0), r"0\.\.1"),
        (Image.new("CMYK", (8, 8)), "CMYK"),
        (Image.new("F", (8, 8)), "mode F"),
        (Image.new("L", (0, 8)), r"\(8, 0\)"),
        ("no/such/file.jpg", "does not exist"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_picture_is_told_in_one_sentence(restorer, picture, says):
    with pytest.raises((UsageError, ImageError), match=says) as caught:
        restorer(picture)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence


def test_a_cut_off_image(restorer, otter_jpeg):
    otter_jpeg.write_bytes(otter_jpeg.read_bytes()[:3000])
    with pytest.raises(ImageError, match="cannot be decoded"):
        restorer(Image.open(otter_jpeg))


@pytest.mark.parametrize(
    "settings",
    [
        {"task": "dehaze"},
        {"task": "jpeg", "preset": "huge"},
        {"task": "jpeg", "device": "tpu"},
        {"task": "jpeg", "precision": "int4"},
        {"task": "jpeg", "threads": 0},
        {"task": "jpeg", "threads": 10**6},
        {"task": "jpeg", "tile": 3},
        {"task": "jpeg", "tile": 10**6},
        {"task": "jpeg", "strength": 1.5},
        {"task": "jpeg", "pattern": "rggb"},
        {"task": "auto", "pattern": "rggb"},
        {"task": "demosaic", "pattern": "xxxx"},
        {"task": "demosaic", "strength": 0.5},
        {"task": "jpeg", "options": {"colour": 1}},
        {"task": "auto", "weights": "mine.safetensors"},
        {"task": "jpeg", "weights": "no/such/mine.safetensors"},
    ],
    ids=str,
)
def test_settings_that_make_no_sense(settings):
    with pytest.raises(MagnError) as caught:
        magn_cli.load(**settings)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("level", [4, 96, float("nan"), "strong", None])
def test_levels_out_of_range(restorer, small, level):
    with pytest.raises(UsageError):
        restorer(small, level=level)


def test_auto_has_no_level(small):
    with pytest.raises(UsageError, match="needs a task"):
        magn_cli.load()(small, level=25)


def test_a_missing_file_is_told_before_a_network_is_loaded(monkeypatch):
    from magn_cli.api.loading import Loader

    monkeypatch.setattr(Loader, "load", lambda self: pytest.fail("a network was loaded"))
    with pytest.raises(ImageError, match="does not exist"):
        magn_cli.restore("no/such/file.jpg")
