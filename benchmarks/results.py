"""Write docs/results.md from `magn eval`: Tables II to IV with the paper's columns and ours, and colour sets.

    python benchmarks/results.py --data testsets/ --out docs/results.md

Results are cached in --cache as the JSON of `magn eval`, and measured again only if the weights change. Cells
without a result say why.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measuring
import torch

from magn_cli.errors import MagnError
from magn_cli.evaluation import benchmarks
from magn_cli.model import PRESETS
from magn_cli.tasks import get_task
from magn_cli.version import __version__
from magn_cli.weights.card import trained
from magn_cli.weights.checkpoint import load_checkpoint
from magn_cli.weights.metadata import Checkpoint
from magn_cli.weights.resolve import locate

TITLES = {
    "II": "Table II: gray denoising",
    "III": "Table III: gray JPEG artifacts",
    "IV": "Table IV: demosaicing",
}
COLOUR = {"denoise": "15,25,50", "jpeg": "10,20,30,40"}
COLOUR_SETS = ("Kodak24", "McMaster18")


INTRODUCTION = """
Written by `python benchmarks/results.py --data testsets/` with magn {version}; `magn eval` measured everything.
PSNR in dB and SSIM are means over the set, by the paper's protocol for its tables (not rounded for denoising,
8 bit for the others; SSIM with the uniform window in Table III, else Gaussian). Rows marked "(paper)" are figures
from the paper. Speed is that of the network alone, including windows and padding: {processor},
{threads} threads, native bf16 {native_bf16}, torch {torch}, Python {python}.
"""


@dataclass(frozen=True)
class Weights:
    """A checkpoint to measure."""

    preset: str
    path: Path
    about: Checkpoint

    @property
    def key(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()[:12]


class Measurements:
    """Runs `magn eval` and caches its reports."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        given.cache.mkdir(parents=True, exist_ok=True)

    def of(self, name: str, weights: Weights, blind: bool, *words: object) -> list[dict[str, Any]]:
        """Return the entries of the JSON report for one set and task."""
        report = self.given.cache / f"{name}-{weights.key}-{'blind' if blind else 'told'}.json"
        if not report.exists():
            print(f"measuring {name} with {weights.preset}{', level unknown' if blind else ''}", file=sys.stderr)
            command = [sys.executable, "-m", "magn_cli", "eval", *words, "--weights", weights.path]
            command += ["--json", report, "--quiet", *(["--blind"] if blind else [])]
            command += ["--threads", self.given.threads] if self.given.threads else []
            subprocess.run(list(map(str, command)), check=True)
        entries: list[dict[str, Any]] = json.loads(report.read_text())["results"]
        return entries


def cell(entry: dict[str, Any] | None) -> str:
    return f"{entry['psnr']:.2f} / {entry['ssim']:.4f}" if entry else ""


def speed(entries: list[dict[str, Any]]) -> str:
    seconds, megapixels = (sum(e[name] for e in entries) for name in ("seconds", "megapixels"))
    return f"{seconds / megapixels:.2f}"


def available(task: str) -> Iterator[Weights | tuple[str, str]]:
    """Return the checkpoints of a task by preset, with the reason for each missing one."""
    for preset in PRESETS:
        try:
            path = locate(task, preset)
            yield Weights(preset, path, load_checkpoint(path)[1])
        except MagnError:
            yield preset, f"{preset}: no weights for {task} yet"


def table_of(benchmark: benchmarks.Benchmark, measured: Measurements, data: Path) -> Iterator[str]:
    """Yield the table of one set of the paper: methods by levels."""
    task, levels = benchmark.task, benchmark.levels
    yield f"\n### {benchmark.dataset}\n"
    heads = [get_task(task).level_words(level) or "PSNR / SSIM" for level in levels]
    yield f"| method | {' | '.join(heads)} | µs a pixel |\n|---|{'---|' * (len(levels) + 1)}"
    for method in [c.method for c in benchmark.cells(levels[0])]:
        cells = [benchmark.cell(method, level) for level in levels]
        yield row(f"{method} (paper)", [f"{c.psnr:.2f} / {c.ssim:.4f}" if c else "" for c in cells])
    if not any((data / name).is_dir() for name in (benchmark.dataset, benchmark.dataset.lower())):
        yield row("magn-s, magn", [f"not measured: {benchmark.dataset} is not at hand"])
        return
    words = ("--set", benchmark.dataset, "--task", task, "--data", data)
    name = f"{benchmark.table}-{benchmark.dataset}"
    yield from rows_of(name, task, levels, measured, words)


def colour_table(task: str, dataset: str, measured: Measurements, data: Path) -> Iterator[str]:
    levels = tuple(float(level) for level in COLOUR[task].split(","))
    yield f"\n### {dataset}, colour {task}{' (4:2:0)' if task == 'jpeg' else ''}\n"
    heads = " | ".join(get_task(task).level_words(level) for level in levels)
    yield f"| method | {heads} | µs a pixel |\n|---|{'---|' * (len(levels) + 1)}"
    words = (data / dataset, "--task", task, "--level", COLOUR[task], "--protocol", "modern")
    yield from rows_of(f"colour-{task}-{dataset}", task, levels, measured, words)


def rows_of(
    name: str, task: str, levels: tuple[float | None, ...], measured: Measurements, words: tuple[object, ...]
) -> Iterator[str]:
    """Yield the input, and each preset with given and unknown level."""
    shown_input = False
    for weights in available(task):
        if isinstance(weights, tuple):
            yield row(weights[0], [weights[1].partition(": ")[2]])
            continue
        for blind in (False, True) if weights.about.scale else (False,):
            entries = measured.of(name, weights, blind, *words)
            by_level = {(e["method"] == "input", e["level"]): e for e in entries}
            if not shown_input:
                yield row("input", [cell(by_level.get((True, level))) for level in levels])
                shown_input = True
            ours = [by_level.get((False, level)) for level in levels]
            label = f"**{weights.preset}**" + (", level unknown" if blind else "")
            yield row(label, [cell(e) for e in ours], speed([e for e in ours if e]))


def row(name: str, cells: list[str], last: str = "") -> str:
    return f"| {name} | {' | '.join(cells)} | {last} |"


def document(given: argparse.Namespace) -> Iterator[str]:
    measured = Measurements(given)
    about = measuring.machine(torch.device("cpu"))
    yield "# Results"
    yield INTRODUCTION.format(version=__version__, **about)
    yield "How far each checkpoint was trained:\n\n| checkpoint | trained |\n|---|---|"
    for task in ("denoise", "jpeg", "demosaic"):
        for weights in available(task):
            if isinstance(weights, tuple):
                yield f"| {weights[0]} {task} | not yet |"
            else:
                yield f"| {weights.preset} {task} | {trained(weights.about.training)} |"
    for table, title in TITLES.items():
        yield f"\n## {title}"
        for benchmark in benchmarks.table(table):
            yield from table_of(benchmark, measured, given.data)
    yield "\n## Colour, not in the paper\n"
    yield "Protocol `modern`: rounded to 8 bit, Gaussian SSIM. Kodak24 in full size, 768x512."
    for task in COLOUR:
        for dataset in COLOUR_SETS:
            yield from colour_table(task, dataset, measured, given.data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the test sets")
    parser.add_argument("--out", type=Path, default=Path("docs/results.md"))
    parser.add_argument("--cache", type=Path, default=Path("runs/results"), help="folder for the reports")
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    given.out.write_text("\n".join(document(given)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
