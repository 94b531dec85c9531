"""Changing sample types, and the test pictures that the other image tests use."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magn_cli.images import change_depth, from_float, full_scale, to_float


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_integer_survives_the_way_to_float_and_back(dtype):
    every = np.arange(np.iinfo(dtype).max + 1, dtype=dtype)
    floats = to_float(every)
    assert floats.dtype == np.float32 and floats[0] == 0 and floats[-1] == 1
    assert (from_float(floats, dtype) == every).all()


def test_floats_are_rounded_and_clipped_for_integers_only():
    values = np.array([-0.5, 0.5 / 255 + 1e-4, 1.5], np.float32)
    assert from_float(values, np.uint8).tolist() == [0, 1, 255]
    assert from_float(values, np.uint16)[2] == 65535
    assert (from_float(values, np.float32) == values).all()
    assert to_float(values) is values


@given(st.integers(0, 65535))
@settings(max_examples=50, deadline=None)
def test_16_bits_become_the_nearest_8_bits(value):
    reduced = change_depth(np.array([value], np.uint16), np.uint8)
    assert abs(int(reduced[0]) * 257 - value) <= 128


def test_8_bits_fill_the_whole_range_of_16():
    assert change_depth(np.array([0, 1, 255], np.uint8), np.uint16).tolist() == [0, 257, 65535]


def test_what_is_no_pixel_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        from_float(np.array([np.nan], np.float32), np.uint8)
    with pytest.raises(TypeError, match="int64"):
        to_float(np.array([1]))
    with pytest.raises(TypeError):
        full_scale(np.dtype(bool))
