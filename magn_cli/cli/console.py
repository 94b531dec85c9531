"""The only place that prints, and where errors become sentences and exit codes."""

from __future__ import annotations

import functools
import json
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn, ParamSpec, TypeVar

import typer
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from magn_cli.errors import ImageError, MagnError, UsageError, unexpected
from magn_cli.files import Access, StoreError, UrlPath, atomic, check_output, printable, store_of, without_secrets
from magn_cli.files.urls import SCHEMES
from magn_cli.runtime import stderr

messages = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)
"""For people: progress, sentences, errors."""


class ReaderGoneError(Exception):
    """Whoever read standard output has closed it, as ``head`` does when it has seen enough. Needs no message."""


class _Results(Console):
    def on_broken_pipe(self) -> None:
        silence_stdout()
        raise ReaderGoneError


results = _Results(soft_wrap=True, highlight=False, emoji=False)
"""What was asked for, to be piped on."""

STANDARD_OUTPUT = Path("-")

P = ParamSpec("P")
R = TypeVar("R")


def debugging() -> bool:
    """Whether ``MAGN_DEBUG=1`` asks for tracebacks."""
    return os.environ.get("MAGN_DEBUG") == "1"


def say(text: str) -> None:
    """Tell the user something in one line, on stderr."""
    with stderr.in_use:
        messages.print(escape(printable(text)))


def answer(text: str) -> None:
    """Print a line that was asked for, on stdout. Raises :class:`ImageError` where that takes none."""
    with writing_results():
        results.print(printable(text), markup=False)


def print_wide(shown: RenderableType, widest: int | None = None) -> None:
    """Print a table or panel on stdout. Raises :class:`ImageError` where that takes none.

    Squeezed into 80 columns a table would lose its digits; a long line only wraps. ``widest`` is for what can be
    narrower.
    """
    natural = results.measure(shown, options=results.options.update(max_width=1000)).maximum
    width = max(natural, 1) if widest is None else min(results.width, widest)
    wide = _Results(file=results.file, width=width, highlight=False, emoji=False)
    with writing_results():
        wide.print(shown, crop=False)


def emit(document: dict[str, Any]) -> None:
    """Print one line of JSON on stdout: ASCII, and each name can be had back from it. Raises as :func:`answer`."""
    with writing_results():
        results.print(json.dumps(document).replace("\x7f", "\\u007f"), markup=False)


@contextmanager
def writing_results() -> Iterator[None]:
    """Turn what goes wrong in writing to stdout into an :class:`ImageError`, or a :class:`ReaderGoneError`."""
    try:
        yield
        results.file.flush()
    except BrokenPipeError as error:
        silence_stdout()
        raise ReaderGoneError from error
    except OSError as error:
        # Python would try again at its end, and print a traceback.
        silence_stdout()
        raise ImageError(f"standard output cannot be written ({error.strerror}); check where it goes.") from error


@contextmanager
def needing_the_reader() -> Iterator[None]:
    """For work that ends where nobody reads standard output any more: tell that it is not done."""
    try:
        yield
    except ReaderGoneError:
        fail("standard output was closed before the end; run the same command again to resume.", 1)


def silence_stdout() -> None:
    """Let what is still to be written to stdout go nowhere."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def prepare_streams() -> None:
    """Let streams of any encoding take any text: what they lack is written as its escape sequence.

    One that is closed is an error where something is written to it, and not before.
    """
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - as long as the process
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def bar(quiet: bool) -> Progress:
    """Return a progress bar over pictures, to be used as a context; shown in terminals only."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=messages, transient=True, disable=quiet or not messages.is_terminal)


