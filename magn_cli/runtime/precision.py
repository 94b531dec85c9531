"""In which precision a device computes."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from magn_cli.errors import UsageError
from magn_cli.runtime.device import processor

if TYPE_CHECKING:
    import torch

_TYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def compute_exactly() -> None:
    """Let fp32 be fp32 on CUDA (its default for convolutions is TF32), and the same input give the same bytes."""
    import torch

    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.deterministic = True


def check_precision(precision: str) -> str:
    """Return ``precision``, or raise :class:`UsageError` where there is none of that name. Needs no torch."""
    if precision not in ("auto", *_TYPES):
        raise UsageError(f"there is no precision {precision!r}; use auto, {', '.join(_TYPES)}.")
    return precision


def choose_type(precision: str, device: torch.device) -> torch.dtype:
    """Return the type that the network computes in.

    ``auto``: bf16 where the device computes in it natively, else float32. By capability and never by timing,
    so that the same machine gives the same bytes. Raises :class:`UsageError` for an unknown precision.
    """
    import torch

    if check_precision(precision) == "auto":
        precision = "bf16" if has_bf16(device) else "fp32"
    dtype: torch.dtype = getattr(torch, _TYPES[precision])
    return dtype


def has_bf16(device: torch.device) -> bool:
    """Whether a device computes products in bf16 faster than in float32.

    Ampere and later; AMX; AVX-512 BF16 of AMD. Intel's AVX-512 BF16 alone, as in a virtual machine that hides AMX,
    took twice the time of float32 (matrix products and convolutions, Xeon of 2023).
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
    """Ask torch, which keeps this to itself; where another release has it no more, float32 is right as well."""
    import torch

    ask = getattr(torch.cpu, name, None)
    return ask is not None and bool(ask())
