"""Time ``magn restore`` on folders of small pictures, alone and beside busy processes.

    python benchmarks/small.py                                  # 64 pictures of 128 x 128, 3,000 of 24 x 24
    python benchmarks/small.py --sides 24 --counts 3000 --busy 0

Each time is that of the whole command. What it takes for a single picture is the start; the rest is divided by
the number of further pictures. A busy process is a loop in Python, which wants one core.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

import measuring
import numpy as np
from folder import whole_command
from PIL import Image


def pictures(folder: Path, side: int, count: int) -> Path:
    """Write JPEG files of quality 40, all different."""
    random_numbers = np.random.default_rng(0)
    folder.mkdir()
    for number in range(count):
        coarse = random_numbers.integers(0, 256, (side // 8, side // 8, 3), np.uint8)
        whole = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
        whole.save(folder / f"{number:05}.jpg", quality=40)
    return folder


def median(folder: Path, words: list[str], repeat: int) -> tuple[float, float]:
    """Return the median wall time and processor time of the command in seconds."""
    times = []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as out:
            times.append(whole_command(folder, Path(out), words))
    return statistics.median(wall for wall, _ in times), statistics.median(used for _, used in times)


def main() -> None:
    parser = measuring.options(__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[128, 24], help="of the pictures, in pixels")
    parser.add_argument("--counts", type=int, nargs="+", default=[64, 3000], help="pictures of each side")
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 2], help="busy processes beside it")
    parser.set_defaults(repeat=1)
    given = parser.parse_args()
    words = [f"--device={given.device}"] if given.device else []
    words += [f"--threads={given.threads}"] if given.threads else []
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        for side, count in zip(given.sides, given.counts, strict=True):
            first = pictures(Path(name) / f"{side}-first", side, 1)
            all_ = pictures(Path(name) / f"{side}", side, count)
            for number in given.busy:
                with measuring.busy(number):
                    start, whole = median(first, words, given.repeat), median(all_, words, given.repeat)
                each, used = ((b - a) / (count - 1) * 1000 for a, b in zip(start, whole, strict=True))
                rows.append(
                    {
                        "side": side,
                        "pictures": count,
                        "busy processes": number,
                        "seconds": whole[0],
                        "of these, start": start[0],
                        "ms each": each,
                        "ms of the processor each": used,
                    }
                )
    measuring.show(given, measuring.prepare(given), list(rows[0]), rows)


if __name__ == "__main__":
    main()
