"""Hash the pictures of test sets, so that `magn train` recognizes them among training photographs.

python scripts/hash_test_sets.py DIR [DIR ...]

Each DIR is a set and gives it its name. The script writes magn_cli/training/test_sets.npz.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from magn_cli import files, images
from magn_cli.training.leakage import of_pictures

TARGET = Path(__file__).parents[1] / "magn_cli" / "training" / "test_sets.npz"


def pictures() -> Iterator[tuple[str, images.Array]]:
    for folder in map(Path, sys.argv[1:]):
        paths = files.find(folder, images.INPUT_SUFFIXES)
        print(f"{folder.name}: {len(paths)} pictures")
        for path in paths:
            yield f"{folder.name}/{path.stem}", images.read(path).pixels


hashes = of_pictures(pictures())
hashes.save(TARGET)
print(f"{len(hashes.names)} squares in {TARGET} ({TARGET.stat().st_size:,} bytes)")
