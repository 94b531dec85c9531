"""Attention over the edges that are at least as similar as the mean of their row (eq. 5-7).

The mean of row i of ``S = q k^T`` is ``q_i . mean(k)``. With the mean key taken from every key, each row of
the scores has mean zero, the mask of eq. 6 becomes "score below 0", and the softmax of the row stays the
same, since a constant was taken from the row. So no second pass over the N x N scores is needed, and the
rows can be worked off in blocks.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

MASKED = -1e6
"""What a dropped edge's score becomes (eq. 7 subtracts 1e6; after the softmax both are zero)."""

ROWS_AT_ONCE = 128
"""Rows of the score matrix in one block: 128 x 4,096 float32 scores of 4 heads stay in a processor's cache."""

WHOLE_BELOW = 1 << 20
"""Up to this many scores a head in the batch, training keeps them rather than computing them twice."""


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
    cutoff = 4 * torch.finfo(wide).eps * query.norm(dim=-1) * key.norm(dim=-1).amax(dim=-1, keepdim=True)
    key = (key - key.mean(dim=1, keepdim=True)).transpose(1, 2)
    cutoff = cutoff.detach().unsqueeze(-1)
    value = value.contiguous()
    nodes = query.shape[1]
    keeps_gradients = torch.is_grad_enabled() and (query.requires_grad or value.requires_grad)
    if nodes <= ROWS_AT_ONCE or (keeps_gradients and nodes * nodes <= WHOLE_BELOW):
        return _rows(query, key, value, cutoff)
    blocks = zip(query.split(ROWS_AT_ONCE, 1), cutoff.split(ROWS_AT_ONCE, 1), strict=True)
    if keeps_gradients:
        return torch.cat([checkpoint(_rows, q, key, value, c, use_reentrant=False) for q, c in blocks], 1)
    out = value.new_empty(value.shape)
    for start, (q, c) in enumerate(blocks):
        out[:, start * ROWS_AT_ONCE : start * ROWS_AT_ONCE + q.shape[1]] = _rows(q, key, value, c)
    return out


def _rows(query: Tensor, centred_key: Tensor, value: Tensor, cutoff: Tensor) -> Tensor:
    """Attention for some rows. Adding the cut-off to a whole row moves the threshold and not the softmax."""
    scores = torch.baddbmm(cutoff, query, centred_key)
    weights = F.threshold(scores, -torch.finfo(scores.dtype).tiny, MASKED, inplace=True).softmax(dim=-1)
    return torch.bmm(weights.to(value.dtype), value)


def mean_masked_attention_reference(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Compute :func:`mean_masked_attention` as eq. 5-8 are printed, with every N x N matrix. For tests."""
    scores = query @ key.transpose(1, 2)
    mask = (scores < scores.mean(dim=-1, keepdim=True)).to(scores.dtype)
    return torch.softmax(scores - 1e6 * mask, dim=-1) @ value
