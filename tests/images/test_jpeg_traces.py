"""Lost bytes that no decoder warns of: told by the pixels, and never where a file is sound."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from magn_cli import images
from magn_cli.errors import ImageError
from magn_cli.images.formats import jpeg_damage, jpeg_segments
from magn_cli.images.limits import RefusedError
from tests.support import as_written
from tests.support.commands import magn, refused
from tests.support.paths import ROOT

KINDS = {
    "4:2:0": {"quality": 85},
    "4:4:4": {"quality": 85, "subsampling": 0},
    "4:2:2, optimized": {"quality": 75, "subsampling": 1, "optimize": True},
    "gray": {"quality": 85},
    "progressive": {"quality": 85, "progressive": True},
}


@pytest.fixture(scope="module")
def photo():
    """A piece with a smooth background and fur, ``(384, 640, 3)``."""
    return np.asarray(Image.open(ROOT / "examples" / "otter.png").convert("RGB"))[200:584, 300:940]


def saved(pixels, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **options)
    return file.getvalue()


def decoded(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).astype(int)


def silent_damage(data, count=80):
    """Versions with two bytes cut out that are wrong for a large part, and of which the decoder does not warn."""
    start, end = as_written.scan_bytes(data)
    sound = decoded(data)
    for at in np.linspace(start, start + (end - start) * 2 // 3, count).astype(int):
        broken = data[:at] + data[at + 2 :]
        structure = jpeg_segments.parse(broken)
        try:
            jpeg_damage.check(jpeg_segments.bare(broken, structure), structure)
        except (RefusedError, ValueError):
            continue
        # OpenCV does not decode each file that Pillow does.
        found = cv2.imdecode(np.frombuffer(broken, np.uint8), cv2.IMREAD_COLOR)
        if found is not None and (abs(found - sound).max(axis=-1) > 12).mean() > 0.2:
            yield broken


@pytest.mark.parametrize("kind", KINDS)
def test_most_shifts_are_noticed_with_their_row(kind, photo):
    pixels = photo[..., 1] if kind == "gray" else photo
    told = []
    for broken in silent_damage(saved(pixels, **KINDS[kind])):
        try:
            images.decode(broken, name="a.jpg")
            told.append(False)
        except ImageError as error:
            assert f"of {len(photo)}" in str(error) and "row" in str(error) and str(error).endswith(".")
            told.append(True)
    assert told and np.mean(told) > 0.6, told


def test_at_the_command(tmp_path, photo):
    for broken in silent_damage(saved(photo, quality=85)):
        (tmp_path / "a.jpg").write_bytes(broken)
        result = magn("inspect", tmp_path / "a.jpg", "--json", "-")
        if result.exit_code:
            assert "row" in result.stdout
            refused(magn("restore", tmp_path / "a.jpg"), 1, "a.jpg", "is damaged", "row", "intact copy", "PNG")
            break
    else:
        pytest.fail("nothing was noticed")
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


def test_it_is_told_roughly_where(photo):
    """The row where the shift begins, or, by impossible means, one below."""
    sound, rows = decoded(saved(photo, quality=85)), []
    for broken in silent_damage(saved(photo, quality=85)):
        first = int(np.flatnonzero((abs(decoded(broken) - sound).max(axis=-1) > 12).any(axis=1))[0])
        try:
            images.decode(broken)
            continue
        except ImageError as error:
            message = str(error)
        rows.append((first, int(message.partition("row ")[2].split()[0]), "about" in message))
        if len(rows) == 5:
            break
    assert rows
    for first, told, is_start in rows:
        assert abs(told - first) <= 16 if is_start else told >= first - 16, rows


@pytest.mark.parametrize("options", [{"quality": 60, "progressive": True}, {"quality": 92}])
def test_blocks_that_are_too_full_are_noticed_when_artifacts_are_removed(tmp_path, photo, options):
    """Decoders let the 65th coefficient of a block go without a word."""
    data = saved(photo[:128, :192], **options)
    start, end = as_written.scan_bytes(data)
    for at in range(start, end - 8, 3):
        broken = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        try:
            images.decode(broken)
            images.read_coefficients(broken)
        except images.OverrunError:
            break
        except (ImageError, ValueError, IndexError, KeyError):
            continue
    else:
        pytest.fail("no such damage was found")
    (tmp_path / "a.jpg").write_bytes(broken)
    result = magn("restore", tmp_path / "a.jpg", "-t", "jpeg", "--threads", 1)
    refused(result, 1, "a.jpg", "is damaged", "intact copy", "PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


def slanted_horizon(rng):
    """From one row of units to the next, over the whole width."""
    rows, columns = np.mgrid[:256, :384]
    ground = rows > 128 + 16 * columns / 384
    return np.where(ground, 90, 190)[..., None] + rng.normal(0, 2, (256, 384, 3))


def page(_):
    image = Image.new("RGB", (384, 256), "white")
    for row in range(0, 256, 16):
        # The lines of the right column begin one row of units lower.
        ImageDraw.Draw(image).text((4, row), "The quick brown fox jumps", "black")
        ImageDraw.Draw(image).text((200, row + 16), "over the lazy dog again", "black")
    return np.asarray(image)


def panels(_):
    """A drawing with an edge of the very shape that a shift has."""
    pixels = np.full((256, 384, 3), 230, np.uint8)
    pixels[112:, 192:] = pixels[128:, :192] = 150
    return pixels


def photos_on_paper(rng):
    """Two columns, the right one a row of units higher."""
    pixels = np.full((256, 384, 3), 250.0)
    pixels[128:, :184] = rng.normal(60, 8, (128, 184, 3))
    pixels[112:, 200:] = rng.normal(60, 8, (144, 184, 3))
    return pixels


def sky(_):
    """A smooth gradient, which turns into flat blocks, one step apart."""
    rows, columns = np.mgrid[:256, :384]
    return np.dstack([100 + rows / 3 + columns / 50, 140 + rows / 4 + columns / 60, 220 - rows / 6])


PICTURES = {
    "noise": lambda rng: rng.integers(0, 256, (256, 384, 3)),
    "black and white noise": lambda rng: rng.integers(0, 2, (256, 384, 1)).repeat(3, 2) * 255,
    "colours": lambda rng: rng.integers(0, 2, (16, 24, 3)).repeat(16, 0).repeat(16, 1) * 255,
    "stripes": lambda _: np.tile(np.repeat([0, 255], 16)[:, None, None], (8, 384, 3)),
    "letterbox": lambda rng: np.pad(rng.normal(128, 30, (128, 384, 3)), ((64, 64), (0, 0), (0, 0))),
    "horizon": slanted_horizon,
    "page": page,
    "panels": panels,
    "photos on paper": photos_on_paper,
    "sky": sky,
    "flat": lambda _: np.zeros((256, 384, 3)),
    "narrow": lambda rng: rng.normal(128, 30, (200, 20, 3)),
}


@pytest.mark.parametrize("name", PICTURES)
def test_sound_files_raise_no_alarm(name):
    pixels = np.clip(PICTURES[name](np.random.default_rng(0)), 0, 255).astype(np.uint8)
    for quality in (1, 10, 50, 85, 95, 97, 100):
        for more in ({}, {"subsampling": 0}, {"progressive": True}, {"restart_marker_rows": 1}):
            assert images.decode(saved(pixels, quality=quality, **more)).pixels.shape == pixels.shape
        assert images.decode(saved(pixels[..., 0], quality=quality)).pixels.ndim == 2


def test_photos_raise_no_alarm(otter):
    darker, contrast = otter // 4, np.clip((otter.astype(int) - 128) * 4 + 128, 0, 255).astype(np.uint8)
    for pixels in (otter, darker, 255 - darker, contrast, np.ascontiguousarray(np.rot90(otter))):
        for quality in (1, 5, 20, 60, 90, 100):
            images.decode(saved(pixels, quality=quality))
            images.decode(saved(pixels, quality=quality, subsampling=0))
