"""Measure what it takes to start: processor time of short commands, relative to ``python -c "import torch"``.

    python benchmarks/start.py --repeat 5

Each command is a separate process on a picture of 24 x 24 pixels, with one thread. They run in turns, and the
smallest time counts: other programs can only make a process slower. Modules are compiled once, into a folder of
the benchmark, as pip compiles them when it installs a package.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import measuring
import numpy as np
from PIL import Image

MAGN = ("-m", "magn_cli")
TORCH = "import torch"


def commands(picture: str) -> dict[str, tuple[int, tuple[str, ...]]]:
    """Return each command with its exit code, by the name of its row."""
    restore = (*MAGN, "restore", picture, "--quiet", "--overwrite", "--threads", "1", "--task")
    return {
        TORCH: (0, ("-c", "import torch")),
        **{f"restore --task {task}": (0, (*restore, task)) for task in ("denoise", "jpeg", "auto")},
        "--help": (0, (*MAGN, "--help")),
        "weights list": (0, (*MAGN, "weights", "list")),
        "inspect": (0, (*MAGN, "inspect", picture)),
        "restore with a wrong option": (2, (*MAGN, "restore", picture, "--tile", "big")),
        "restore of a missing file": (1, (*MAGN, "restore", "missing.jpg")),
    }


def seconds(code: int, words: tuple[str, ...], compiled: Path) -> float:
    """Return the processor time of a command, which must end with ``code``.

    ``compiled``: folder for the compiled modules.
    """
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(compiled)
    process = subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    )
    assert process.stderr is not None
    said = process.stderr.read().decode()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != code:
        sys.exit(f"{' '.join(words)} ended with {process.returncode}: {said}")
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = measuring.options(__doc__)
    given = parser.parse_args()
    device = measuring.prepare(given)
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "tiny.jpg"
        noise = np.random.default_rng(0).normal(128, 25, (24, 24, 3))
        Image.fromarray(noise.clip(0, 255).astype(np.uint8)).save(picture, quality=40)
        found = commands(str(picture))
        best = dict.fromkeys(found, float("inf"))
        for _ in range(given.repeat + 1):  # the first round fills the caches
            for name, (code, words) in found.items():
                best[name] = min(best[name], seconds(code, words, Path(folder) / "compiled"))
    rows = [{"command": name, "seconds": used, "ratio": used / best[TORCH]} for name, used in best.items()]
    measuring.show(given, device, list(rows[0]), rows)


if __name__ == "__main__":
    main()
