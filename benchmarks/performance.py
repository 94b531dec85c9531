"""Run the benchmarks behind docs/performance.md one after the other, on one machine and one commit.

    python benchmarks/performance.py --threads 1 --clock cpu --peers DIR --against DIR > rows.md

``--peers`` and ``--against`` are those of ``network.py``; without them, FFDNet is untrained and DAGL left out. On
a machine that others use, ``--clock cpu --threads 1`` measures the work and not the waiting.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

RUNS = (
    ("Start", "start.py --repeat 5"),
    ("Networks", "network.py --size 512 --window"),
    ("From the network to a restore", "network.py --parts --size 3456 --precision fp32 --repeat 3"),
    ("int8", "int8.py --repeat 3"),
    ("Attention", "attention.py --repeat 15"),
    ("Pictures", "pictures.py --megapixels 1 4 12 --repeat 1"),
    ("Pictures, two threads", "pictures.py --megapixels 12 --repeat 1 --threads 2"),
    ("A large picture", "pictures.py --megapixels 100 --repeat 1 --precision bf16 --threads 2"),
    ("A large TIFF", "pictures.py --tiff --megapixels 200 --repeat 1 --precision bf16 --threads 2"),
    ("Small pictures", "small.py"),
    ("Folders", "folder.py --count 20 --megapixels 1"),
)
CLOCKED = ("network.py", "int8.py")
"""Those that can measure processor time instead of seconds; ``start.py`` and ``folder.py`` always do, too."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", help="CPU threads (default: all cores)")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    parser.add_argument("--peers", help="folder with the files of FFDNet's authors")
    parser.add_argument("--against", help="checkout of DAGL's official repository")
    given = parser.parse_args()
    for title, line in RUNS:
        script, *words = line.split()
        if given.threads and "--threads" not in words:
            words += ["--threads", given.threads]
        if script in CLOCKED:
            words += ["--clock", given.clock]
        if "--window" in words:
            words += ["--peers", given.peers] if given.peers else []
            words += ["--against", given.against] if given.against else []
        print(f"## {title}\n\n`python benchmarks/{line}`\n", flush=True)
        subprocess.run([sys.executable, str(HERE / script), *words], check=True)
        print(flush=True)


if __name__ == "__main__":
    main()
