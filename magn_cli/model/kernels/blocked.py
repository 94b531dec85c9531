"""Mean-masked attention in blocks of rows.

It needs no compiler, runs on every device, and stores no scores for the backward pass.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

MASKED = -1e6
"""Score of a dropped edge. Eq. 7 subtracts 1e6 instead; both are zero after the softmax."""

BOUNDED = 62.0
"""Scores up to this bound need no subtraction of the row maximum: in float32, their exponentials and the sum of a
million of them are finite."""

MASKED_BOUNDED = -40.0
"""Score of a dropped edge among bounded scores. Kept scores are 0 or more, so a dropped edge weighs at most 4e-18
of any kept one, which vanishes in float32. A lower score would be slow: underflow and denormal numbers."""

SCORES_AT_ONCE = 5 << 17
"""Number of scores in one block, over all its groups: 2.5 MiB in float32, which fits the caches of two cores. Four
graphs of 400 nodes make one block."""

SCORES_WITHOUT_BLOCKS = 1 << 20
"""Up to this number of scores (4 MiB), the overhead of blocks exceeds what the caches save."""

SCORES_ON_GPU = 1 << 26
"""The same on GPUs, and the scores of one block there: 256 MiB. A GPU gains nothing from small blocks."""

MIN_ROWS = 16
"""Minimum number of rows in a block. Fewer would make the matrix products inefficient."""

COLUMNS_AT_ONCE = 1024
"""Maximum length of a row in a block. Only bounded scores are split, because summing parts of a row then needs no
maximum over the whole row."""


def blocked_attention(query: Tensor, centred: Tensor, value: Tensor, cutoff: Tensor, most: float) -> Tensor:
    """Compute attention over the scores ``q k^T`` that are above ``-cutoff``.

    Args:
        query: ``(G, N, d)``.
        centred: keys ``(G, N, d)``, with mean zero over N.
        value: ``(G, N, e)``, of the same type.
        cutoff: ``(G, N, 1)``, one value for each row.
        most: upper bound of all scores.

    Returns:
        ``(G, N, e)``, differentiable once with respect to query, centred and value.
    """
    if "torch._dynamo" in sys.modules:
        # A compiler would unroll the blocks. Not a decorator, as that would import the compiler: half a second.
        return torch.compiler.disable(_attention)(query, centred, value, cutoff, most)
    return _attention(query, centred, value, cutoff, most)


def _attention(query: Tensor, centred: Tensor, value: Tensor, cutoff: Tensor, most: float) -> Tensor:
    value, bounded = value.contiguous(), most <= BOUNDED
    if torch.is_grad_enabled() and (query.requires_grad or centred.requires_grad or value.requires_grad):
        return _Blocked.apply(query, centred, value, cutoff, bounded)
    return _attended(query, centred, value, cutoff, bounded)[0]


def _attended(
    query: Tensor, centred: Tensor, value: Tensor, cutoff: Tensor, bounded: bool
) -> tuple[Tensor, Tensor]:
    """Return the result and the sum of the weights of each row."""
    if _is_small(query, bounded):
        weights = _all_weights(query, centred, cutoff, bounded)
        total = weights.sum(dim=-1, keepdim=True)
        return torch.bmm(weights, value).div_(total), total
    edges = _Edges.of(query, centred, cutoff, bounded)
    out, total = torch.empty_like(value), torch.empty_like(cutoff)
    for block in _blocks(query, bounded):
        weights = edges.weights(block)
        block.put(total, weights.sum(dim=-1, keepdim=True))
        block.put(out, torch.bmm(weights, value[block.columns]))
    return out.div_(total), total


class _Blocked(torch.autograd.Function):
    """Attention that recomputes the scores block by block in the backward pass instead of storing them."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, centred: Tensor, value: Tensor, cutoff: Tensor, bounded: bool) -> Tensor:
        out, total = _attended(query, centred, value, cutoff, bounded)
        ctx.save_for_backward(query, centred, value, cutoff, out, total)
        ctx.bounded = bounded
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        query, centred, value, cutoff, out, total = ctx.saved_tensors
        # The gradient of row i of the softmax is P_ij (dP_ij - sum_j P_ij dP_ij), and the sum is grad_i . out_i.
        # With P_ij = weights_ij / total_i, the division can be applied to grad, which is smaller.
        grad = grad / total
        taken = -(grad * out).sum(dim=-1, keepdim=True)
        grad_and_taken = torch.cat([grad, taken], dim=-1)
        if _is_small(query, ctx.bounded):
            weights = _all_weights(query, centred, cutoff, ctx.bounded)
            scores = torch.bmm(grad_and_taken, _with_ones(value).transpose(1, 2)).mul_(weights)
            to_value = torch.bmm(weights.transpose(1, 2), grad)
            return torch.bmm(scores, centred), torch.bmm(scores.transpose(1, 2), query), to_value, None, None
        value_and_one = _with_one_below(value)
        to_query, to_centred, to_value = (
            torch.empty_like(query),
            torch.zeros_like(centred),
            torch.zeros_like(value),
        )
        edges = _Edges.of(query, centred, cutoff, ctx.bounded)
        second: Tensor | None = None
        for block in _blocks(query, ctx.bounded):
            rows, columns = block.rows, block.columns
            weights = edges.weights(block)
            _add_product(to_value[columns], weights.transpose(1, 2), grad[rows])
            second = torch.empty_like(block.space) if second is None else second
            scores = second[: weights.numel()].view_as(weights)
            torch.bmm(grad_and_taken[rows], value_and_one[block.below], out=scores)
            scores.mul_(weights)
            block.put(to_query, torch.bmm(scores, centred[columns]))
            _add_product(to_centred[columns], scores.transpose(1, 2), query[rows])
        return to_query, to_centred, to_value, None, None


