"""Average the weights of two runs, of which the second started from the first, or from one that did.

    python scripts/average.py run7/magn-s-jpeg.safetensors run8/magn-s-jpeg.safetensors 0.4 --out mean.safetensors

The number is the share of the second. The result has the record of the second, with the share of the first and how
many runs lie between them.
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
before, _ = load_checkpoint(given.first)
model, about = load_checkpoint(given.second)
sha256, back, run = checksum.of_file(given.first), 1, about.training.get("init")
while run and run["sha256"] != sha256:
    back, run = back + 1, run.get("init")
if not run:
    parser.error(f"{given.second} does not start from {given.first}.")
earlier = before.state_dict()
model.load_state_dict(
    {
        name: value.lerp(earlier[name], 1 - given.share) if value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
)
training = {**about.training, "share_of_init": 1 - given.share, "runs_back": back}
save_checkpoint(given.out, model, replace(about, training=training))
