"""Simulate how a cluster hands out pictures of mixed sizes, with magn's own dispatcher.

    python benchmarks/dispatch.py
    python benchmarks/dispatch.py --workers 8 --pictures 1000 --rounds 20

Compared are magn, which lets a picture wait behind another only where no other worker would be free sooner, and a
dispatcher that always gives each worker a second picture, or never. Sizes are drawn from 0.5 to 24 megapixels,
evenly on a logarithmic scale. A worker reads and writes one picture while its network works on the other; with a
single picture it does one after the other. No Ray and no network take part.
"""

from __future__ import annotations

import argparse
import heapq
import statistics
from types import SimpleNamespace
from typing import Any

import numpy as np

from magn_cli.batch.cluster.dispatch import IN_FLIGHT, Dispatcher, Task
from magn_cli.batch.cluster.pool import PoolWorker


class AlwaysBehind(Dispatcher[Task]):
    """Gives a worker whatever fits into memory."""

    def _fits_behind(self, task: Task, held: Any) -> bool:
        return sum(one.bytes for one in held) + task.bytes <= IN_FLIGHT


def seconds(kind: type[Dispatcher[Task]], sizes: list[float], workers: int, given: Any, in_hand: int = 2) -> float:
    """Return the time until the last picture is done."""
    pool: Any = SimpleNamespace(workers=[PoolWorker(None, str(n), is_ready=True) for n in range(workers)])
    now, number, busy = 0.0, 0, set[int]()
    events: list[tuple[float, int, PoolWorker[Task], Task]] = []

    def work(worker: PoolWorker[Task]) -> None:
        """Let the network begin with the oldest picture."""
        nonlocal number
        if not worker.tasks or id(worker) in busy:
            return
        task = worker.tasks[0]
        # The other picture is read and written meanwhile.
        alone = len(worker.tasks) == 1
        took = task.megapixels * (given.network + (given.files if alone else 0))
        busy.add(id(worker))
        heapq.heappush(events, (now + took, number, worker, task))
        number += 1

    tasks = [Task(size) for size in sizes]
    dispatcher = kind(pool, tasks, lambda worker, task: None, megapixels=sum(sizes), in_hand=in_hand)
    while True:
        dispatcher.hand_out()
        for worker in pool.workers:
            work(worker)
        if not events:
            return now
        now, _, worker, task = heapq.heappop(events)
        busy.discard(id(worker))
        worker.tasks.remove(task)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--pictures", type=int, nargs="+", default=[10, 30, 100, 1000])
    parser.add_argument("--rounds", type=int, default=100, help="draws of sizes, of which the mean is printed")
    parser.add_argument("--network", type=float, default=4.0, help="seconds a megapixel of the network")
    parser.add_argument("--files", type=float, default=0.2, help="seconds a megapixel to read, encode and write")
    given = parser.parse_args()
    random_numbers = np.random.default_rng(0)
    print("| workers | pictures | always two, relative | always one, relative |\n|---|---|---|---|")
    for workers in given.workers:
        for count in given.pictures:
            two, one = [], []
            for _ in range(given.rounds):
                sizes = np.exp(random_numbers.uniform(np.log(0.5), np.log(24), count)).tolist()
                ours = seconds(Dispatcher, sizes, workers, given)
                two.append(seconds(AlwaysBehind, sizes, workers, given) / ours)
                one.append(seconds(Dispatcher, sizes, workers, given, in_hand=1) / ours)
            print(f"| {workers} | {count} | {statistics.mean(two):.3f} | {statistics.mean(one):.3f} |", flush=True)


if __name__ == "__main__":
    main()
