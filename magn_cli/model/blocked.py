"""Mean-masked attention in blocks of rows: needs no compiler, runs everywhere, keeps no scores for backward."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

MASKED = -1e6
"""What a dropped edge's score becomes (eq. 7 subtracts 1e6; after the softmax both are zero)."""

SCORES_AT_ONCE = 1 << 20
"""Scores in one block, over all its groups: 4 MiB in float32, which a processor's cache still holds."""

ROWS_AT_LEAST = 64
"""Fewer rows would make the matrix products inefficient, however many nodes there are."""


def blocked_attention(query: Tensor, centred: Tensor, value: Tensor, cutoff: Tensor) -> Tensor:
    """Attend with scores ``q k^T`` where they are above ``-cutoff``.

    Args:
        query, centred: ``(G, N, d)``; the keys have mean zero over N.
        value: ``(G, N, e)``, of the same type.
        cutoff: ``(G, N, 1)``, one a row.

    Returns:
        ``(G, N, e)``. Differentiable once, with respect to query, centred and value.
    """
    return _Blocked.apply(query, centred, value.contiguous(), cutoff)


class _Blocked(torch.autograd.Function):
    """Scores are computed again in the backward pass, block by block, in place of being kept."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, centred: Tensor, value: Tensor, cutoff: Tensor) -> Tensor:
        out = torch.empty_like(value)
        for at, space in _blocks(query):
            weights = _weights(query, centred, cutoff, at, space)
            out[at] = torch.bmm(weights, value[at[0]])
        ctx.save_for_backward(query, centred, value, cutoff, out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        query, centred, value, cutoff, out = ctx.saved_tensors
        to_query, to_centred, to_value = (torch.zeros_like(t) for t in (query, centred, value))
        grad = grad.contiguous()
        # Row i of the softmax takes back P_ij (dP_ij - sum_j P_ij dP_ij), and the sum is grad_i . out_i.
        mean = -(grad * out).sum(dim=-1, keepdim=True)
        second: Tensor | None = None
        for at, space in _blocks(query):
            groups = at[0]
            weights = _weights(query, centred, cutoff, at, space)
            to_value[groups].baddbmm_(weights.transpose(1, 2), grad[at])
            second = torch.empty_like(space) if second is None else second
            scores = second.flatten()[: weights.numel()].view_as(weights)
            torch.baddbmm(mean[at], grad[at], value[groups].transpose(1, 2), out=scores)
            scores.mul_(weights)
            to_query[at] = torch.bmm(scores, centred[groups])
            to_centred[groups].baddbmm_(scores.transpose(1, 2), query[at])
        return to_query, to_centred, to_value, None


def _blocks(query: Tensor) -> Iterator[tuple[tuple[slice, slice], Tensor]]:
    """Yield which groups and rows are next, and memory for their scores, the same for all blocks."""
    groups, nodes, _ = query.shape
    rows = min(nodes, max(ROWS_AT_LEAST, SCORES_AT_ONCE // (nodes * min(groups, 4))))
    together = max(1, min(groups, SCORES_AT_ONCE // (nodes * rows)))
    space = query.new_empty(together * rows * nodes)
    for group in range(0, groups, together):
        for row in range(0, nodes, rows):
            yield (slice(group, group + together), slice(row, row + rows)), space


def _weights(query: Tensor, centred: Tensor, cutoff: Tensor, at: tuple[slice, slice], space: Tensor) -> Tensor:
    """Rows of the adjacency (eq. 6, 7), written into ``space``.

    Adding the cut-off to a whole row moves the threshold to zero and not the softmax.
    """
    query, keys, cutoff = query[at], centred[at[0]].transpose(1, 2), cutoff[at]
    shape = *query.shape[:2], keys.shape[2]
    scores = space[: shape[0] * shape[1] * shape[2]].view(shape)
    torch.baddbmm(cutoff, query, keys, out=scores)
    F.threshold(scores, -torch.finfo(scores.dtype).tiny, MASKED, inplace=True)
    # In place: a second block would not fit the cache. The kernel reads each row before it writes it.
    return torch.softmax(scores, dim=-1, out=scores)
