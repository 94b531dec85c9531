"""A picture from standard input, a result to standard output."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from magn_cli.cli import console
from magn_cli.errors import ImageError, UsageError
from magn_cli.files import LOCAL, Store, UrlPath, WithMemory
from magn_cli.files.store import START

PIPE = Path("-")
MAX_BYTES = 1 << 30
"""Of a picture in a pipe."""

BLOCK = 16 << 20

_INPUT = Path("standard input")


@dataclass(frozen=True)
class Ends:
    """Where a run reads and writes: files, or the ends of a pipe under names of their own."""

    sources: list[Path]
    out: Path | None
    store: Store = LOCAL
    output: Path | None = None
    """The name whose bytes go to standard output; None: the result is a file."""

    def send(self) -> None:
        """Write what was made to standard output, if that is where it goes. Raises :class:`ImageError`."""
        if self.output is not None and self.store.status(self.output) is not None:
            _write_output(self.store.read(self.output)[0])


def ends(sources: list[Path], out: Path | None, suffix: str | None) -> Ends:
    """Read a picture from standard input where ``-`` is its name; keep the result for standard output likewise.

    The result goes to standard output as PNG or in the format ``suffix``, where ``out`` is ``-``, or where the
    source is and there is no ``out``. Without ``-`` nothing is changed.

    Raises :class:`UsageError` where ``-`` stands beside other sources, or where an end of the pipe is a terminal.
    """
    if PIPE not in sources and out != PIPE:
        return Ends(sources, out)
    if len(sources) != 1:
        raise UsageError("- stands for a single picture in a pipe: give no other sources.")
    source, held = sources[0], dict[Path, bytes | None]()
    output = (
        Path(f"standard output.{suffix or 'png'}") if out == PIPE or (out is None and source == PIPE) else None
    )
    if output is not None:
        if sys.stdout.isatty():
            raise UsageError("standard output is a terminal: pipe the picture on, or give --out.")
        held[output] = None
    if source == PIPE:
        held[_INPUT] = _read_input()
        source = _INPUT
    elif not isinstance(source, UrlPath) and not source.is_file():
        raise UsageError(f"{source} is not a picture file: only a single picture can go through a pipe.")
    return Ends([source], output or out, WithMemory(held), output)


def _read_input() -> bytes:
    # None where whoever started magn has closed it.
    if sys.stdin is None:
        raise UsageError("standard input is closed: pipe a picture in, or give a file.")
    if sys.stdin.isatty():
        raise UsageError("standard input is a terminal: pipe a picture in, or give a file.")
    from magn_cli import images

    try:
        start = sys.stdin.buffer.read(START)
        images.check_start(start, name=str(_INPUT))
        blocks, total = [start], len(start)
        # The stream may have no end.
        while block := sys.stdin.buffer.read(BLOCK):
            blocks.append(block)
            total += len(block)
            if total > MAX_BYTES:
                raise ImageError(f"standard input has more than {MAX_BYTES >> 20} MB: save it as a file first.")
        return b"".join(blocks)
    except MemoryError:
        raise ImageError("standard input is too large for the memory of this machine: cut it first.") from None
    except OSError as error:
        raise ImageError(
            f"standard input cannot be read ({error.strerror}); check where it comes from."
        ) from error


def _write_output(data: bytes) -> None:
    with console.writing_results():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