def _is_small(query: Tensor, bounded: bool) -> bool:
    scores = query.shape[0] * query.shape[1] ** 2
    return scores <= SCORES_ON_GPU if query.is_cuda else bounded and scores <= SCORES_WITHOUT_BLOCKS


def _all_weights(query: Tensor, centred: Tensor, cutoff: Tensor, bounded: bool) -> Tensor:
    """Return the weights, ``(G, N, N)``."""
    scores = torch.bmm(torch.cat([query, cutoff], dim=-1), _with_ones(centred).transpose(1, 2))
    return _masked(scores, bounded)


@dataclass(frozen=True)
class _Block:
    """The part of the scores that is computed at once: some groups, rows and columns."""

    rows: tuple[slice, slice]
    """Index of its groups and rows in ``(G, N, ...)``."""

    columns: tuple[slice, slice]
    """Index of its groups and columns in ``(G, N, ...)``."""

    space: Tensor
    """Memory for the scores, shared by all blocks."""

    @property
    def below(self) -> tuple[slice, slice, slice]:
        """Index of its groups and columns in ``(G, ..., N)``."""
        return self.columns[0], slice(None), self.columns[1]

    def put(self, whole: Tensor, part: Tensor) -> None:
        """Add the contribution of this block's columns to its rows; the first columns start the sum."""
        if self.columns[1].start == 0:
            whole[self.rows] = part
        else:
            whole[self.rows] += part


@dataclass(frozen=True)
class _Edges:
    """Rows of the adjacency matrix (eq. 6, 7), before they are divided by their sums."""

    query: Tensor
    """``(G, N, d + 1)``. The last feature is the cut-off, and its key is one: this adds the cut-off to the whole
    row, which moves the threshold to zero without changing the softmax."""

    keys: Tensor
    """``(G, d + 1, N)``."""

    bounded: bool
    """True if no score exceeds :data:`BOUNDED`."""

    @staticmethod
    def of(query: Tensor, centred: Tensor, cutoff: Tensor, bounded: bool) -> _Edges:
        return _Edges(torch.cat([query, cutoff], dim=-1), _with_one_below(centred), bounded)

    def weights(self, block: _Block) -> Tensor:
        """Compute the weights of a block, ``(groups, rows, columns)``, in its ``space``."""
        query, keys = self.query[block.rows], self.keys[block.below]
        shape = *query.shape[:2], keys.shape[2]
        scores = block.space[: shape[0] * shape[1] * shape[2]].view(shape)
        torch.bmm(query, keys, out=scores)
        return _masked(scores, self.bounded)


def _masked(scores: Tensor, bounded: bool) -> Tensor:
    """Turn scores relative to the threshold into weights, in place, as a second block would not fit the cache."""
    F.threshold(scores, -torch.finfo(scores.dtype).tiny, MASKED_BOUNDED if bounded else MASKED, inplace=True)
    # The softmax reads each row before it writes it.
    return scores.exp_() if bounded else torch.softmax(scores, dim=-1, out=scores)


def _add_product(to: Tensor, a: Tensor, b: Tensor) -> None:
    """``to += a @ b``, fused if ``to`` is contiguous; the fused operation is slow otherwise."""
    if to.is_contiguous():
        to.baddbmm_(a, b)
    else:
        to += torch.bmm(a, b)


def _with_ones(x: Tensor) -> Tensor:
    """``(G, N, d)`` to ``(G, N, d + 1)``, ones in the last column."""
    return F.pad(x, (0, 1), value=1.0)


def _with_one_below(x: Tensor) -> Tensor:
    """``(G, N, d)`` to ``(G, d + 1, N)``, ones in the last row."""
    return _with_ones(x).transpose(1, 2).contiguous()


def _blocks(query: Tensor, bounded: bool) -> Iterator[_Block]:
    groups, nodes, _ = query.shape
    at_once = SCORES_ON_GPU if query.is_cuda else SCORES_AT_ONCE
    columns = min(nodes, COLUMNS_AT_ONCE) if bounded else nodes
    rows = min(nodes, max(MIN_ROWS, at_once // (columns * min(groups, 4))))
    rows = -(-nodes // -(-nodes // rows))
    together = max(1, min(groups, at_once // (columns * rows)))
    space = query.new_empty(together * rows * columns)
    for group in range(0, groups, together):
        which = slice(group, group + together)
        for row in range(0, nodes, rows):
            for column in range(0, nodes, columns):
                yield _Block((which, slice(row, row + rows)), (which, slice(column, column + columns)), space)
