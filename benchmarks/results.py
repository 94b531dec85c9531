"""Write docs/results.md from `magn eval`: Tables II to IV with the paper's columns and ours, colour, real noise.

    python benchmarks/results.py --data testsets/ --peers peers/ --out docs/results.md

`--peers` is a folder of networks that `benchmarks/peers.py` has written. Results are
cached in --cache as the JSON of `magn eval`, and measured again only if the weights change. Cells without a result
say why.
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
import onnx
import torch

from magn_cli.errors import MagnError
from magn_cli.evaluation import benchmarks
from magn_cli.inference.onnx import file as onnx_file
from magn_cli.inference.onnx.layout import METADATA
from magn_cli.model import PRESETS
from magn_cli.tasks import get_task
from magn_cli.version import __version__
from magn_cli.weights.card import trained
from magn_cli.weights.checkpoint import load_checkpoint
from magn_cli.weights.metadata import Checkpoint
from magn_cli.weights.registry import variant
from magn_cli.weights.resolve import locate

TITLES = {
    "II": "Table II: gray denoising",
    "III": "Table III: gray JPEG artifacts",
    "IV": "Table IV: demosaicing",
}
COLOUR = {"denoise": "15,25,50", "jpeg": "10,20,30,40"}
COLOUR_SETS = ("Kodak24", "McMaster18")


INTRODUCTION = """
Written by `python benchmarks/results.py --data testsets/ --peers peers/` with magn {version}; `magn eval`
measured everything. PSNR in dB and SSIM are means over the set, by the paper's protocol for its tables (not
rounded for denoising, 8 bit for the others; SSIM with the uniform window in Table III, else Gaussian). Rows
marked "(paper)" are figures from the paper; rows marked "(measured here)" are networks that their authors
published, run on the same pictures by `magn eval --against` (ONNX Runtime, fp32). "level found": the network is
told what magn estimates. `magn-s` takes its network for white noise where it sees such noise. Measured on
{processor}, native bf16 {native_bf16}, torch {torch}, Python {python}.
For speed, see [Speed and memory](performance.md).
"""


@dataclass(frozen=True)
class Weights:
    """A preset to measure."""

    preset: str
    paths: dict[str, Path]
    """Its checkpoint, and those of its variants, by preset; `magn eval` takes the one that suits a picture."""

    about: Checkpoint

    @property
    def key(self) -> str:
        return "-".join(map(key_of, self.paths.values()))


class Measurements:
    """Runs `magn eval` and caches its reports."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        given.cache.mkdir(parents=True, exist_ok=True)

    def of(
        self, name: str, weights: Weights, *words: object, blind: bool = False, peer: Path | None = None
    ) -> list[dict[str, Any]]:
        """Return the entries of the JSON report for one set and task."""
        how = f"{peer.stem}-{key_of(peer)}" if peer else f"{weights.key}-{'blind' if blind else 'told'}"
        report = self.given.cache / f"{name}-{how}.json"
        if not report.exists():
            print(f"measuring {name} with {how}", file=sys.stderr)
            command = [sys.executable, "-m", "magn_cli", "eval", *words]
            command += ["--preset", weights.preset]
            command += ["--json", report, "--quiet", *(["--blind"] if blind else [])]
            command += ["--against", peer] if peer else []
            command += ["--threads", self.given.threads] if self.given.threads else []
            subprocess.run(list(map(str, command)), check=True)
        entries: list[dict[str, Any]] = json.loads(report.read_text())["results"]
        return entries

    def peers(self, task: str, channels: int, inputs: tuple[int, ...] = (1, 2)) -> Iterator[Path]:
        """Yield the networks of others for a task on gray (1) or colour (3); ``inputs``: with a level if 2."""
        for path in sorted(self.given.peers.glob("*.onnx")) if self.given.peers else []:
            file = onnx_file.read(path)
            graph = onnx.load_model_from_string(file.data).graph
            found = graph.input[0].type.tensor_type.shape.dim[1].dim_value
            if file.metadata.get(f"{METADATA}task") == task and found == channels and len(graph.input) in inputs:
                yield path


def key_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def cell(entry: dict[str, Any] | None) -> str:
    return f"{entry['psnr']:.2f} / {entry['ssim']:.4f}" if entry else ""


def available(task: str) -> Iterator[Weights | tuple[str, str]]:
    """Return the checkpoints of a task by preset, with the reason for each missing one."""
    for preset in PRESETS:
        try:
            path = locate(task, preset)
            own = [variant(task, preset, name) for name in get_task(task).variants]
            paths = {preset: path} | {other: locate(task, other) for other in own if other is not None}
            yield Weights(preset, paths, load_checkpoint(path)[1])
        except MagnError:
            yield preset, f"{preset}: no weights for {task} yet"


def table_of(benchmark: benchmarks.Benchmark, measured: Measurements, data: Path) -> Iterator[str]:
    """Yield the table of one set of the paper: methods by levels."""
    task, levels = benchmark.task, benchmark.levels
    yield f"\n### {benchmark.dataset}\n"
    heads = [get_task(task).level_words(level) or "PSNR / SSIM" for level in levels]
    yield f"| method | {' | '.join(heads)} |\n|---|{'---|' * len(levels)}"
    for method in [c.method for c in benchmark.cells(levels[0])]:
        cells = [benchmark.cell(method, level) for level in levels]
        yield row(f"{method} (paper)", [f"{c.psnr:.2f} / {c.ssim:.4f}" if c else "" for c in cells])
    if not any((data / name).is_dir() for name in (benchmark.dataset, benchmark.dataset.lower())):
        yield row("magn-s, magn", [f"not measured: {benchmark.dataset} is not at hand"])
        return
    words = ("--set", benchmark.dataset, "--task", task, "--data", data)
    name = f"{benchmark.table}-{benchmark.dataset}"
    yield from rows_of(name, task, levels, measured, words, 3 if task == "demosaic" else 1)


