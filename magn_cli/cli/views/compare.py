"""The table of ``magn compare``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from magn_cli.cli import console
from magn_cli.files import printable

if TYPE_CHECKING:
    from magn_cli.evaluation.comparing import Comparison, Figures


def show(compared: Comparison) -> None:
    """Print PSNR and SSIM of each picture, and the means of several."""
    shown = [i for i in range(2) if i != compared.reference]
    table = Table(box=None, pad_edge=False)
    table.add_column("picture")
    for i in shown:
        label = escape(printable(compared.sides[i].label))
        table.add_column(f"{label}, PSNR", justify="right")
        table.add_column("SSIM", justify="right")
    for name, figures in compared.results:
        table.add_row(*_cells(name, [figures[i] for i in shown]))
    if len(compared.results) > 1:
        means = compared.means()
        table.add_row(*_cells("mean", [means[i] for i in shown]))
    console.print_wide(table)


def _cells(name: str, figures: list[Figures | None]) -> list[str]:
    from magn_cli.report.formatting import number

    cells = [escape(printable(name))]
    for one in figures:
        cells += ["", ""] if one is None else [number(one.psnr, ".2f"), number(one.ssim, ".4f")]
    return cells
