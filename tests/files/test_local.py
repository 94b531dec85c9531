"""The local disk: bytes in, bytes out, nothing replaced unasked, nothing waited for."""

import errno
import hashlib
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magn_cli.files import LOCAL, NotOrdinaryError, atomic, checksum

posix = pytest.mark.skipif(os.name == "nt", reason="as POSIX has it")


def test_bytes_status_and_hash_are_of_one_reading(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"x" * 1000)
    seen = []
    data, status = LOCAL.read(path, seen.append)
    assert (data, seen) == (b"x" * 1000, [b"x" * 64])
    assert (status.kind, status.bytes, status.changed_ns) == ("file", 1000, path.stat().st_mtime_ns)
    assert checksum.of_bytes(data) == checksum.of_file(path) == hashlib.sha256(data).hexdigest()


def test_what_the_start_shows_keeps_the_rest_from_being_read(tmp_path):
    def refuse(start):
        raise KeyError(start)

    (tmp_path / "a").write_bytes(b"start")
    with pytest.raises(KeyError, match="start"):
        LOCAL.read(tmp_path / "a", refuse)


@posix
def test_only_ordinary_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for path, error in [
        (tmp_path / "pipe", NotOrdinaryError),
        (tmp_path / "link", NotOrdinaryError),
        (Path("/dev/null"), NotOrdinaryError),
        (tmp_path, IsADirectoryError),
        (tmp_path / "missing", FileNotFoundError),
    ]:
        with pytest.raises(error):
            LOCAL.read(path)
        with pytest.raises(error):
            LOCAL.open(path)


@posix
def test_a_file_that_becomes_a_pipe_after_the_look(tmp_path, monkeypatch):
    path, opened = tmp_path / "a", os.open
    path.write_bytes(b"x")

    def swap(name, *args, **kwargs):
        path.unlink()
        os.mkfifo(path)
        return opened(name, *args, **kwargs)

    monkeypatch.setattr(os, "open", swap)
    with pytest.raises(NotOrdinaryError):
        LOCAL.read(path)


def test_nothing_is_replaced_unasked(tmp_path):
    path = tmp_path / "a"
    LOCAL.write(path, b"first")
    with pytest.raises(FileExistsError):
        LOCAL.write(path, b"second")
    assert path.read_bytes() == b"first" and [p.name for p in tmp_path.iterdir()] == ["a"]
    LOCAL.write(path, b"second", overwrite=True)
    assert path.read_bytes() == b"second"


@posix
@pytest.mark.parametrize("links", [True, False])
def test_what_appears_meanwhile_stays(tmp_path, monkeypatch, links):
    """Where the file system has hard links, and where not."""
    path = tmp_path / "a"
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", no_links)
    with pytest.raises(FileExistsError), atomic.writing(path, overwrite=False) as file:
        file.write(b"mine")
        path.symlink_to("nowhere")
    assert path.readlink() == Path("nowhere") and len(list(tmp_path.iterdir())) == 1
    path.unlink()
    LOCAL.write(path, b"whole")
    assert path.read_bytes() == b"whole" and path.stat().st_nlink == 1 and len(list(tmp_path.iterdir())) == 1


def no_links(path, target):
    raise OSError(errno.EPERM, "no hard links here")


def test_of_many_writers_one_wins(tmp_path):
    path, start, won = tmp_path / "a", threading.Barrier(8), []

    def write(number):
        start.wait()
        try:
            LOCAL.write(path, bytes([number]) * 100_000)
            won.append(number)
        except FileExistsError:
            pass

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (number,) = won
    assert path.read_bytes() == bytes([number]) * 100_000 and len(list(tmp_path.iterdir())) == 1


@posix
def test_modes(tmp_path):
    """A new file's is the usual one; a file that is replaced keeps its own."""
    before = os.umask(0o027)
    try:
        LOCAL.write(tmp_path / "a", b"x")
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
        (tmp_path / "a").chmod(0o600)
        LOCAL.write(tmp_path / "a", b"y", overwrite=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


@given(st.lists(st.binary(max_size=50).filter(lambda line: b"\n" not in line), max_size=20), st.integers(0, 60))
def test_lines_come_back_up_to_one_that_is_too_long(tmp_path_factory, lines, longest):
    path = tmp_path_factory.mktemp("lines") / "a"
    opened = LOCAL.append_to(path)
    for line in lines:
        opened.append(line)
    expected = []
    for line in lines:
        if len(line) > longest:
            break
        expected.append(line)
    assert list(LOCAL.lines_of(path, longest)) == expected
    opened.close()


def test_a_line_that_was_cut_off_is_ended(tmp_path):
    (tmp_path / "a").write_bytes(b"whole\ncut o")
    opened = LOCAL.append_to(tmp_path / "a")
    opened.append(b"next")
    opened.close()
    assert list(LOCAL.lines_of(tmp_path / "a", 100)) == [b"whole", b"cut o", b"next"]