def colour_table(task: str, dataset: str, measured: Measurements, data: Path) -> Iterator[str]:
    levels = tuple(float(level) for level in COLOUR[task].split(","))
    yield f"\n### {dataset}, colour {task}{' (4:2:0)' if task == 'jpeg' else ''}\n"
    heads = " | ".join(get_task(task).level_words(level) for level in levels)
    yield f"| method | {heads} |\n|---|{'---|' * len(levels)}"
    words = (data / dataset, "--task", task, "--level", COLOUR[task], "--protocol", "modern")
    yield from rows_of(f"colour-{task}-{dataset}", task, levels, measured, words, 3)


def rows_of(
    name: str,
    task: str,
    levels: tuple[float | None, ...],
    measured: Measurements,
    words: tuple[object, ...],
    channels: int,
) -> Iterator[str]:
    """Yield the input, the networks of others, and each preset with given and unknown level."""
    shown_input = False
    for weights in available(task):
        if isinstance(weights, tuple):
            yield row(weights[0], [weights[1].partition(": ")[2]])
            continue
        for blind in (False, True) if weights.about.scale else (False,):
            entries = measured.of(name, weights, *words, blind=blind)
            by_level = {(e["method"] == "input", e["level"]): e for e in entries}
            if not shown_input:
                yield row("input", [cell(by_level.get((True, level))) for level in levels])
                shown_input = True
                for peer in measured.peers(task, channels):
                    found = measured.of(name, weights, *words, peer=peer)
                    theirs = {e["level"]: e for e in found if e["method"] == peer.name}
                    cells = [cell(theirs.get(level)) for level in levels]
                    yield row(f"{peer.stem} (measured here)", cells)
            ours = [by_level.get((False, level)) for level in levels]
            unknown = ", level unknown" if weights.about.takes_unknown else ", level found"
            label = f"**{weights.preset}**" + (unknown if blind else "")
            yield row(label, [cell(e) for e in ours])


def real_noise(measured: Measurements, data: Path) -> Iterator[str]:
    """Yield the table of the 100 pairs of PolyU: photos with noise, and the mean of many shots."""
    yield "\n## Noise of cameras\n"
    yield "PolyU (Xu et al. 2018): 100 real photos beside the mean of many shots; RGB, 8 bit.\n"
    if not (data / "PolyU").is_dir():
        yield "Not measured: PolyU is not at hand."
        return
    weights = next(w for w in available("denoise") if isinstance(w, Weights))
    words = ("--set", "PolyU", "--data", data, "--task")
    yield "| method | PSNR / SSIM | worst change of a picture, dB |\n|---|---|---|"
    auto = measured.of(f"PolyU-auto-{combined_key()}", weights, *words, "auto")
    inputs = next(e for e in auto if e["method"] == "input")
    before = {picture["name"]: picture["psnr"] for picture in inputs["pictures"]}

    def line(name: str, entries: list[dict[str, Any]], method: str = "") -> str:
        entry = next(e for e in entries if e["method"] == method or (not method and e["method"] != "input"))
        worst = min(picture["psnr"] - before[picture["name"]] for picture in entry["pictures"])
        return row(name, [cell(entry), f"{worst:+.2f}"])

    yield row("input", [cell(inputs), ""])
    for peer in measured.peers("denoise", 3, inputs=(2,)):
        entries = measured.of("PolyU", weights, *words, "denoise", "--level", 10, peer=peer)
        yield line(f"{peer.stem}, told 10 (measured here)", entries, peer.name)
    for level in (3, 4, 4.5, 5, 8):
        entries = measured.of(f"PolyU-{level}", weights, *words, "denoise", "--level", level)
        yield line(f"**magn-s**, told {level}", entries)
    yield line("**magn-s**, level found", measured.of("PolyU-found", weights, *words, "denoise"))
    yield line("`--task auto`", auto)


def combined_key() -> str:
    """Of all weights that `--task auto` may take."""
    keys = [w.key for task in ("denoise", "jpeg") for w in available(task) if isinstance(w, Weights)]
    return hashlib.sha256("".join(keys).encode()).hexdigest()[:12]


def row(name: str, cells: list[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


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
                for preset, path in weights.paths.items():
                    yield f"| {preset} {task} | {trained(load_checkpoint(path)[1].training)} |"
    for table, title in TITLES.items():
        yield f"\n## {title}"
        for benchmark in benchmarks.table(table):
            yield from table_of(benchmark, measured, given.data)
    yield "\n## Colour, not in the paper\n"
    yield "Protocol `modern`: rounded to 8 bit, Gaussian SSIM. Kodak24 in full size, 768x512."
    for task in COLOUR:
        for dataset in COLOUR_SETS:
            yield from colour_table(task, dataset, measured, given.data)
    yield from real_noise(measured, given.data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the test sets")
    parser.add_argument("--peers", type=Path, help="folder of networks of others, see benchmarks/peers.py")
    parser.add_argument("--out", type=Path, default=Path("docs/results.md"))
    parser.add_argument("--cache", type=Path, default=Path("runs/results"), help="folder for the reports")
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()
    given.out.write_text("\n".join(document(given)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
