"""The connection of the driver to Ray."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from magn_cli.batch.cluster.address import AUTO, LOCAL, check_address, check_reachable, unreachable
from magn_cli.errors import ClusterError, MagnError
from magn_cli.runtime.extras import check_extra

log = logging.getLogger(__name__)

OBJECT_STORE = 100 << 20
"""Bytes of shared memory of a cluster on this machine. Pictures do not pass through it."""


def check_installed() -> None:
    """Raise :class:`UsageError` if Ray is not installed."""
    check_extra("--cluster", "cluster", "ray")


@contextmanager
def connected(address: str, cpus: int | None = None) -> Iterator[Any]:
    """Connect to a cluster, or start one on this machine, and yield the module ``ray``.

    Args:
        address: ``auto``, ``local`` or ``host:port``, see :func:`check_address`.
        cpus: number of cores of a cluster on this machine; None for all.

    Raises:
        UsageError: Ray is not installed.
        ClusterError: the cluster cannot be reached or started.
    """
    check_installed()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # What becomes of the calls of a worker that died is told in our own words.
    os.environ.setdefault("RAY_IGNORE_UNHANDLED_ERRORS", "1")
    import ray
    from ray._private import worker as driver

    # Ray tells of dead workers on standard output, where --log-json writes, and has no public switch for that.
    driver._worker_logs_enabled = False

    with _own_signals():
        try:
            if address != LOCAL:
                where = _found(address)
                check_reachable(where)
                ray.init(where, log_to_driver=False, logging_level=logging.ERROR)
            else:
                ray.init(
                    address=LOCAL,
                    num_cpus=cpus,
                    object_store_memory=OBJECT_STORE,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
        except MagnError:
            raise
        except Exception as error:
            # Ray raises whatever comes, also a plain Exception.
            with suppress(Exception):
                ray.shutdown()
            raise _sentence(address, error) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _found(address: str) -> str:
    """Return ``host:port`` of the cluster. ``auto`` is what ``RAY_ADDRESS`` or ``ray start`` says."""
    if address != AUTO:
        return address
    named = os.environ.get("RAY_ADDRESS", AUTO)
    if named not in ("", AUTO):
        return check_address(named)
    from ray._private import services

    with suppress(Exception):
        return str(services.canonicalize_bootstrap_address(AUTO))
    raise ClusterError(
        "no cluster runs on this machine: start one with ray start, give its address, or use --cluster local."
    )


def _sentence(address: str, error: Exception) -> ClusterError:
    says = " ".join(str(error).split())
    if address == LOCAL:
        return ClusterError(f"Ray cannot be started here ({says.rstrip('.')}): see its logs in /tmp/ray.")
    if "ersion mismatch" in says:
        return ClusterError(
            f"the cluster at {address} has another version of Ray or Python ({says.rstrip('.')}): "
            "install the same versions on all nodes."
        )
    return unreachable(address, says.rstrip("."))


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep the handlers of signals that Ray replaces by its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
