"""The weights of a graph's edges, which the network itself never stores."""

from __future__ import annotations

import torch
from torch import Tensor

from magn_cli.model.attention import cut_off
from magn_cli.model.kernels.blocked import MASKED


@torch.inference_mode()
def edge_weights(query: Tensor, key: Tensor, rows: slice | None = None) -> Tensor:
    """Return the adjacency matrix of eq. 5-7: the softmax over the scores that are at least their row's mean.

    Multiplied by the values, it gives what :func:`magn_cli.model.attention.mean_masked_attention` returns for
    the same queries and keys, except for rounding.

    Args:
        query: ``(G, N, d)``, already scaled; float32 or float64.
        key: ``(G, N, d)``.
        rows: nodes whose neighbours are wanted; None for all. Memory grows with their number times N.

    Returns:
        ``(G, rows, N)``. Each row adds up to 1; it is exactly 0 where the mask drops the edge.
    """
    some = query if rows is None else query[:, rows]
    scores = some @ (key - key.mean(dim=1, keepdim=True)).transpose(1, 2)
    dropped = scores < -cut_off(some.norm(dim=-1, keepdim=True), key.norm(dim=-1).amax(dim=-1))
    return torch.softmax(scores.masked_fill(dropped, MASKED), dim=-1)
