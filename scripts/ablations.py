"""Train and measure the networks of Tables V and VI, and print the results beside the paper's figures.

    python scripts/ablations.py --data DIV2K --sets testsets --out ablations/
    python scripts/ablations.py --data photos --sets testsets --out short/ --base magn-s --steps 100

The task is demosaicing, as in the paper. All networks see the same crops in the same order. Existing runs are
resumed or kept, so you can stop the command and run it again.
"""

import argparse
import csv
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from magn_cli.evaluation import benchmarks
from magn_cli.training import recipe
from magn_cli.weights.checkpoint import load_checkpoint

ROOT = Path(__file__).parents[1]
PAPER = Path(benchmarks.__file__).with_name("paper.csv")


@dataclass(frozen=True)
class Variant:
    table: str
    method: str
    """Name in the paper."""

    file: str | None
    """Recipe in recipes/ablations; None for the network of the other tables."""


VARIANTS = (
    Variant("V", "w/o Global", "without-global"),
    Variant("V", "w/o Local", "without-local"),
    Variant("V", "w/ Multiple Local", "multiple-local"),
    Variant("V", "MAGN", None),
    *(Variant("VI", f"MAGN window {size}", f"window-{size}") for size in (5, 7, 9, 11)),
)


def magn(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "magn_cli", *map(str, words)], check=True)


def run(variant: Variant, given: argparse.Namespace, known: dict[str, dict[str, float]]) -> dict[str, float]:
    """Train and measure a network, unless this was done for another variant with the same network."""
    files = [ROOT / "recipes" / f"{given.base}.toml"]
    if variant.file:
        files.append(ROOT / "recipes" / "ablations" / f"{variant.file}.toml")
    same = json.dumps(resolved(files).config().to_dict())
    if same not in known:
        known[same] = trained(variant.file or "whole", files, given)
    return known[same]


def trained(name: str, files: list[Path], given: argparse.Namespace) -> dict[str, float]:
    out = given.out / name
    words: list[object] = ["train", "--task", "demosaic", "--out", out, "--cache", given.out / "cache"]
    # Also passed on resume, so that a run with another base, batch or length is refused or extended.
    words += [f"--data={given.data}", *(f"--config={file}" for file in files)]
    words += ["--resume"] if (out / "state.pt").exists() else []
    steps = [f"--max-steps={given.steps or resolved(files).training.max_steps}"]
    batch = [f"--batch={given.batch}"] if given.batch else []
    magn(*words, *steps, *batch, "--validate-every", 10**9)
    [weights] = [path for path in out.glob("*.safetensors") if not path.stem.endswith("-best")]
    network, about = load_checkpoint(weights)
    found = {"parameters": float(sum(p.numel() for p in network.parameters())), "steps": about.training["steps"]}
    for dataset in given.set:
        report = out / f"{dataset}.json"
        magn("eval", "--set", dataset, "--task", "demosaic", "--data", given.sets, "--weights", weights,
             "--json", report, "--overwrite", "--quiet")  # fmt: skip
        [result] = [r for r in json.loads(report.read_text())["results"] if r["method"] != "input"]
        found[dataset], found[f"{dataset} ssim"] = result["psnr"], result["ssim"]
    return found


def resolved(files: list[Path]) -> recipe.TrainingRecipe:
    values = recipe.merge({"task": "demosaic", "data": ["x"]}, *(recipe.read(file) for file in files))
    return recipe.resolve(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of photographs to train on")
    parser.add_argument("--sets", type=Path, required=True, help="folder that holds the test sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--base", default="paper", help="base recipe: paper, magn or magn-s")
    parser.add_argument("--set", action="append", help="test set; repeatable (default: McMaster18, Kodak24)")
    parser.add_argument("--steps", type=int, help="number of steps (default: from the recipe)")
    parser.add_argument("--batch", type=int, help="batch size (default: from the recipe)")
    given = parser.parse_args()
    given.set = given.set or ["McMaster18", "Kodak24"]
    with PAPER.open(encoding="utf-8") as file:
        cells = {(r["table"], r["method"], r["dataset"]): r for r in csv.DictReader(file)}
    known: dict[str, dict[str, float]] = {}
    rows = [(variant, run(variant, given, known)) for variant in VARIANTS]
    least = min(found["steps"] for _, found in rows)
    whole = resolved([ROOT / "recipes" / f"{given.base}.toml"]).training.max_steps
    short = f", {least:,} of {whole:,} steps: a short run, no result" if least < whole else ""
    short += f", batch {given.batch}" if given.batch else ""
    for table in ("V", "VI"):
        print(f"\nTable {table} (base: {given.base}{short}); ours, the paper's in brackets\n")
        print(f"| network | parameters | {' | '.join(given.set)} |\n|---|---|{'---|' * len(given.set)}")
        for variant, found in (row for row in rows if row[0].table == table):
            shown = [f"{found['parameters']:,.0f}"]
            for dataset in given.set:
                cell = cells[table, variant.method, dataset]
                ours = f"{found[dataset]:.2f} / {found[f'{dataset} ssim']:.4f}"
                shown.append(f"{ours} ({cell['psnr_db']} / {cell['ssim']})")
            print(f"| {variant.method} | {' | '.join(shown)} |")


if __name__ == "__main__":
    main()
