"""How long threads of OpenMP shall spin while they wait: seconds for one picture, alone and beside busy processes.

``python benchmarks/spinning.py --busy 0 1 2`` prints a line for each number of busy processes, a column for each
spin count; ``default`` is what libgomp does unasked. All networks are loaded once and work in turn.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

import measuring

WORKER = """
import sys, time, numpy, magn_cli
restorer = magn_cli.load("jpeg", threads=int(sys.argv[1]), precision="fp32")
side = int(sys.argv[2])
picture = numpy.random.default_rng(0).integers(0, 255, (side, side, 3), numpy.uint8)
restorer.restore(picture, level=20)
print("ready", flush=True)
for _ in sys.stdin:
    began = time.perf_counter()
    restorer.restore(picture, level=20)
    print(time.perf_counter() - began, flush=True)
"""


def worker(count: str, threads: int, side: int) -> subprocess.Popen[str]:
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    if count != "default":
        environment["GOMP_SPINCOUNT"] = count
    words = [sys.executable, "-c", WORKER, str(threads), str(side)]
    return subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def asked(process: subprocess.Popen[str]) -> float:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--counts", nargs="+", default=["default", "0", "1000", "10000", "100000"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args()
    workers = {count: worker(count, given.threads, given.side) for count in given.counts}
    for process in workers.values():
        assert process.stdout is not None
        process.stdout.readline()
    print("| busy processes |", " | ".join(given.counts), "|")
    print("|---" * (len(workers) + 1) + "|")
    try:
        for number in given.busy:
            found: dict[str, list[float]] = {count: [] for count in workers}
            with measuring.busy(number):
                time.sleep(0.5)
                for _ in range(given.repeat):
                    for count, process in workers.items():
                        found[count].append(asked(process))
            cells = (f"{statistics.median(seconds):.2f}" for seconds in found.values())
            print(f"| {number} |", " | ".join(cells), "|", flush=True)
    finally:
        for process in workers.values():
            process.kill()


if __name__ == "__main__":
    main()
