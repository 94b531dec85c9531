"""Average the weights of two runs with a start in common, or of which the second started from the first.

    python scripts/average.py run7/magn-s-jpeg.safetensors run8/magn-s-jpeg.safetensors 0.4 --out mean.safetensors

The number is the share of the second. The result has the record of the second, with the share of the first and how
many runs lie between them, or with what was done in the first since the last start in common. The second must not
be a mean of the same kind already, as a record has room for one of each.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from magn_cli.files import checksum
from magn_cli.weights.checkpoint import load_checkpoint, save_checkpoint

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("first", type=Path)
parser.add_argument("second", type=Path)
parser.add_argument("share", type=float, help="of the second, 0 to 1")
parser.add_argument("--out", type=Path, required=True)
parser.add_argument("--preset", help="name of the result, as in the registry (default: that of the second)")
given = parser.parse_args()
before, first = load_checkpoint(given.first)
model, about = load_checkpoint(given.second)


def chain(training: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the starts of a run, the last one first."""
    start = training.get("init")
    return [start, *chain(start)] if start else []


starts, others = [[run["sha256"] for run in chain(record.training)] for record in (about, first)]
sha256 = checksum.of_file(given.first)
shared = next((start for start in starts if start in others), None)
if sha256 not in starts and shared is None:
    parser.error(f"{given.second} and {given.first} have no start in common, and neither is the other's.")
if sha256 not in starts and "sibling" in about.training:
    parser.error(f"{given.second} is a mean of two runs, whose record would be lost; give it as the first.")
if sha256 in starts and "share_of_init" in about.training:
    parser.error(f"{given.second} is a mean with an earlier run already, whose share would be lost.")
earlier = before.state_dict()
model.load_state_dict(
    {
        name: value.lerp(earlier[name], 1 - given.share) if value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
)
share = round(1 - given.share, 6)
if sha256 in starts:
    record: dict[str, Any] = {"share_of_init": share, "runs_back": starts.index(sha256) + 1}
else:
    runs = [first.training, *chain(first.training)][: others.index(shared) + 1]
    made: dict[str, Any] = {name: first.training[name] for name in ("device", "recipe") if name in first.training}
    runs += [run["sibling"] for run in runs if "sibling" in run]
    made |= {name: sum(run.get(name, 0) for run in runs) for name in ("steps", "minutes")}
    record = {"sibling": {**made, "share": share}}
about = replace(about, preset=given.preset or about.preset, training={**about.training, **record})
save_checkpoint(given.out, model, about)
