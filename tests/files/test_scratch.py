"""Large arrays in temporary files."""

import errno
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from magn_cli.files import data, scratch
from magn_cli.files.data import in_memory
from magn_cli.files.scratch import let_go, scratch_array
from magn_cli.images import encode
from magn_cli.inference.tiled_network import joined
from magn_cli.inference.tiling import Span

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can reserve the blocks of a file")


@pytest.fixture
def small_is_large(monkeypatch, tmp_path):
    monkeypatch.setattr(data, "LARGE", 10_000)
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path))


def mapped_files(folder):
    return [line for line in Path("/proc/self/maps").read_text().splitlines() if f"{folder}/" in line]


def test_a_large_array_lies_in_a_file_that_goes_with_it(small_is_large, tmp_path):
    array = scratch_array((100, 70, 3), np.uint16)
    assert mapped_files(tmp_path)
    assert not list(tmp_path.iterdir())
    array[...] = 7
    del array
    assert not mapped_files(tmp_path)


def test_values_stay_when_their_memory_is_let_go(small_is_large):
    values = np.random.default_rng(0).integers(0, 65536, (100, 70, 3), np.uint16)
    array = scratch_array(values.shape, values.dtype)
    array[...] = values
    let_go(array[10:20])
    np.testing.assert_array_equal(array, values)
    let_go(values)


def test_small_arrays_need_no_file(small_is_large, tmp_path):
    assert scratch_array((10, 10), np.uint8).base is None
    assert not mapped_files(tmp_path)


def test_a_full_disk_leaves_the_array_in_memory(small_is_large, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    array = scratch_array((100, 200), np.uint8)
    array[...] = 1
    assert array.all()
    assert not mapped_files(tmp_path)


@pytest.mark.parametrize("kind", ["TIFF", "PNG"])
def test_a_joined_picture_in_a_file_is_written_as_any_other(kind, small_is_large, tmp_path):
    values = np.random.default_rng(0).integers(0, 65536, (300, 200, 3), np.uint16)
    whole = joined(((Span(y, y + 50), values[y : y + 50]) for y in range(0, 300, 50)), 300)
    assert mapped_files(tmp_path)
    assert in_memory(encode(whole, kind)) == in_memory(encode(values, kind))
