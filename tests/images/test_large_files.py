"""Files whose bytes, samples and result lie in temporary files: what small ones give, with their errors."""

import errno
import sys
import tempfile
from dataclasses import replace

import numpy as np
import pytest

from magn_cli import images
from magn_cli.batch import files
from magn_cli.errors import ImageError
from magn_cli.files import LOCAL, data
from magn_cli.files.data import ScratchFile, blocks, in_memory
from magn_cli.files.scratch import is_scratch, scratch_array
from magn_cli.images import encode
from magn_cli.images.formats import png
from tests.support.commands import magn
from tests.support.fuzzing.corpus import corpus

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can reserve the blocks of a file")

FILES = {name: content for name, content in corpus().items() if name.endswith(".tif")}


@pytest.fixture
def all_is_large(monkeypatch):
    monkeypatch.setattr(data, "LARGE", 1)


def seen(path, mosaics=True):
    """A photo's samples and metadata, or the sentence that refuses it."""
    try:
        photo = images.read(path, mosaics=mosaics)
    except ImageError as error:
        return str(error)
    alpha = None if photo.alpha is None else photo.alpha.tobytes()
    return photo.pixels.tobytes(), photo.pixels.shape, photo.pixels.dtype, alpha, photo.metadata, photo.turned


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_tiff_is_read_alike(tmp_path, monkeypatch, name):
    path = tmp_path / name
    for content in (FILES[name], FILES[name][: len(FILES[name]) // 2], FILES[name][:60], b""):
        path.write_bytes(content)
        monkeypatch.setattr(data, "LARGE", 1 << 30)
        expected = seen(path)
        monkeypatch.setattr(data, "LARGE", 1)
        assert seen(path) == expected


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_nothing_large_stays_in_memory(tmp_path, all_is_large, dtype):
    values = (np.random.default_rng(0).random((80, 50, 3)) * (1 if dtype == np.float32 else 255)).astype(dtype)
    written = encode(values, "TIFF")
    assert not isinstance(written, bytes)
    (tmp_path / "a.tif").write_bytes(in_memory(written))
    loaded, status = images.load(tmp_path / "a.tif")
    assert not isinstance(loaded, bytes) and status.bytes == len(loaded)
    photo = images.decode(loaded)
    assert is_scratch(photo.pixels)
    np.testing.assert_array_equal(photo.pixels, values)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("has_alpha", [False, True])
def test_a_large_png_is_written_in_parts(monkeypatch, all_is_large, dtype, channels, has_alpha):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 255, (80, 50, channels)).astype(dtype).squeeze()
    alpha = rng.integers(0, 255, (80, 50)).astype(dtype) if has_alpha else None
    like = replace(images.photo_of(values), alpha=alpha)
    monkeypatch.setattr(png, "_DATA_CHUNK", 700)
    written = encode(values, "PNG", like)
    assert not isinstance(written, bytes) and in_memory(written).count(b"IDAT") > 3
    photo = images.decode(in_memory(written))
    np.testing.assert_array_equal(photo.pixels, values)
    assert alpha is None or np.array_equal(photo.alpha, alpha)


def test_other_formats_come_into_memory(tmp_path, all_is_large):
    (tmp_path / "a.png").write_bytes(in_memory(encode(np.zeros((9, 8), np.uint8), "PNG")))
    assert isinstance(images.load(tmp_path / "a.png")[0], bytes)
    assert images.read(tmp_path / "a.png").pixels.shape == (9, 8)


def test_a_file_that_is_shortened_meanwhile_harms_nobody(tmp_path, all_is_large):
    values = np.arange(3000, dtype=np.uint16).reshape(50, 20, 3)
    images.write(tmp_path / "a.tif", values)
    loaded, _ = images.load(tmp_path / "a.tif")
    (tmp_path / "a.tif").write_bytes(b"")
    np.testing.assert_array_equal(images.decode(loaded).pixels, values)


def test_a_photo_is_restored_alike(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    values = np.clip(rng.normal(0.5, 0.05, (150, 140, 3)), 0, 1)
    images.write(tmp_path / "a.tif", np.rint(values * 65535).astype(np.uint16))
    for large, name in ((1 << 30, "plain"), (1, "scratch")):
        monkeypatch.setattr(data, "LARGE", large)
        done = magn("restore", tmp_path / "a.tif", "--task", "denoise", "--out", tmp_path / f"{name}.tif")
        assert done.exit_code == 0
    assert (tmp_path / "plain.tif").read_bytes() == (tmp_path / "scratch.tif").read_bytes()


def test_a_clean_photo_stays_as_it_is(tmp_path, all_is_large, monkeypatch):
    monkeypatch.setattr(files, "MAX_HELD", 0)
    images.write(tmp_path / "a.tif", np.full((150, 140, 3), 30_000, np.uint16))
    done = magn("restore", tmp_path / "a.tif", "--task", "denoise", "--out", tmp_path / "b.tif")
    assert done.exit_code == 0
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_a_file_in_memory(tmp_path, all_is_large, monkeypatch):
    images.write(tmp_path / "a.tif", np.zeros((9, 8), np.uint16))
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    loaded, _ = LOCAL.load(tmp_path / "a.tif", lambda start: True)
    assert loaded == (tmp_path / "a.tif").read_bytes()
    assert not is_scratch(scratch_array((9, 8), np.uint16))


def test_a_disk_that_fills_up_leaves_what_was_written(all_is_large, monkeypatch):
    file = ScratchFile(100)
    file.write(b"first, ")
    monkeypatch.setattr(file, "_file", Full(file._file))
    file.write(b"second")
    file.replace(0, b"F")
    assert file.content() == b"First, second"


def test_neither_disk_nor_memory_has_room(monkeypatch):
    file = ScratchFile(1 << 60)
    monkeypatch.setattr(file, "_file", Full(file._file))
    with pytest.raises(MemoryError):
        file.write(b"first")


class Full:
    """A file that can be read only."""

    def __init__(self, file):
        self.file = file

    def write(self, *_):
        full()

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self.file.__enter__()

    def __exit__(self, *problem):
        return self.file.__exit__(*problem)


def test_blocks_are_the_whole(all_is_large, monkeypatch):
    file = ScratchFile(100)
    file.write(bytes(range(100)))
    content = file.content()
    monkeypatch.setattr(data, "_BLOCK", 30)
    assert [len(block) for block in blocks(content)] == [30, 30, 30, 10]
    assert b"".join(blocks(content)) == bytes(range(100)) == in_memory(content)
    assert ScratchFile(100).content() == b""
