"""Mean-masked attention in blocks of rows: needs no compiler, runs everywhere, keeps no scores for backward."""

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
"""What a dropped edge's score becomes (eq. 7 subtracts 1e6; after the softmax both are zero)."""

BOUNDED = 62.0
"""Scores that cannot be above this need no row maximum taken from them: in float32 their exponentials, and the sum
of a million of them, are finite."""

MASKED_BOUNDED = -40.0
"""A dropped edge's score among bounded ones. Those that are kept are 0 or more, so what is dropped weighs 4e-18 of
the least of them: nothing, in float32. Exponentials that underflow are slow, and so is what denormal ones are
multiplied with."""

SCORES_AT_ONCE = 5 << 17
"""Scores in one block, over all its groups: 2.5 MiB in float32, which the caches of two cores hold; four graphs
of 400 nodes are one block."""

SCORES_WITHOUT_BLOCKS = 1 << 20
"""Up to so many, 4 MiB, the calls that blocks need take longer than what caches save."""

MIN_ROWS = 16
"""Fewer rows would make the matrix products inefficient, however many nodes there are."""

COLUMNS_AT_ONCE = 1024
"""Longer rows are cut where the scores are bounded: sums over parts of a row need no maximum of the whole."""


def blocked_attention(query: Tensor, centred: Tensor, value: Tensor, cutoff: Tensor, most: float) -> Tensor:
    """Attend with scores ``q k^T`` where they are above ``-cutoff``.

    Args:
        query, centred: ``(G, N, d)``; the keys have mean zero over N.
        value: ``(G, N, e)``, of the same type.
        cutoff: ``(G, N, 1)``, one a row.
        most: one number; no score is above it.

    Returns:
        ``(G, N, e)``. Differentiable once, with respect to query, centred and value.
    """
    if "torch._dynamo" in sys.modules:
        # A compiler would unroll the blocks. It takes half a second to import, so not as a decorator.
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
    """Return the result, and the sum of each row's weights."""
    if bounded and _is_small(query):
        weights = _all_weights(query, centred, cutoff)
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
    """Scores are computed again in the backward pass, block by block, in place of being kept."""

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
        # Row i of the softmax takes back P_ij (dP_ij - sum_j P_ij dP_ij), and the sum is grad_i . out_i. With
        # P_ij = weights_ij / total_i, the division is done on what has no columns j.
        grad = grad / total
        taken = -(grad * out).sum(dim=-1, keepdim=True)
        grad_and_taken = torch.cat([grad, taken], dim=-1)
        if ctx.bounded and _is_small(query):
            weights = _all_weights(query, centred, cutoff)
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


def _is_small(query: Tensor) -> bool:
    return query.shape[0] * query.shape[1] ** 2 <= SCORES_WITHOUT_BLOCKS


def _all_weights(query: Tensor, centred: Tensor, cutoff: Tensor) -> Tensor:
    """Return the weights of bounded scores, ``(G, N, N)``."""
    scores = torch.bmm(torch.cat([query, cutoff], dim=-1), _with_ones(centred).transpose(1, 2))
    return _masked(scores, bounded=True)


@dataclass(frozen=True)
class _Block:
    """What is worked on at once: some groups, some rows of their scores, some columns."""

    rows: tuple[slice, slice]
    """Of ``(G, N, ...)``, groups and rows."""

    columns: tuple[slice, slice]
    """Of ``(G, N, ...)``, groups and columns."""

    space: Tensor
    """Memory for the scores, the same for all blocks."""

    @property
    def below(self) -> tuple[slice, slice, slice]:
        """Of ``(G, ..., N)``, groups and columns."""
        return self.columns[0], slice(None), self.columns[1]

    def put(self, whole: Tensor, part: Tensor) -> None:
        """Add what the columns of this block give its rows; the first columns begin the sum."""
        if self.columns[1].start == 0:
            whole[self.rows] = part
        else:
            whole[self.rows] += part


@dataclass(frozen=True)
class _Edges:
    """Rows of the adjacency (eq. 6, 7), each times its sum."""

    query: Tensor
    """``(G, N, d + 1)``: the cut-off is a feature of its own, whose key is one. Added to a whole row, it moves the
    threshold to zero and not the softmax."""

    keys: Tensor
    """``(G, d + 1, N)``."""

    bounded: bool
    """Whether no score can be above :data:`BOUNDED`."""

    @staticmethod
    def of(query: Tensor, centred: Tensor, cutoff: Tensor, bounded: bool) -> _Edges:
        return _Edges(torch.cat([query, cutoff], dim=-1), _with_one_below(centred), bounded)

    def weights(self, block: _Block) -> Tensor:
        """Return the weights of a block, ``(groups, rows, columns)``, written into its space."""
        query, keys = self.query[block.rows], self.keys[block.below]
        shape = *query.shape[:2], keys.shape[2]
        scores = block.space[: shape[0] * shape[1] * shape[2]].view(shape)
        torch.bmm(query, keys, out=scores)
        return _masked(scores, self.bounded)


def _masked(scores: Tensor, bounded: bool) -> Tensor:
    """Turn scores, from which the threshold is taken, into weights; in place, as a second block would not fit the
    cache."""
    F.threshold(scores, -torch.finfo(scores.dtype).tiny, MASKED_BOUNDED if bounded else MASKED, inplace=True)
    # The softmax reads each row before it writes it.
    return scores.exp_() if bounded else torch.softmax(scores, dim=-1, out=scores)


def _add_product(to: Tensor, a: Tensor, b: Tensor) -> None:
    """``to += a @ b``; in one operation where ``to`` lies in one piece, which is slow for others."""
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
    columns = min(nodes, COLUMNS_AT_ONCE) if bounded else nodes
    rows = min(nodes, max(MIN_ROWS, SCORES_AT_ONCE // (columns * min(groups, 4))))
    rows = -(-nodes // -(-nodes // rows))
    together = max(1, min(groups, SCORES_AT_ONCE // (columns * rows)))
    space = query.new_empty(together * rows * columns)
    for group in range(0, groups, together):
        which = slice(group, group + together)
        for row in range(0, nodes, rows):
            for column in range(0, nodes, columns):
                yield _Block((which, slice(row, row + rows)), (which, slice(column, column + columns)), space)
