"""Write the registry entry of a checkpoint: size, sha256 and metadata are read from the file.

python benchmarks/register.py magn_cli/weights/bundled/magn-s-jpeg.safetensors >> weights.toml
"""

import hashlib
import json
import sys
from pathlib import Path

from magn_cli.weights.card import trained
from magn_cli.weights.checkpoint import load_checkpoint

path = Path(sys.argv[1])
_, about = load_checkpoint(path)
entry = {
    "task": about.task,
    "preset": about.preset,
    "file": path.name,
    "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    "size": path.stat().st_size,
    "licence": about.licence,
    "trained": trained(about.training),
}
print("[[checkpoint]]")
for key, value in entry.items():
    print(f"{key} = {json.dumps(value)}")
print("figures = {}")
