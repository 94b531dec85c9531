"""Average the weights of two runs: from the same start, or the second from the first or from one that followed it.

    python scripts/average.py run7/magn-s-jpeg.safetensors run8/magn-s-jpeg.safetensors 0.4 --out mean.safetensors

The number is the share of the second. The result has the record of the second, with the share of the first and how
many runs lie between them, or with what was done in the first beside it.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from magn_cli.files import checksum
from magn_cli.weights.checkpoint import load_checkpoint, save_checkpoint

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("first", type=Path)
parser.add_argument("second", type=Path)
parser.add_argument("share", type=float, help="of the second, 0 to 1")
parser.add_argument("--out", type=Path, required=True)
given = parser.parse_args()
before, first = load_checkpoint(given.first)
model, about = load_checkpoint(given.second)
sha256, back, run = checksum.of_file(given.first), 1, about.training.get("init")
started_from = first.training.get("init")
siblings = run and started_from and run["sha256"] == started_from["sha256"]
while run and not siblings and run["sha256"] != sha256:
    back, run = back + 1, run.get("init")
if not run:
    parser.error(f"{given.second} starts neither from {given.first} nor where that started.")
earlier = before.state_dict()
model.load_state_dict(
    {
        name: value.lerp(earlier[name], 1 - given.share) if value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
)
share = round(1 - given.share, 6)
made = {name: first.training[name] for name in ("steps", "minutes", "device", "recipe") if name in first.training}
record = {"sibling": {**made, "share": share}} if siblings else {"share_of_init": share, "runs_back": back}
save_checkpoint(given.out, model, replace(about, training={**about.training, **record}))
