"""Raw files of cameras: simulated DNG files, developed here and by LibRaw's own converter."""

import io
import struct
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

import magn_cli
from magn_cli import images
from magn_cli.api.loading import load_photo_restorer
from magn_cli.images.metadata import tags
from magn_cli.images.raw import exif as raw_exif
from magn_cli.images.raw.developing import brightened, encoded, saturation
from tests.support.commands import magn, refused
from tests.support.dng import Sensor, write_dng

rawpy = pytest.importorskip("rawpy", reason="raw files need rawpy: pip install '.[raw]'")

PATTERNS = ("rggb", "grbg", "gbrg", "bggr")
BLACKS = (500, 520, 540, 560)
SIZE = 24


@pytest.fixture(scope="module")
def network():
    return load_photo_restorer("demosaic")


@pytest.fixture(scope="module")
def chart() -> np.ndarray:
    """Flat patches of 24 x 24 pixels, white, gray and colours that a camera sees: ``(72, 96, 3)``, 0..1."""
    colours = [
        [(255, 255, 255), (200, 200, 200), (120, 120, 120), (30, 30, 30)],
        [(190, 90, 80), (90, 160, 90), (70, 90, 170), (230, 200, 80)],
        [(200, 150, 130), (100, 120, 160), (90, 110, 70), (60, 40, 50)],
    ]
    return np.repeat(np.repeat(np.array(colours) / 255, SIZE, 0), SIZE, 1)


def by_libraw(path, **settings):
    """LibRaw's own picture, on the curve of sRGB, not brightened, 0..1."""
    with rawpy.imread(str(path)) as raw:
        return raw.postprocess(
            use_camera_wb=True, no_auto_bright=True, gamma=(2.4, 12.92), output_bps=16, **settings
        ) / 65535  # fmt: skip


