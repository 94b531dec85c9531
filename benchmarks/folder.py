"""Compare the throughput of a whole folder with that of the network alone.

    python benchmarks/folder.py --count 100 --megapixels 1

Both use the same photos, JPEG files of quality 40. For the network alone, they are decoded in memory and restored
one after the other. For the folder, ``magn restore`` runs in a separate process, including Python's start,
reading, PNG encoding and the journal. Both run in turns, so that a slow minute of the machine affects both. If
other programs use the processor, CPU time (all threads, including the start) is more reliable than wall time.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import measuring
from pictures import picture

from magn_cli import images, load


def network_alone(photos: list[images.Photo], words: dict[str, Any]) -> tuple[float, float]:
    """Return wall and CPU time of the network in seconds for all photos, after one to warm up."""
    network = load("jpeg", **words).photos
    network.restore(photos[0])
    began, used = time.perf_counter(), time.process_time()
    for photo in photos:
        network.restore(photo)
    return time.perf_counter() - began, time.process_time() - used


def whole_command(folder: Path, out: Path, words: list[str]) -> tuple[float, float]:
    """Return wall and CPU time of the command in seconds, from its start to its end."""
    line = [sys.executable, "-m", "magn_cli", "restore", str(folder), "--task", "jpeg", "--out", str(out), *words]
    began, before = time.perf_counter(), os.times()
    subprocess.run([*line, "--quiet"], check=True)
    after = os.times()
    used = after.children_user - before.children_user + after.children_system - before.children_system
    return time.perf_counter() - began, used


def main() -> None:
    parser = measuring.options(__doc__)
    parser.add_argument("--count", type=int, default=100, help="number of pictures in the folder")
    parser.add_argument("--megapixels", type=float, default=1, help="size of each picture")
    parser.add_argument("--precision", default="auto")
    parser.set_defaults(repeat=1)
    given = parser.parse_args()
    device = measuring.prepare(given)
    words: dict[str, Any] = {"precision": given.precision, "device": given.device, "threads": given.threads}
    options = [f"--{name}={value}" for name, value in words.items() if value is not None]
    seconds: dict[str, list[tuple[float, float]]] = {"network alone": [], "magn restore": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "photos"
        folder.mkdir()
        first = picture(given.megapixels, Path(name))
        for number in range(given.count):
            (folder / f"{number:03}.jpg").write_bytes(first.read_bytes())
        photos = [images.read(first)] * given.count
        total = photos[0].pixels[..., 0].size * given.count / 1e6
        for turn in range(given.repeat):
            seconds["network alone"].append(network_alone(photos, words))
            seconds["magn restore"].append(whole_command(folder, Path(name) / f"out{turn}", options))
    medians = {
        what: [statistics.median(column) for column in zip(*times, strict=True)] for what, times in seconds.items()
    }
    rows = [
        {
            "what": what,
            "pictures": given.count,
            "megapixels": round(total, 1),
            "seconds": clock,
            "MP/s": total / clock,
            "share": medians["network alone"][0] / clock,
            "seconds of the processor": used,
            "share of these": medians["network alone"][1] / used,
        }
        for what, (clock, used) in medians.items()
    ]
    measuring.show(given, device, list(rows[0]), rows)


if __name__ == "__main__":
    main()
