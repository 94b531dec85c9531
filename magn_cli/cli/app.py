"""The commands and what they share."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from magn_cli.cli import console
from magn_cli.cli.compare import compare
from magn_cli.cli.degrade import degrade
from magn_cli.cli.evaluate import evaluate
from magn_cli.cli.export import export
from magn_cli.cli.graph import graph
from magn_cli.cli.inspect import inspect
from magn_cli.cli.restore import restore
from magn_cli.cli.train import train
from magn_cli.cli.weights import app as weights
from magn_cli.errors import MagnError, UsageError
from magn_cli.version import __version__

NAMES_FOLLOW = frozenset(
    {"--against", "--cache", "--card", "--compare", "--config", "--csv", "--data", "--degraded", "--exclude"}
    | {"--html", "--init", "--json", "--markdown", "--out", "-o", "--validate", "--weights"}
)
"""Options whose values are names of files or folders."""


class Commands(TyperGroup):
    """Answers a wrong command line with one sentence, like every other error."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and leave with its exit code."""
        try:
            words = _unmistakable(sys.argv[1:] if args is None else args)
            code = super().main(words, prog_name, complete_var, False, windows_expand_args, **extra)
        except MagnError as error:
            console.complain(str(error))
            code = error.exit_code
        except BrokenPipeError:
            raise
        except OSError as error:
            # What click itself prints, such as the help.
            console.silence_stdout()
            console.complain(f"standard output cannot be written ({error.strerror}); check where it goes.")
            code = 1
        except Exception as error:
            # Typer uses click, or brings its own copy of it: its errors have no name of their own here.
            if type(error).__name__ == "Abort":
                raise KeyboardInterrupt from error
            if not standalone_mode or not hasattr(error, "format_message"):
                raise
            _explain(error)
            code = getattr(error, "exit_code", 2)
        if standalone_mode:
            sys.exit(code if isinstance(code, int) else 0)
        return code


def _unmistakable(words: Sequence[str]) -> list[str]:
    """Return a command line without what Python's paths would change: an empty name into the current folder, and
    ``./-``, a file, into ``-``, a pipe.

    Raises :class:`UsageError` for an empty name of a file or folder.
    """
    for before, word in pairwise(["", *words]):
        option = before if word == "" else word[:-1] if word.endswith("=") else None
        # Other options refuse an empty value themselves.
        if option in NAMES_FOLLOW or (word == "" and not before.startswith("-")):
            raise UsageError("the name of a file or folder is empty; check the variable that it comes from.")
    return [os.path.abspath(w) if w != "-" and Path(w) == Path("-") else w for w in words]  # noqa: PTH100


def _explain(error: Any) -> None:
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return
    message = " ".join(error.format_message().split())
    problem, asks, guess = message.partition("Did you mean ")
    if asks:
        problem = f"{problem.strip(' .(')}: did you mean {guess.strip(' .?)')}? See"
    else:
        problem = f"{message.rstrip('.?')}; see"
    context, names = error.ctx, ["--help"]
    while context is not None:
        names.insert(0, context.info_name if context.parent is not None else "magn")
        context = context.parent
    console.complain(f"{problem[:1].lower()}{problem[1:]} {' '.join(names)}.")


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
app.command()(restore)
app.command()(inspect)
app.command()(degrade)
app.command("eval")(evaluate)
app.command()(graph)
app.command()(compare)
app.command()(train)
app.command()(export)
app.add_typer(weights, name="weights", help="List, download, verify and publish checkpoints.")


def _version(wanted: bool) -> None:
    if wanted:
        console.answer(f"magn {__version__}")
        raise typer.Exit


@app.callback()
def magn(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Restore photos: remove noise and JPEG artifacts, and demosaic raw files.

    Start with magn restore photo.jpg. Each command explains itself with --help.
    """
