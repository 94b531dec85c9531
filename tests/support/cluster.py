"""A real Ray cluster of two nodes on this machine, and networks that cost nothing or kill their worker."""

import os
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from magn_cli.batch.cluster import ClusterSettings, started
from tests.support.folders import SETTINGS, Inverse
from tests.support.paths import ROOT

SMALL_STORE = 80 << 20
"""Bytes of shared memory of a node: the least that Ray takes."""

DEADLY = 13
"""Shade of a picture that kills its worker."""

SLOW = 77
"""Shade of a picture that is done when a file exists, but within a minute."""


@contextmanager
def two_nodes():
    """Yield the address of a cluster of two nodes with one core each."""
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    for tries_left in (2, 1, 0):
        cluster = Cluster()
        try:
            _add_nodes(cluster)
            break
        except Exception:
            # Ray gives a node 30 s to start, too little on a machine with much else to do.
            cluster.shutdown()
            if not tries_left:
                raise
    try:
        yield cluster.address
    finally:
        cluster.shutdown()


def _add_nodes(cluster):
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    for _ in range(2):
        cluster.add_node(
            num_cpus=1, object_store_memory=SMALL_STORE, include_dashboard=False, env_vars={"PYTHONPATH": path}
        )


@dataclass
class FakeLoader:
    """Loads a network that inverts, and obeys the shade of a picture."""

    gate: Path | None = None
    device: str = "cpu"
    threads: int = 1
    weights: dict = field(default_factory=dict)

    def load(self):
        return Inverse(self.obey)

    def obey(self, photo):
        shade = int(photo.pixels.flat[0])
        if shade == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        until = time.monotonic() + 60
        while shade == SLOW and not self.gate.exists() and time.monotonic() < until:
            time.sleep(0.05)


@contextmanager
def running(plan, address, loader=FakeLoader, weights=None, **settings):
    """Start workers and yield a function that runs the plan and returns its events and what was not tried."""
    where = ClusterSettings(address, **{"workers": 2, **settings})
    with started(plan, where, loader, weights or {}) as run:

        def all_of_it(report=lambda event: None, **options):
            events = []

            def both(event):
                events.append(event)
                report(event)

            untried = run(report=both, **{"stop_on_error": False, **options})
            return events, untried

        yield all_of_it


def planned(batch, sources, out, **options):
    plan = batch.plan([sources], out, settings=SETTINGS, **options)
    plan.check()
    return plan
