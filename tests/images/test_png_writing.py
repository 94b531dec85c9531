"""PNG files of every kind hold what was written, whichever library compressed them."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from magn_cli.images.formats import png
from magn_cli.images.limits import RefusedError
from magn_cli.images.photo import Metadata


def written(pixels, alpha=None):
    return png.encode(pixels, alpha, Metadata(), None)


@settings(max_examples=40)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.booleans(),
    st.booleans(),
    st.sampled_from([np.uint8, np.uint16]),
)
def test_pixels_and_alpha_come_back(size, colour, has_alpha, dtype):
    rng, top = np.random.default_rng(0), np.iinfo(dtype).max
    pixels = rng.integers(0, top, (*size, 3) if colour else size, dtype, endpoint=True)
    alpha = rng.integers(0, top, size, dtype, endpoint=True) if has_alpha else None
    photo, _ = png.read(written(pixels, alpha))
    np.testing.assert_array_equal(photo.pixels, pixels)
    if alpha is not None:
        np.testing.assert_array_equal(photo.alpha, alpha)


def test_other_programs_see_gray_with_alpha():
    pixels = np.arange(48, dtype=np.uint8).reshape(6, 8)
    with Image.open(io.BytesIO(written(pixels, pixels[::-1]))) as image:
        assert image.mode == "LA"
        np.testing.assert_array_equal(np.asarray(image), np.dstack([pixels, pixels[::-1]]))


@pytest.mark.parametrize("shape", [(1, 1_200_000), (1_200_000, 1, 3)])
def test_sides_of_more_than_a_million_pixels_are_written(shape, capfd):
    pixels = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    photo, _ = png.read(written(pixels))
    np.testing.assert_array_equal(photo.pixels, pixels)
    assert capfd.readouterr().err == ""


def test_deep_files_with_such_sides_are_refused():
    with pytest.raises(RefusedError, match=r"16 bits and a side of more than 1,000,000 pixels"):
        png.read(written(np.zeros((1, 1_200_000), np.uint16)))