def check_report(path: Path, overwrite: bool) -> None:
    """Raise a :class:`MagnError` where a report cannot go to ``path``; ``-`` is standard output."""
    if path == STANDARD_OUTPUT:
        return
    try:
        if isinstance(path, UrlPath):
            _check_remote_report(path, overwrite)
            return
        if path.is_dir():
            raise UsageError(f"{path} is a folder: give the name of a file.")
        if os.path.lexists(path) and not overwrite:
            raise UsageError(f"{path} already exists: give another name, or use --overwrite.")
        if not path.absolute().parent.is_dir():
            raise ImageError(f"folder not found: {path.parent}; create it before writing {path.name}.")
        atomic.check_writable(path)
    except StoreError as error:
        raise ImageError(f"{path} cannot be written: {error.strerror}.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"{path} cannot be written ({reason}); give another name.") from error


def _check_remote_report(path: UrlPath, overwrite: bool) -> None:
    store = store_of([path])
    check_output(path, store, "name")
    found = store.status(path)
    if found is not None and found.kind == "folder":
        raise UsageError(f"{path} is a folder: give the name of a file.")
    if found is not None and not overwrite:
        raise UsageError(f"{path} already exists: give another name, or use --overwrite.")


def check_reports(outputs: Mapping[str, Path | None], overwrite: bool) -> None:
    """Raise a :class:`MagnError` where a report cannot go to its path, or two would go to one.

    ``outputs``: by the option that names each.
    """
    given = [path for path in outputs.values() if path is not None]
    if given.count(STANDARD_OUTPUT) > 1:
        raise UsageError("only one report can go to standard output: give the others a file name.")
    for path in given:
        check_report(path, overwrite)
    places = [path if isinstance(path, UrlPath) else Path(os.path.realpath(path)) for path in given]
    if len(set(places)) < len(places):
        raise UsageError("two reports cannot go to one file: give each its own name.")


def write_report(text: str, path: Path, overwrite: bool, access: Access | None = None) -> None:
    """Write a report to a file, whole or not at all, or to standard output. Raises :class:`MagnError`.

    Args:
        text: of the report.
        path: ``-`` is standard output.
        overwrite: replace a file, also one that has appeared since :func:`check_report`.
        access: of the files of which the report holds content, pictures or EXIF; None: it holds names and numbers.
    """
    data = text.encode(errors="backslashreplace")
    if path == STANDARD_OUTPUT:
        with writing_results():
            # As a file would hold it, whatever the encoding of the console.
            results.file.flush()
            binary = getattr(results.file, "buffer", None)
            if binary is None:
                results.print(text, end="", markup=False)
            else:
                binary.write(data)
                binary.flush()
        return
    try:
        store_of([path]).write(path, data, overwrite=overwrite, access=access)
    except FileExistsError:
        raise UsageError(f"{path} has appeared meanwhile: give another name, or use --overwrite.") from None
    except StoreError as error:
        raise ImageError(f"{path} cannot be written: {error.strerror}.") from error
    except OSError as error:
        raise ImageError(f"{path} cannot be written ({error.strerror}); give another name.") from error


def complain(text: str, more: Iterable[str] = ()) -> None:
    """Tell the user what went wrong, on stderr: one line, and ``more`` lines under it."""
    with stderr.in_use:
        messages.print(f"[bold red]magn:[/] {escape(printable(text))}")
        for line in more:
            messages.print(f"  {escape(printable(line))}")


def fail(text: str, code: int) -> NoReturn:
    """Complain and leave with an exit code."""
    complain(text)
    raise typer.Exit(code)


def sentences(command: Callable[P, R]) -> Callable[P, R]:
    """Turn every error of a command into one sentence and its exit code; with ``MAGN_DEBUG=1``, let it rise."""

    @functools.wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            check_urls(kwargs)
            return command(*args, **kwargs)
        except typer.Exit:
            raise
        except ReaderGoneError:
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            fail("interrupted; no partial output was kept.", 130)
        except MagnError as error:
            if debugging():
                raise
            fail(str(error), error.exit_code)
        except Exception as error:
            if debugging():
                raise
            fail(without_secrets(unexpected(error)), 1)
        finally:
            # A program that calls a command keeps its own say over what the library logs.
            logging.getLogger("magn_cli").handlers = []
            logging.getLogger("magn_cli").setLevel(logging.NOTSET)

    return guarded


def check_urls(given: dict[str, Any]) -> None:
    """Raise :class:`UsageError` for a URL where a command takes paths of this machine only.

    Where it takes both, it gets a :class:`~magn_cli.files.UrlPath` instead.
    """
    for value in given.values():
        for path in value if isinstance(value, list | tuple) else [value]:
            if isinstance(path, Path) and len(path.parts) > 1 and path.parts[0][:-1] in SCHEMES:
                shown = f"{path.parts[0]}//{'/'.join(path.parts[1:])}"
                if path.parts[0].endswith(":") and not path.exists():
                    raise UsageError(
                        f"{without_secrets(shown)} is a URL, which only pictures and outputs of magn restore, "
                        "degrade and eval may be: copy it to this machine first."
                    )


def show_log(verbose: bool, quiet: bool, tell: Callable[[str], None] = say) -> None:
    """Send what the library logs to stderr, as sentences, and the progress of downloads to terminals only.

    ``quiet`` wins: it promises errors only, also to processes beside the first one. ``tell`` is given each
    sentence instead of :func:`say`.
    """
    if quiet or not messages.is_terminal:
        # Read when the Hub's client is imported, which only a download does.
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    level = logging.ERROR if quiet else logging.INFO if verbose else logging.WARNING
    handler = logging.Handler()
    handler.emit = lambda record: tell(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("magn_cli").handlers = [handler]
    logging.getLogger("magn_cli").setLevel(level)
