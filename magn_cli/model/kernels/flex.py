"""Mean-masked attention with compiled ``torch.nn.attention.flex_attention``: one kernel on an NVIDIA GPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from .blocked import MASKED

MIN_NODES = 512
"""Minimum number of nodes. For fewer, compiling a kernel is not worth it."""

WIDTHS = (16, 32, 64, 128)
"""Widths of query and value that the kernel supports. The 784 values of a patch are too many."""


def takes(query: Tensor, value: Tensor) -> bool:
    """Return whether :func:`flex_attention` supports these tensors and is worth using."""
    widths = {query.shape[-1], value.shape[-1]}
    return query.is_cuda and query.dtype == torch.float32 and query.shape[1] >= MIN_NODES and widths <= {*WIDTHS}


def flex_attention(
    query: Tensor,
    centred: Tensor,
    value: Tensor,
    cutoff: Tensor,
    attend: Callable[..., Any] | None = None,
) -> Tensor:
    """Compute attention over the scores ``q k^T`` that are above ``-cutoff``; shapes as in ``blocked_attention``.

    Products use the type of ``value`` (bf16 under autocast); scores and softmax are float32. Keys are centred
    before they are rounded, so the cut-off for float32 holds.

    Args:
        attend: the kernel; None uses torch's, compiled.
    """

    def keep_above_mean(score: Tensor, batch: Tensor, head: Tensor, row: Tensor, column: Tensor) -> Tensor:
        return torch.where(score < -cutoff[head, row, 0], MASKED, score)

    q, k, v = (t.to(value.dtype)[None] for t in (query, centred, value))
    out = (attend or _compiled())(q, k, v, score_mod=keep_above_mean, scale=1.0)
    return out[0]


@cache
def _compiled() -> Callable[..., Any]:
    # Imports torch's compiler, which takes half a second and is not needed on CPUs.
    from torch.nn.attention import flex_attention as torch_flex

    return torch.compile(torch_flex.flex_attention, dynamic=False)
