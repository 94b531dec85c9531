"""How many workers a cluster has room for, and what each of them takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from magn_cli.batch.cluster.pool import MEMORY
from magn_cli.errors import ClusterError, UsageError


@dataclass(frozen=True)
class Room:
    """Room for workers of one kind."""

    workers: int
    device: str
    resources: dict[str, float]
    """Of each worker, as Ray names them."""


def check_device(device: str) -> None:
    """Raise :class:`UsageError` for a device that cannot be chosen on a cluster."""
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {device} does not go with --cluster: give auto, cpu or cuda.")


def room(ray: Any, threads: int, device: str) -> Room:
    """Count the workers that fit on the nodes: one for each GPU, or else one for each ``threads`` cores.

    Raises :class:`ClusterError` if none fits.
    """
    check_device(device)
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = sum(int(node.get("GPU", 0)) for node in nodes)
    if device == "cuda" and not gpus:
        raise ClusterError("the cluster has no GPU: use --device cpu, or add nodes that have one.")
    uses_gpus = gpus > 0 and device != "cpu"
    resources = {"num_cpus": float(threads), "num_gpus": float(uses_gpus), "memory": float(MEMORY)}
    names = {"CPU": resources["num_cpus"], "GPU": resources["num_gpus"], "memory": resources["memory"]}
    workers = sum(
        min(int(node.get(name, 0) // needed) for name, needed in names.items() if needed) for node in nodes
    )
    if workers == 0:
        what = f"{threads} core{'s' if threads > 1 else ''}{', a GPU' if uses_gpus else ''} and 1.5 GB of memory"
        raise ClusterError(f"no node of the cluster has {what} for a worker: use fewer --threads.")
    return Room(workers, "cuda" if uses_gpus else "cpu", resources)
