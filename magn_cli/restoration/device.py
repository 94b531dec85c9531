"""Which device computes, with how many threads and in which precision."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch

from magn_cli.errors import UsageError

_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str) -> torch.device:
    """Return the device called ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    ``auto`` takes a GPU where there is one. Raises :class:`UsageError` where the device is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, colon, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (colon and not (kind == "cuda" and index.isdecimal())):
        raise UsageError(f"there is no device {name!r}; use auto, cpu, cuda, cuda:N or mps.")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "no CUDA device is available to this torch; use --device cpu, or install torch with CUDA."
        )
    if index and int(index) >= torch.cuda.device_count():
        raise UsageError(
            f"there is no device {name}; this machine has {torch.cuda.device_count()} CUDA device(s)."
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise UsageError("no Apple GPU is available to this torch; use --device cpu.")
    return torch.device(name)


def compute_exactly() -> None:
    """Let fp32 be fp32 on CUDA (its default for convolutions is TF32), and the same input give the same bytes."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.deterministic = True


def choose_type(precision: str, device: torch.device) -> torch.dtype:
    """Return the type that the network computes in.

    ``auto``: bf16 where the device computes in it natively, else float32. By capability and never by timing,
    so that the same machine gives the same bytes. Raises :class:`UsageError` for an unknown precision.
    """
    if precision == "auto":
        return torch.bfloat16 if has_bf16(device) else torch.float32
    if precision not in _TYPES:
        raise UsageError(f"there is no precision {precision!r}; use auto, {', '.join(_TYPES)}.")
    return _TYPES[precision]


def has_bf16(device: torch.device) -> bool:
    """Whether a device computes products in bf16 faster than in float32.

    Ampere and later; AMX; AVX-512 BF16 of AMD. Intel's AVX-512 BF16 alone, as in a virtual machine that hides AMX,
    took twice the time of float32 (matrix products and convolutions, Xeon of 2023).
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    if _torch_says("_is_amx_tile_supported"):
        return True
    vendor = _processor("vendor_id") or platform.processor()
    return _torch_says("_is_avx512_bf16_supported") and "AuthenticAMD" in vendor


def _torch_says(name: str) -> bool:
    """Ask torch, which keeps this to itself; where another release has it no more, float32 is right as well."""
    ask = getattr(torch.cpu, name, None)
    return ask is not None and bool(ask())


def _processor(what: str) -> str:
    """Return what Linux says of the processor under a name; empty where it says nothing."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            return next((line.partition(":")[2].strip() for line in file if line.startswith(what)), "")
    except OSError:
        return ""


def describe(device: torch.device) -> str:
    """Return what a device is called by its maker, as far as the system says."""
    if device.type == "cuda":
        return f"{device}, {torch.cuda.get_device_name(device)}"
    if device.type != "cpu":
        return str(device)
    return f"cpu, {_processor('model name') or platform.processor() or platform.machine()}"


def use_threads(threads: int | None) -> None:
    """Let torch compute with so many threads; None leaves it at all cores."""
    if threads is None:
        return
    if threads < 1:
        raise UsageError(
            f"--threads {threads} makes no sense; give 1 or more (this machine has {os.cpu_count()})."
        )
    torch.set_num_threads(threads)
