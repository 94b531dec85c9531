"""Choice of the precision that a device computes in."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from magn_cli.errors import UsageError, any_of
from magn_cli.runtime.device import processor

if TYPE_CHECKING:
    import torch

_TYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def compute_exactly() -> None:
    """Make CUDA compute fp32 exactly (its default for convolutions is TF32) and deterministically."""
    import torch

    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.deterministic = True


def check_precision(precision: str) -> str:
    """Return ``precision``, or raise :class:`UsageError` if it is unknown. Needs no torch."""
    if precision not in ("auto", *_TYPES):
        raise UsageError(f"unknown precision {precision!r}: choose {any_of(('auto', *_TYPES))}.")
    return precision


def choose_type(precision: str, device: torch.device) -> torch.dtype:
    """Return the type that the network computes in.

    ``auto`` means bf16 if :func:`has_bf16`, else float32. It depends on the device's capabilities and never on
    timing, so a machine always writes the same bytes.

    Raises:
        UsageError: the precision is unknown.
    """
    import torch

    if check_precision(precision) == "auto":
        precision = "bf16" if has_bf16(device) else "fp32"
    dtype: torch.dtype = getattr(torch, _TYPES[precision])
    return dtype


def has_bf16(device: torch.device) -> bool:
    """Return whether a device multiplies faster in bf16 than in float32.

    This holds for NVIDIA GPUs from Ampere on, and for CPUs with AMX or AMD's AVX-512 BF16. Intel's AVX-512 BF16
    alone, as in a virtual machine that hides AMX, took twice the time of float32 (matrix products and
    convolutions, Xeon of 2023).
    """
    if device.type == "cuda":
        import torch

        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    if _torch_says("_is_amx_tile_supported"):
        return True
    vendor = processor("vendor_id") or platform.processor()
    return _torch_says("_is_avx512_bf16_supported") and "AuthenticAMD" in vendor


def _torch_says(name: str) -> bool:
    """Query a private function of torch. False if this release does not have it, which falls back to float32."""
    import torch

    ask = getattr(torch.cpu, name, None)
    return ask is not None and bool(ask())
