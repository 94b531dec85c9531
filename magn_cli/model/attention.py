"""Attention over the edges whose similarity is at least the mean of their row (eq. 5-7).

The mean of row i of ``S = q k^T`` is ``q_i . mean(k)``. Subtracting the mean key from every key makes the mean of
each row of scores zero. The mask of eq. 6 then becomes "score below 0". The softmax does not change, because each
row only loses a constant. This avoids a second pass over the N x N scores, and only the reference implementation
stores them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .kernels import flex
from .kernels.blocked import BOUNDED, blocked_attention


def mean_masked_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Compute ``softmax(S - 1e6 * mask) v`` with ``S = q k^T`` and ``mask = S < row mean of S`` (eq. 5-8).

    Args:
        query: ``(G, N, d)``, already multiplied by any scale such as 1/sqrt(d).
        key: ``(G, N, d)``.
        value: ``(G, N, e)``. The result has its type; scores and softmax are float32, or float64 for float64
            queries.

    Returns:
        ``(G, N, e)``.

    Edges are kept down to a small cut-off below the mean, proportional to ``|q||k|`` and the type's epsilon.
    Otherwise rounding alone could drop a whole row when all keys are equal.
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
        # To read the bound, the program would wait for the GPU at each graph: longer than a maximum takes there.
        most = math.inf if query.is_cuda else _bound(lengths, longest, centred)
    return blocked_attention(query, centred, value.to(wide), cutoff, most).to(value.dtype)


def _bound(lengths: Tensor, longest: Tensor, centred: Tensor) -> float:
    """Return an upper bound of the scores."""
    # A key minus the mean key is at most twice as long as the longest key.
    most = float(2 * lengths.amax() * longest.amax())
    return most if most <= BOUNDED else float(lengths.amax() * centred.norm(dim=-1).amax())


def cut_off(lengths: Tensor, longest: Tensor) -> Tensor:
    """Return how far rounding can move a score that equals the mean below it: ``(G, N, 1)``, not negative.

    Args:
        lengths: lengths of the queries, ``(G, N, 1)``.
        longest: length of the longest key of each group, ``(G)``.
    """
    return lengths * (4 * torch.finfo(lengths.dtype).eps * longest)[:, None, None]


def mean_masked_attention_reference(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Compute :func:`mean_masked_attention` exactly as eq. 5-8 are printed, with all N x N matrices; for tests."""
    scores = query @ key.transpose(1, 2)
    mask = (scores < scores.mean(dim=-1, keepdim=True)).to(scores.dtype)
    return torch.softmax(scores - 1e6 * mask, dim=-1) @ value
