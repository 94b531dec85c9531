"""The commands and what they share."""

from __future__ import annotations

from typing import Annotated

import typer

from magn_cli.cli import console
from magn_cli.cli.degrade import degrade
from magn_cli.cli.evaluate import evaluate
from magn_cli.cli.restore import restore
from magn_cli.cli.train import train
from magn_cli.cli.weights import app as weights
from magn_cli.version import __version__

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False)
app.command()(restore)
app.command()(degrade)
app.command("eval")(evaluate)
app.command()(train)
app.add_typer(weights, name="weights", help="See, download, check and publish checkpoints.")


def _version(wanted: bool) -> None:
    if wanted:
        console.results.print(f"magn {__version__}")
        raise typer.Exit


@app.callback()
def magn(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Restore photographs with MAGN, a multi-level attention-guided graph network."""