def middles(picture):
    """The mean of the middle of each patch of the chart: ``(rows, columns, 3)``."""
    rows, columns = (side // SIZE for side in picture.shape[:2])
    cells = picture.reshape(rows, SIZE, columns, SIZE, 3)[:, 8:16, :, 8:16]
    return cells.mean(axis=(1, 3))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_colours_are_those_of_the_scene_and_of_libraw(tmp_path, chart, network, pattern):
    sensor = Sensor(pattern=pattern, black=BLACKS)
    path = write_dng(tmp_path / "a.dng", sensor.mosaic(chart), sensor)
    photo = images.read(path, mosaics=True)
    assert photo.mosaic.pattern == pattern
    assert photo.mosaic.exposure == 1
    restored = network.restore(photo).pixels
    assert restored.dtype == np.uint16
    assert restored.shape == chart.shape
    assert abs(middles(restored / 65535) - middles(chart)).max() < 1.5 / 255
    assert abs(middles(restored / 65535) - middles(by_libraw(path))).max() < 1.5 / 255


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations_as_libraw_turns(tmp_path, chart, network, orientation):
    sensor = Sensor()
    path = write_dng(tmp_path / "a.dng", sensor.mosaic(chart), sensor, orientation=orientation)
    photo = images.read(path, mosaics=True)
    assert photo.turned == orientation
    restored = network.restore(photo).pixels / 65535
    libraw = by_libraw(path)
    assert restored.shape == libraw.shape
    assert abs(middles(restored) - middles(libraw)).max() < 1.5 / 255


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("corner", [(0, 0), (3, 6), (6, 3), (5, 7)])
@pytest.mark.parametrize("crop", [None, (4, 2, 60, 50), (5, 8, 61, 51), (7, 9, 50, 41)])
@pytest.mark.parametrize("preview", [False, True])
def test_dark_border_and_crop_at_any_phase(tmp_path, chart, pattern, corner, crop, preview):
    sensor = Sensor(pattern=pattern, black=BLACKS)
    mosaic = sensor.mosaic(chart)
    top, left = corner
    whole = np.pad(mosaic, [(top, 4), (left, 2)], constant_values=100)
    active = (top, left, top + chart.shape[0], left + chart.shape[1])
    path = write_dng(tmp_path / "a.dng", whole, sensor, active=active, crop=crop, preview=preview)
    photo = images.read(path, mosaics=True)
    # LibRaw starts no active area at an odd row or column: it leaves one out there.
    x, y, width, height = crop or (left % 2, top % 2, chart.shape[1] - left % 2, chart.shape[0] - top % 2)
    blacks = np.reshape(BLACKS, (2, 2))
    expected = encoded(mosaic, pattern, blacks, 16383, np.array(sensor.gains))[y : y + height, x : x + width]
    assert photo.pixels.shape == expected.shape
    colours = np.array(list(pattern)).reshape(2, 2)
    assert photo.mosaic.pattern == "".join(np.roll(colours, (-y, -x), axis=(0, 1)).flatten())
    assert abs(photo.pixels.astype(int) - expected).max() <= 16


def test_blown_out_stays_neutral_and_libraw_is_as_bright(tmp_path, otter, network):
    sensor = Sensor(gains=(2.2, 1.0, 1.7), noise=2)
    bright = np.clip(otter / 255 * 1.6, 0, 1)
    bright[40:80, 60:120] = 1
    samples = sensor.mosaic(bright)
    # White light that is far too strong saturates every channel.
    samples[40:80, 60:120] = sensor.white
    path = write_dng(tmp_path / "a.dng", samples, sensor)
    restored = network.restore(images.read(path, mosaics=True)).pixels / 65535
    assert np.ptp(restored[44:76, 64:116], axis=-1).max() < 3 / 255
    assert restored[44:76, 64:116].min() > 0.99
    with rawpy.imread(str(path)) as raw:
        libraw = raw.postprocess(use_camera_wb=True)
    assert abs(restored.mean() - libraw.mean() / 255) < 0.06


def test_a_dark_shot_is_brightened_without_cutting_highlights(tmp_path, otter, network):
    sensor = Sensor()
    dark = otter / 255 * 0.5
    dark[:4, :4] = 1
    photo = images.read(write_dng(tmp_path / "a.dng", sensor.mosaic(dark), sensor), mosaics=True)
    assert photo.mosaic.exposure > 2
    restored = network.restore(photo).pixels / 65535
    assert restored.mean() > 1.3 * dark.mean()
    assert (restored[10:] < 0.999).mean() > 0.995


def test_a_sensor_that_saturates_early_has_white_whites():
    samples = np.full((8, 8), 15000, np.uint16)
    blacks = np.full((2, 2), 512.0)
    assert saturation(samples, blacks, 16383) == 15000
    assert saturation(samples // 2, blacks, 16383) == 16383
    assert saturation(samples, blacks, 14000) == 14000


@given(st.floats(1, 8), st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_brightening_keeps_order_black_and_white(times, light):
    before = np.array(sorted(light), np.float64)
    after = brightened(before, times)
    assert (np.diff(after) >= -1e-6).all()
    assert (after >= before - 1e-6).all()
    assert after.max() <= 1 + 1e-6
    ends = brightened(np.array([0.0, 1.0]), times)
    assert abs(ends - [0, 1]).max() < 1e-6
    assert np.allclose(brightened(before, 1), before)


@pytest.mark.parametrize(("missing", "words"), [({50721, 50778}, "colours"), ({50728}, "white balance")])
def test_what_the_file_does_not_say_is_told(tmp_path, otter, caplog, missing, words):
    path = write_dng(tmp_path / "a.dng", Sensor().mosaic(otter / 255), Sensor(), without=frozenset(missing))
    images.read(path, mosaics=True)
    assert [words in record.message for record in caplog.records] == [True]


def test_ensemble(tmp_path, chart, network):
    sensor = Sensor(pattern="bggr")
    samples = sensor.mosaic(chart)[:, :-1]
    photo = images.read(write_dng(tmp_path / "a.dng", samples, sensor, orientation=5), mosaics=True)
    one = network.restore(photo).pixels / 65535
    mean = load_photo_restorer("demosaic", ensemble=True).restore(photo).pixels / 65535
    assert one.shape == mean.shape == (95, 72, 3)
    assert abs(one - mean).mean() < 0.005


def test_command(tmp_path, otter):
    sensor = Sensor(pattern="gbrg")
    exif = [(33434, 5, 1, (1, 250), False), (37500, 7, 4, b"note", False)]
    path = write_dng(tmp_path / "shot.dng", sensor.mosaic(otter / 255), sensor, orientation=6, extra=tuple(exif))
    assert magn("restore", path, "--task", "demosaic", "--pattern", "gbrg").exit_code == 0
    photo = images.read(tmp_path / "shot_restored.png")
    assert photo.pixels.shape == (200, 144, 3)
    assert photo.pixels.dtype == np.uint16
    assert magn("restore", path, "--out", tmp_path / "chosen.png").exit_code == 0  # --task auto
    assert (images.read(tmp_path / "chosen.png").pixels == photo.pixels).all()
    assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(photo.metadata.icc)))
    page = tags.read_directory(photo.metadata.exif)
    assert page.value(271) == b"Magn\0"
    assert page.value(306) == b"2024:05:06 07:08:09\0"
    assert page.integers(tags.ORIENTATION) == (1,)
    again = magn_cli.restore(path, "demosaic")
    assert (again == photo.pixels).all()


def test_exposure_and_gps_are_kept_but_maker_notes_are_not():
    below = bytearray(tags.empty())
    records = {
        33434: tags.append_value(below, "<", 33434, tags.RATIONAL, struct.pack("<II", 1, 250)),
        37500: tags.append_value(below, "<", 37500, tags.UNDEFINED, b"a note of the maker"),
    }
    exif = tags.append_directory(below, "<", records)
    pointer = tags.append_value(below, "<", tags.EXIF_DIRECTORY, tags.LONG, struct.pack("<I", exif))
    tags.append_directory(below, "<", {tags.EXIF_DIRECTORY: pointer}, first=True)
    # Panasonic's files are TIFF but for their number.
    for data in (bytes(below), b"IIU\0" + below[4:]):
        page = tags.read_directory(raw_exif.block(data, 8))
        assert page.integers(tags.ORIENTATION) == (8,)
        kept = tags.read_directory(page.data, page.integers(tags.EXIF_DIRECTORY)[0])
        assert kept.numbers(33434) == (1 / 250,)
        assert 37500 not in kept.positions


def test_fujis_exif_is_in_its_preview(tmp_path):
    exif = Image.Exif()
    exif[271] = "FUJIFILM"
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
    preview = (tmp_path / "a.jpg").read_bytes()
    data = b"FUJIFILMCCD-RAW ".ljust(84, b"\0") + struct.pack(">II", 92, len(preview)) + preview
    assert tags.read_directory(raw_exif.block(data, 1)).value(271) == b"FUJIFILM\0"


def test_another_pattern_than_the_file_says(tmp_path, otter):
    path = write_dng(tmp_path / "a.dng", Sensor().mosaic(otter / 255), Sensor())
    result = magn("restore", path, "--task", "demosaic", "--pattern", "bggr")
    refused(result, 1, "a.dng", "rggb", "omit --pattern")


@pytest.mark.parametrize(
    "command",
    [
        ("restore", "--task", "jpeg"),
        ("restore", "--task", "denoise"),
        ("degrade", "--task", "jpeg", "--level", "10", "--out", "set"),
    ],
)
def test_other_commands_want_pictures(tmp_path, otter, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    path = write_dng(tmp_path / "in" / "a.tif", Sensor().mosaic(otter / 255), Sensor())
    name, *options = command
    refused(magn(name, path if name == "restore" else path.parent, *options), 1, "a.tif", "--task demosaic")


def test_eval_wants_pictures(tmp_path, otter):
    write_dng(tmp_path / "a.dng.tif", Sensor().mosaic(otter / 255), Sensor())
    result = magn("eval", tmp_path, "--task", "demosaic")
    assert result.exit_code == 1
    assert "camera raw" in result.stderr


def test_without_rawpy(tmp_path, otter, monkeypatch):
    path = write_dng(tmp_path / "a.dng", Sensor().mosaic(otter / 255), Sensor())
    monkeypatch.setitem(sys.modules, "rawpy", None)
    refused(magn("restore", path, "--task", "demosaic"), 1, "a.dng", "pip install 'magn-cli[raw]'")


@pytest.mark.parametrize("share", [0.002, 0.02, 0.3, 0.7, 0.999])
def test_cut_off_files(tmp_path, otter, share, capfd):
    data = write_dng(tmp_path / "a.dng", Sensor().mosaic(otter / 255), Sensor()).read_bytes()
    (tmp_path / "a.dng").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(magn_cli.errors.ImageError, match=r"a\.dng .*\."):
        images.read(tmp_path / "a.dng", mosaics=True)
    assert capfd.readouterr().err == ""


@given(st.data())
def test_damaged_files_end_in_a_sentence_or_a_picture(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    path = write_dng(folder / "a.dng", Sensor().mosaic(np.full((16, 20, 3), 0.5)), Sensor(), crop=(2, 2, 12, 10))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(8, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        photo = images.read(path, mosaics=True)
    except magn_cli.errors.ImageError as error:
        assert str(path) in str(error)
    else:
        assert photo.pixels.ndim in (2, 3)


def test_the_largest_size_holds(tmp_path, otter):
    path = write_dng(tmp_path / "a.dng", Sensor().mosaic(otter / 255), Sensor())
    refused(magn("restore", path, "--task", "demosaic", "--max-pixels", "1000"), 1, "a.dng", "--max-pixels")


def test_files_that_are_no_bayer_mosaic(tmp_path, otter):
    gray = write_dng(tmp_path / "mono.dng", otter[..., 1].astype(np.uint16), Sensor(), photometric=1)
    data, record = bytearray(gray.read_bytes()), struct.pack("<HHI", 262, 3, 1)
    struct.pack_into("<H", data, data.index(record) + len(record), 34892)
    gray.write_bytes(data)
    colour = write_dng(tmp_path / "linear.dng", otter.astype(np.uint16), Sensor(), photometric=34892)
    for path, words in ((gray, "monochrome"), (colour, "all colours")):
        refused(magn("restore", path, "--task", "demosaic"), 1, path.name, words, "raw converter")


def test_x_trans_says_so(tmp_path, otter):
    colours = bytes("rgb".index(c) for c in "ggrggbggbggrbrgrbgggbggrggrggbrbgbrg")
    path = write_dng(tmp_path / "a.dng", Sensor().mosaic(otter / 255), Sensor(), cfa=((6, 6), colours))
    refused(magn("restore", path, "--task", "demosaic"), 1, "a.dng", "X-Trans")


def test_a_folder_of_raw_files_and_their_jpegs(tmp_path, otter):
    write_dng(tmp_path / "a.DNG", Sensor().mosaic(otter / 255), Sensor())
    Image.fromarray(otter).save(tmp_path / "a.jpg")
    out = tmp_path / "out"
    assert magn("restore", tmp_path, "--task", "demosaic", "--out", out).exit_code == 0
    assert [p.name for p in out.iterdir() if p.name[0] != "."] == ["a.png"]
    assert images.read(out / "a.png").pixels.dtype == np.uint16


def test_without_a_task_raw_files_are_photos_like_others(tmp_path, otter):
    for name in ("a.dng", "b.dng"):
        write_dng(tmp_path / name, Sensor().mosaic(otter[:64, :64] / 255), Sensor())
    for name in ("b.jpg", "c.jpg"):
        Image.fromarray(otter[:64, :64]).save(tmp_path / name)
    out = tmp_path / "out"
    assert magn("restore", tmp_path, "--out", out).exit_code == 0
    depths = {p.name: images.read(p).pixels.dtype for p in out.iterdir() if p.name[0] != "."}
    assert depths == {"a.png": np.uint16, "b.png": np.uint8, "c.png": np.uint8}
