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
    """Whether to use these forms for this input, as the network is called now."""
    if x.device.type != "cpu" or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return False
    dtype = _computed_in(x)
    return dtype in HALF and bool(torch.backends.mkldnn.enabled) and _works(dtype)


def activated(x: Tensor, layer: nn.Conv2d, slope: float, rows: int) -> Tensor:
    """Return ``leaky_relu(layer(x))`` for ``(B, F, H, W)``, in autocast's type if it is on.

    ``rows``: of zeros above and below ``x``, 0 or 1. The result is rounded once; the plain form rounds twice.
    """
    x = x.to(_computed_in(x))
    settings = _settings(layer, x.dtype, rows)
    out: Tensor = torch.ops.mkldnn._convolution_pointwise(x, *settings, "leaky_relu", [slope], "")
    return out


def added(x: Tensor, inner: Tensor, layer: nn.Conv2d, rows: int) -> Tensor:
    """Return ``layer(inner) + x`` in the type that :func:`activated` returns."""
    x = x.to(inner.dtype)
    settings = _settings(layer, x.dtype, rows)
    out: Tensor = torch.ops.mkldnn._convolution_pointwise.binary(inner, x, *settings, "add", 1.0, None, [], None)
    return out


def add_(x: Tensor, inner: Tensor, layer: nn.Conv2d, rows: int) -> None:
    """Add ``layer(inner)`` to ``x`` in place; both have the type that :func:`activated` returns.

    ``x`` may be whole rows of a larger tensor in channels-last memory format.
    """
    settings = _settings(layer, x.dtype, rows)
    torch.ops.mkldnn._convolution_pointwise_.binary(x, inner, *settings, "add", 1.0, None, [], None)


def _computed_in(x: Tensor) -> torch.dtype:
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype


def _settings(layer: nn.Conv2d, dtype: torch.dtype, rows: int) -> tuple[object, ...]:
    """Weight to groups, in the order of oneDNN's operators. Weights laid out beforehand were no faster."""
    bias = None if layer.bias is None else layer.bias.to(dtype)
    return layer.weight.to(dtype), bias, (rows, 1), layer.stride, layer.dilation, layer.groups


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
            plain = second(F.leaky_relu(first(x), 0.25)) + x
            inner = activated(x, first, 0.25, 1)
            fused = added(x, inner, second, 1)
            add_(x, inner, second, 1)
            works = all(y.dtype == dtype and bool((y - plain).abs().max() <= PROBED) for y in (fused, x))
    except (AttributeError, RuntimeError, TypeError) as error:
        log.debug("no fused convolutions in %s: %s", dtype, error)
        return False
    return works
