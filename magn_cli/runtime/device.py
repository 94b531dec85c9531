"""Choice and description of the device that computes."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

from magn_cli.errors import UsageError

if TYPE_CHECKING:
    import torch


def check_device(name: str) -> str:
    """Return ``name``, or raise :class:`UsageError` if it is no name of a device. Needs no torch."""
    kind, colon, index = name.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (colon and not (kind == "cuda" and index.isdecimal())):
        raise UsageError(f"unknown device {name!r}: choose auto, cpu, cuda, cuda:N or mps.")
    return name


def choose_device(name: str) -> torch.device:
    """Return the device for ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    ``auto`` chooses a GPU if there is one.

    Raises:
        UsageError: the name is unknown, or this machine has no such device.
    """
    import torch

    check_device(name)
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UsageError("torch finds no CUDA device; use --device cpu, or install torch with CUDA.")
    if index and int(index) >= torch.cuda.device_count():
        raise UsageError(f"unknown device {name!r}: this machine has {torch.cuda.device_count()} CUDA device(s).")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UsageError("torch finds no Apple GPU; use --device cpu.")
    return torch.device(name)


def processor(what: str) -> str:
    """Return a field of Linux's ``/proc/cpuinfo``, such as ``model name``; empty if there is none."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            return next((line.partition(":")[2].strip() for line in file if line.startswith(what)), "")
    except OSError:
        return ""


def describe(device: torch.device) -> str:
    """Return a device with its product name, as far as the system provides it."""
    if device.type == "cuda":
        import torch

        return f"{device}, {torch.cuda.get_device_name(device)}"
    if device.type != "cpu":
        return str(device)
    return f"cpu, {processor('model name') or platform.processor() or platform.machine()}"
