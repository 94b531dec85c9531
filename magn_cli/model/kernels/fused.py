"""Residual blocks without passes of their own for the activation and the sum: oneDNN's convolutions do both.

For inference in half precision on x86 processors. There the products are fast and memory is not: this saved 18 to
30 % of the time of magn-s in bf16. In float32 it saved 3 %, which is not worth a second form.
"""

from __future__ import annotations

import logging
import platform
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

log = logging.getLogger(__name__)

HALF = (torch.bfloat16, torch.float16)

PROBED = 1e-2
"""How far the probe may be from the plain form; bf16 rounds it by 0.004."""


def takes(x: Tensor) -> bool:
    """Whether :func:`residual_block` is the form to use for this input, as the network is called now."""
    if x.device.type != "cpu" or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return False
    dtype = _computed_in(x)
    return dtype in HALF and bool(torch.backends.mkldnn.enabled) and _works(dtype)


def residual_block(x: Tensor, first: nn.Conv2d, slope: float, second: nn.Conv2d) -> Tensor:
    """Return ``second(leaky_relu(first(x))) + x``: ``(B, F, H, W)`` in and out, in autocast's type if it is on.

    Each convolution is rounded once, after its activation or sum; the plain form rounds twice.
    """
    x = x.to(_computed_in(x))
    inner = torch.ops.mkldnn._convolution_pointwise(x, *_settings(first, x.dtype), "leaky_relu", [slope], "")
    out: Tensor = torch.ops.mkldnn._convolution_pointwise.binary(
        inner, x, *_settings(second, x.dtype), "add", 1.0, None, [], None
    )
    return out


def _computed_in(x: Tensor) -> torch.dtype:
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype


def _settings(layer: nn.Conv2d, dtype: torch.dtype) -> tuple[object, ...]:
    """Weight to groups, in the order of oneDNN's operators. Weights laid out beforehand were no faster."""
    bias = None if layer.bias is None else layer.bias.to(dtype)
    return layer.weight.to(dtype), bias, layer.padding, layer.stride, layer.dilation, layer.groups


@cache
def _works(dtype: torch.dtype) -> bool:
    """Try the operators once: torch keeps them to itself, so another release, build or processor may lack them."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    # Numbers of its own: the program's random numbers must not depend on the processor.
    x = torch.linspace(-1, 1, 8 * 9).view(1, 8, 3, 3).to(dtype)
    first, second = (nn.Conv2d(8, 8, 3, padding=1, device="meta").to(dtype) for _ in range(2))
    for layer, frequency in ((first, 1.0), (second, 2.0)):
        for name, values in (("weight", torch.arange(8.0 * 8 * 9).view(8, 8, 3, 3)), ("bias", torch.arange(8.0))):
            values = (values * frequency).sin().mul(0.05).to(dtype)
            setattr(layer, name, nn.Parameter(values, requires_grad=False))
    try:
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            fused = residual_block(x, first, 0.25, second)
            plain = second(F.leaky_relu(first(x), 0.25)) + x
            works = fused.dtype == dtype and bool((fused - plain).abs().max() <= PROBED)
    except (AttributeError, RuntimeError, TypeError) as error:
        log.debug("no fused convolutions in %s: %s", dtype, error)
        return False
    return works
