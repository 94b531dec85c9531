"""Compare two workers of a cluster with two plain processes, each of which restores half of the folder.

    python benchmarks/cluster.py --count 24 --megapixels 0.25

All of them use one thread. Both ways run in turns. The rate is that of the pictures between the moment at which
the networks are loaded and the last result; the time until then, which a long run hardly notices, is printed
beside it. On a machine with fewer than two free cores, the workers share what there is, and so do the plain
processes: the comparison holds, the rate does not.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import measuring
from pictures import picture


def start(folder: Path, out: Path, *words: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "magn_cli", "restore", str(folder), "--task", "jpeg", "--out", str(out)]
    own = ["--threads", "1", "--device", "cpu", "--precision", "fp32", "--log-json", "--quiet"]
    return subprocess.Popen([*line, *own, *words], stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[float, float]:
    """Return when a run began to restore and when its last result was there."""
    out, _ = process.communicate()
    assert process.returncode == 0
    events = [json.loads(line) for line in out.splitlines()]
    assert events[-1]["done"] == sum(event["event"] == "done" for event in events)
    return events[0]["time"], max(event["time"] for event in events if event["event"] == "done")


def two_processes(halves: list[Path], out: Path) -> tuple[float, float, float]:
    """Return the start, the beginning of the work and the end, in seconds since 1970."""
    began = time.time()
    processes = [start(half, out / half.name) for half in halves]
    times = [finish(process) for process in processes]
    return began, min(first for first, _ in times), max(last for _, last in times)


def two_workers(folder: Path, out: Path) -> tuple[float, float, float]:
    """Return the same of a run on a cluster of this machine."""
    began = time.time()
    return began, *finish(start(folder, out, "--recursive", "--cluster", "local", "--workers", "2"))


def main() -> None:
    parser = measuring.options(__doc__)
    parser.add_argument("--count", type=int, default=24, help="number of pictures in the folder")
    parser.add_argument("--megapixels", type=float, default=0.25, help="size of each picture")
    parser.set_defaults(repeat=1, threads=1)
    given = parser.parse_args()
    device = measuring.prepare(given)
    times: dict[str, list[tuple[float, float, float]]] = {"two processes": [], "two workers": []}
    with tempfile.TemporaryDirectory() as name:
        halves = [Path(name) / "photos" / half for half in ("a", "b")]
        first = picture(given.megapixels, Path(name)).read_bytes()
        for half in halves:
            half.mkdir(parents=True)
            for number in range(given.count // 2):
                (half / f"{number:03}.jpg").write_bytes(first)
        for turn in range(given.repeat):
            times["two processes"].append(two_processes(halves, Path(name) / f"plain{turn}"))
            times["two workers"].append(two_workers(halves[0].parent, Path(name) / f"cluster{turn}"))
    total = given.megapixels * 2 * (given.count // 2)
    seconds = {what: statistics.median(end - ready for _, ready, end in runs) for what, runs in times.items()}
    rows: list[dict[str, Any]] = [
        {
            "what": what,
            "pictures": 2 * (given.count // 2),
            "megapixels": round(total, 2),
            "seconds": seconds[what],
            "MP/s": total / seconds[what],
            "share": seconds["two processes"] / seconds[what],
            "seconds to start": statistics.median(ready - began for began, ready, _ in runs),
        }
        for what, runs in times.items()
    ]
    measuring.show(given, device, list(rows[0]), rows)


if __name__ == "__main__":
    main()
