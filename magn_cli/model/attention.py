"""Attention over the edges that are at least as similar as the mean of their row (eq. 5-7).

The mean of row i of ``S = q k^T`` is ``q_i . mean(k)``. With the mean key taken from every key, each row of
the scores has mean zero, the mask of eq. 6 becomes "score below 0", and the softmax of the row stays the
same, since a constant was taken from the row. So no form needs a second pass over the N x N scores, and none
but the reference ever holds them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .kernels import flex
from .kernels.blocked import BOUNDED, blocked_attention


def mean_masked_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return ``softmax(S - 1e6 * mask) v`` with ``S = q k^T``, ``mask = S < row mean of S`` (eq. 5-8).

    Args:
        query: ``(G, N, d)``; any scale such as 1/sqrt(d) is already in it.
        key: ``(G, N, d)``.
        value: ``(G, N, e)``; its type is the result's. Scores and softmax are float32 or wider.

    Returns:
        ``(G, N, e)``.

    An edge is kept where its score is above the mean minus a cut-off in proportion to ``|q||k|`` and the
    type's epsilon: where all keys are equal, rounding alone would otherwise drop a whole row.
    """
    wide = torch.float64 if query.dtype == torch.float64 else torch.float32
    query, key = query.to(wide), key.to(wide)
    centred = key - key.mean(dim=1, keepdim=True)
    with torch.no_grad():
        lengths, longest = query.norm(dim=-1, keepdim=True), key.norm(dim=-1).amax(dim=-1)
        cutoff = cut_off(lengths, longest)
    if flex.takes(query, value):
        return flex.flex_attention(query, centred, value, cutoff)
    with torch.no_grad():
        most = _bound(lengths, longest, centred)
    return blocked_attention(query, centred, value.to(wide), cutoff, most).to(value.dtype)


def _bound(lengths: Tensor, longest: Tensor, centred: Tensor) -> float:
    """Return what no score is above."""
    # What is left of a key without the mean key is at most twice as long as the longest.
    most = float(2 * lengths.amax() * longest.amax())
    return most if most <= BOUNDED else float(lengths.amax() * centred.norm(dim=-1).amax())


def cut_off(lengths: Tensor, longest: Tensor) -> Tensor:
    """Return how far below the mean rounding can bring a score that equals it: ``(G, N, 1)``, not negative.

    ``lengths``: of the queries, ``(G, N, 1)``; ``longest``: of each group's keys, ``(G)``.
    """
    return lengths * (4 * torch.finfo(lengths.dtype).eps * longest)[:, None, None]


def mean_masked_attention_reference(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Compute :func:`mean_masked_attention` as eq. 5-8 are printed, with every N x N matrix. For tests."""
    scores = query @ key.transpose(1, 2)
    mask = (scores < scores.mean(dim=-1, keepdim=True)).to(scores.dtype)
    return torch.softmax(scores - 1e6 * mask, dim=-1) @ value
