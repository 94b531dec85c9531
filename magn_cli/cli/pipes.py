"""A picture from standard input, a result to standard output."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from magn_cli.errors import ImageError, UsageError

PIPE = Path("-")


@dataclass(frozen=True)
class Files:
    """The files that stand for the ends of a pipe."""

    sources: list[Path]
    out: Path | None
    hidden: str = ""
    """What is to be left out of messages."""

    writes_output: bool = False
    """Whether the result goes to standard output."""


@contextmanager
def as_files(sources: list[Path], out: Path | None, suffix: str | None) -> Iterator[Files]:
    """Put files of a temporary folder in the place of ``-``; what lies at ``out`` in the end goes out.

    Without ``-`` nothing is changed. The result goes to standard output as PNG or in the format ``suffix``, where
    ``out`` is ``-``, or where the source is and there is no ``out``.

    Raises :class:`UsageError` where ``-`` stands beside other sources, or where an end of the pipe is a terminal.
    """
    if PIPE not in sources and out != PIPE:
        yield Files(sources, out)
        return
    if len(sources) != 1:
        raise UsageError("- stands for a single picture in a pipe: give no other sources.")
    with tempfile.TemporaryDirectory(prefix="magn-") as name:
        folder = Path(name)
        source, target = sources[0], out
        writes_output = out == PIPE or (out is None and source == PIPE)
        if writes_output and sys.stdout.isatty():
            raise UsageError("standard output is a terminal: pipe the picture on, or give --out.")
        if source == PIPE:
            source = folder / "standard input"
            _save_input(source)
        elif not source.is_file():
            raise UsageError(f"{source} is not a picture file: only a single picture can go through a pipe.")
        if writes_output:
            target = folder / f"standard output.{suffix or 'png'}"
        yield Files([source], target, f"{folder}{os.sep}", writes_output)
        if writes_output and target is not None and target.exists():
            _write_output(target.read_bytes())


def _write_output(data: bytes) -> None:
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ImageError(f"standard output cannot be written ({error.strerror}); check where it goes.") from error


def _save_input(path: Path) -> None:
    if sys.stdin.isatty():
        raise UsageError("standard input is a terminal: pipe a picture in, or give a file.")
    try:
        path.write_bytes(sys.stdin.buffer.read())
    except OSError as error:
        raise ImageError(f"{path.parent} cannot hold the picture of the pipe ({error.strerror}).") from error
