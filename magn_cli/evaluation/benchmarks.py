"""Test sets by name: the paper's with every cell of Tables II to IV, and sets of real pairs."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from magn_cli.errors import UsageError, any_of
from magn_cli.tasks import TASKS, PairSet

OURS = "MAGN"


@dataclass(frozen=True)
class Cell:
    """One printed figure: PSNR in dB and SSIM of a method."""

    method: str
    psnr: float
    ssim: float | None
    """None: not printed."""

    def __str__(self) -> str:
        return f"{self.method} {self.psnr:.2f}" + ("" if self.ssim is None else f" / {self.ssim:.4f}")


@dataclass(frozen=True)
class Benchmark:
    """One set in one table, or a set of real pairs."""

    table: str
    """Empty for a set of real pairs."""

    dataset: str
    task: str
    levels: tuple[float | None, ...]
    gray: str | None
    """How gray is made of a colour picture of this set, one of ``degrade.GRAYS``; None: it stays colour."""

    pairs: PairSet | None = None
    """How real pairs are named; None: pictures are degraded on the fly."""

    def cells(self, level: float | None) -> list[Cell]:
        """Return what is printed for a level: by the paper, in its order, or by others for real pairs."""
        if self.pairs is not None:
            return [Cell(printed.method, printed.psnr, None) for printed in self.pairs.published]
        return [cell for key, cell in _cells() if key == (self.table, self.dataset, level)]

    def cell(self, method: str, level: float | None) -> Cell | None:
        """Return what the paper prints for one method; None where it prints nothing."""
        return next((cell for cell in self.cells(level) if cell.method == method), None)

    def best_other(self, level: float | None) -> Cell | None:
        """Return the best printed method that is neither MAGN nor the input."""
        inputs = [task.paper.input_name for task in TASKS.values() if task.paper is not None]
        others = [c for c in self.cells(level) if c.method not in (OURS, *inputs)]
        return max(others, key=lambda cell: cell.psnr, default=None)


BENCHMARKS = tuple(
    Benchmark(task.paper.number, dataset, task.name, task.paper.levels, task.paper.gray)
    for task in TASKS.values()
    if task.paper is not None
    for dataset in task.paper.sets
) + tuple(
    Benchmark("", pairs.name, task.name, (None,), None, pairs)
    for task in TASKS.values()
    for pairs in task.pair_sets
)


def table(name: str) -> list[Benchmark]:
    """Return the sets of a table of the paper, such as ``III``. Raises :class:`UsageError` for another name."""
    found = [b for b in BENCHMARKS if b.table and b.table == name.upper()]
    if not found:
        known = any_of(dict.fromkeys(b.table for b in BENCHMARKS if b.table))
        raise UsageError(f"unknown table {name!r}: choose {known}.")
    return found


def benchmark(dataset: str, task: str | None = None) -> Benchmark:
    """Return a set by name, in any case; ``task`` decides where a set is in two tables.

    Raises :class:`UsageError` for an unknown set, or one that is not used for that task.
    """
    found = [b for b in BENCHMARKS if b.dataset.lower() == dataset.lower() and task in (None, b.task)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{dataset} is in two tables: add --task {' or --task '.join(b.task for b in found)}.")
    known = any_of(dict.fromkeys(b.dataset for b in BENCHMARKS if task in (None, b.task)))
    raise UsageError(f"unknown test set {dataset!r}{f' for {task}' if task else ''}: choose {known}.")


@cache
def _cells() -> list[tuple[tuple[str, str, float | None], Cell]]:
    with Path(__file__).with_name("paper.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        (
            (row["table"], row["dataset"], float(row["level"]) if row["level"] else None),
            Cell(row["method"], float(row["psnr_db"]), float(row["ssim"])),
        )
        for row in rows
        if row["table"] in {b.table for b in BENCHMARKS}
    ]
