"""Mean-masked attention by ``torch.nn.attention.flex_attention``, compiled: one kernel on an NVIDIA GPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from .blocked import MASKED

MIN_NODES = 512
"""Below, a block of scores is small and a kernel of its own is not worth being compiled."""

WIDTHS = (16, 32, 64, 128)
"""Widths of query and value that the kernel takes; a patch's 784 values are not among them."""


def takes(query: Tensor, value: Tensor) -> bool:
    """Whether :func:`flex_attention` is the form to use for these tensors."""
    widths = {query.shape[-1], value.shape[-1]}
    return query.is_cuda and query.dtype == torch.float32 and query.shape[1] >= MIN_NODES and widths <= {*WIDTHS}


def flex_attention(
    query: Tensor,
    centred: Tensor,
    value: Tensor,
    cutoff: Tensor,
    attend: Callable[..., Any] | None = None,
) -> Tensor:
    """Attend with scores ``q k^T`` where they are above ``-cutoff``; shapes as in ``blocked_attention``.

    The type of ``value`` is that of the products (bf16 under autocast); scores and softmax are float32. What
    is centred is rounded after that, so the cut-off of float32 holds.
    ``attend``: the kernel; torch's, compiled, if not given.
    """

    def keep_above_mean(score: Tensor, batch: Tensor, head: Tensor, row: Tensor, column: Tensor) -> Tensor:
        return torch.where(score < -cutoff[head, row, 0], MASKED, score)

    q, k, v = (t.to(value.dtype)[None] for t in (query, centred, value))
    out = (attend or _compiled())(q, k, v, score_mod=keep_above_mean, scale=1.0)
    return out[0]


@cache
def _compiled() -> Callable[..., Any]:
    # It imports torch's compiler, which takes half a second and no processor needs.
    from torch.nn.attention import flex_attention as torch_flex

    return torch.compile(torch_flex.flex_attention, dynamic=False)
