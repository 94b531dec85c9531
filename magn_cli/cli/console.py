"""The only place that prints, and where errors become sentences and exit codes."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from magn_cli.errors import ImageError, MagnError, UsageError, unexpected
from magn_cli.files import atomic
from magn_cli.runtime import stderr

messages = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)
"""For people: progress, sentences, errors."""

results = Console(soft_wrap=True, highlight=False, emoji=False)
"""What was asked for, to be piped on."""

STANDARD_OUTPUT = Path("-")

P = ParamSpec("P")
R = TypeVar("R")


def debugging() -> bool:
    """Whether ``MAGN_DEBUG=1`` asks for tracebacks."""
    return os.environ.get("MAGN_DEBUG") == "1"


def visible(text: str) -> str:
    """Return text that came from a file without what would command a terminal."""
    return "".join(character for character in text if character.isprintable() or character in "\n\t")


def say(text: str) -> None:
    """Tell the user something, on stderr."""
    with stderr.in_use:
        messages.print(escape(visible(text)))


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
    if path.exists() and not overwrite:
        raise UsageError(f"{path} already exists: give another name, or use --overwrite.")
    if not path.absolute().parent.is_dir():
        raise ImageError(f"folder not found: {path.parent}; create it before writing {path.name}.")


def write_report(text: str, path: Path) -> None:
    """Write a report to a file, whole or not at all, or to standard output. Raises :class:`ImageError`."""
    if path == STANDARD_OUTPUT:
        results.print(text, end="", markup=False)
        return
    try:
        atomic.write_bytes(path, text.encode())
    except OSError as error:
        raise ImageError(f"{path} cannot be written ({error.strerror}); give another name.") from error


def complain(text: str) -> None:
    """Tell the user what went wrong, on stderr."""
    with stderr.in_use:
        messages.print(f"[bold red]magn:[/] {escape(visible(text))}")


def fail(text: str, code: int) -> NoReturn:
    """Complain and leave with an exit code."""
    complain(text)
    raise typer.Exit(code)


def sentences(command: Callable[P, R]) -> Callable[P, R]:
    """Turn every error of a command into one sentence and its exit code; with ``MAGN_DEBUG=1``, let it rise."""

    @functools.wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except typer.Exit:
            raise
        except KeyboardInterrupt:
            fail("interrupted; no partial output was kept.", 130)
        except MagnError as error:
            if debugging():
                raise
            fail(str(error), error.exit_code)
        except Exception as error:
            if debugging():
                raise
            fail(unexpected(error), 1)
        finally:
            # A program that calls a command keeps its own say over what the library logs.
            logging.getLogger("magn_cli").handlers = []
            logging.getLogger("magn_cli").setLevel(logging.NOTSET)

    return guarded


def show_log(verbose: bool, quiet: bool, tell: Callable[[str], None] = say) -> None:
    """Send what the library logs to stderr, as sentences, and the progress of downloads to terminals only.

    ``tell`` is given each sentence instead of :func:`say`.
    """
    if quiet or not messages.is_terminal:
        # Read when the Hub's client is imported, which only a download does.
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    level = logging.INFO if verbose else logging.ERROR if quiet else logging.WARNING
    handler = logging.Handler()
    handler.emit = lambda record: tell(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("magn_cli").handlers = [handler]
    logging.getLogger("magn_cli").setLevel(level)
