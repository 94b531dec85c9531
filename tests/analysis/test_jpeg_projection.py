"""A restored picture, compressed again with the tables of its file, gives the file's coefficients back."""

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from magn_cli import images
from magn_cli.analysis.jpeg_projection import JpegProjection
from magn_cli.inference.picture import PhotoRestorer
from magn_cli.tasks import get_task
from tests.support.paths import EXAMPLES

CHROMA = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
OTTER = np.asarray(Image.open(EXAMPLES / "otter.png").convert("RGB"))[300:444, 500:700]


def jpeg(pixels, quality, subsampling="4:4:4", **options):
    file = io.BytesIO()
    kind = {} if pixels.ndim == 2 else {"subsampling": subsampling}
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, **kind, **options)
    return file.getvalue()


def compressed_again(pixels, data, subsampling="4:4:4"):
    """By libjpeg with the file's tables."""
    tables = list(Image.open(io.BytesIO(data)).quantization.values())
    file = io.BytesIO()
    kind = {} if pixels.ndim == 2 else {"subsampling": subsampling}
    Image.fromarray(pixels).save(file, "JPEG", qtables=tables, **kind)
    return images.read_coefficients(file.getvalue())


def missed(pixels, data, subsampling="4:4:4"):
    """Share of coefficients that are not the file's."""
    ours, theirs = compressed_again(pixels, data, subsampling), images.read_coefficients(data)
    return max(float((a != b).mean()) for a, b in zip(ours.planes, theirs.planes, strict=True))


def disturbed(data, seed, sigma=12.0):
    """What a network might make of a file: the decoded picture and something smooth."""
    decoded = images.to_float(images.decode(data).pixels)
    noise = np.random.default_rng(seed).normal(0, sigma / 255, decoded.shape)
    return (decoded + 0.5 * (noise + np.roll(noise, 1, axis=1))).astype(np.float32)


def error(one, other):
    """Sum of squares in the file's colours."""
    difference = np.asarray(one, np.float64) - other
    return float(np.square(difference if difference.ndim == 2 else difference @ CHROMA.T).sum())


@pytest.mark.parametrize("quality", [5, 10, 30, 60, 80])
@pytest.mark.parametrize("kind", ["gray", "4:4:4", "4:2:0", "4:2:2"])
def test_eight_bits_give_the_coefficients_back(quality, kind):
    clean = np.ascontiguousarray(OTTER[..., 1]) if kind == "gray" else OTTER
    data = jpeg(clean, quality, kind)
    projection = JpegProjection(images.read_coefficients(data))
    before = images.from_float(disturbed(data, 0, max(8, 400 / quality)), np.uint8)
    after = projection.rounded(disturbed(data, 0, max(8, 400 / quality)))
    assert after.shape == clean.shape and after.dtype == np.uint8
    assert missed(before, data, kind) > 0.001
    assert missed(after, data, kind) == 0


@settings(max_examples=25)
@given(
    quality=st.integers(1, 100),
    seed=st.integers(0, 99),
    gray=st.booleans(),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    progressive=st.booleans(),
)
def test_the_error_to_the_original_never_grows(quality, seed, gray, height, width, progressive):
    clean = OTTER[seed : seed + height, seed : seed + width]
    clean = np.ascontiguousarray(clean[..., 1]) if gray else clean
    data = jpeg(clean, quality, progressive=progressive)
    projection, restored = JpegProjection(images.read_coefficients(data)), disturbed(data, seed)
    original = clean / 255
    # The encoder rounds chroma and the DCT: the original itself lies that much outside.
    slack = 0.0 if gray else 1e-2 * clean.shape[0] * clean.shape[1] / 255
    assert error(projection.nearest(restored), original) <= error(restored, original) * (1 + 1e-4) + slack + 1e-6


def test_a_picture_that_agrees_stays():
    data = jpeg(OTTER, 30)
    decoded = images.decode(data).pixels
    once = JpegProjection(images.read_coefficients(data)).rounded(images.to_float(decoded))
    again = JpegProjection(images.read_coefficients(data)).rounded(images.to_float(once))
    np.testing.assert_array_equal(again, once)
    assert missed(once, data) == 0


def test_strips_give_what_the_whole_gives():
    data = jpeg(OTTER[:139, :195], 40)
    projection, values = JpegProjection(images.read_coefficients(data)), disturbed(data, 1)
    whole = projection.rounded(values)
    parts = [projection.rounded(values[a:b], a) for a, b in ((0, 48), (48, 56), (56, 139))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


class Blurring:
    """In place of a network: strips of odd heights, one of them again from the top."""

    def strips(self, network_input, level, keeps_bayer=False, progress=None):
        from magn_cli.inference.tiling import Span

        values = images.to_float(network_input)
        out = (values + np.roll(values, 1, 0) + np.roll(values, 1, 1)) / 3
        yield Span(0, 20), out[:20] * 0
        for start in range(0, len(out), 27):
            stop = min(start + 27, len(out))
            yield Span(start, stop), out[start:stop]


@pytest.mark.parametrize("ensemble", [False, True])
@pytest.mark.parametrize("turned", [1, 3, 6, 7])
@pytest.mark.parametrize("strength", [1.0, 0.4])
def test_a_restored_file_agrees_with_itself_whichever_way_it_is_turned(turned, ensemble, strength):
    exif = Image.Exif()
    exif[0x0112] = turned
    data = jpeg(OTTER, 30, exif=exif)
    task = get_task("jpeg")
    photo = images.decode(data)
    restored = PhotoRestorer(task, task.scale, Blurring(), strength, ensemble).restore(photo)
    assert restored.pixels.shape == photo.pixels.shape
    stored = np.ascontiguousarray(images.as_stored(restored.pixels, photo.turned))
    assert (
        missed(stored, data) == 0 and np.abs(stored.astype(int) - images.decode(jpeg(OTTER, 30)).pixels).max() > 3
    )


def test_it_is_for_files_whose_own_compression_is_removed():
    jpeg_task, photo = get_task("jpeg"), images.decode(jpeg(OTTER, 80))
    assert jpeg_task.projection(photo, 80) is not None and jpeg_task.projection(photo, 90) is not None
    for level in (30, None):  # the user knows of earlier damage, or does not trust the file
        assert jpeg_task.projection(photo, level) is None
    assert get_task("denoise").projection(photo, 10) is None
    assert jpeg_task.projection(images.photo_of(OTTER), 80) is None


def test_coefficients_that_are_not_those_of_the_pixels_are_left_aside():
    photo = images.decode(jpeg(OTTER, 50))
    other = images.decode(jpeg(np.ascontiguousarray(255 - OTTER), 50))
    assert get_task("jpeg").projection(replace(photo, coded=other.coded), 50) is None
    assert get_task("jpeg").projection(replace(photo, coded=photo.coded[:800]), 50) is None
