"""Print the registry entry of a bundled checkpoint, with size, sha256 and metadata from the file.

python scripts/register.py magn_cli/weights/bundled/magn-s-jpeg.safetensors >> weights.toml
"""

import sys
from pathlib import Path

from magn_cli.files import checksum
from magn_cli.weights.card import trained
from magn_cli.weights.checkpoint import load_checkpoint
from magn_cli.weights.registry import as_toml

path = Path(sys.argv[1])
_, about = load_checkpoint(path)
print(
    as_toml(
        {
            "task": about.task,
            "preset": about.preset,
            "file": path.name,
            "sha256": checksum.of_file(path),
            "size": path.stat().st_size,
            "licence": about.licence,
            "trained": trained(about.training),
        }
    ),
    end="",
)
