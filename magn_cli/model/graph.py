"""The graph block: pixel graph, patch graph, the convolution that joins them, and the block of two."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .attention import mean_masked_attention
from .config import MagnConfig
from .kernels.shared_prelu import SharedPReLU

SCORE_SCALE_START = 5.0
MAX_SCORE_SCALE = 30.0


class ScoreScale(nn.Module):
    """Brings queries to the scale that their scores need before the softmax.

    Plain: 1/sqrt(d), d the width of one head's query (eq. 5). Normalised (ours): queries and keys of unit
    length and a learned scale per head, at most 30, so that no score can run away.
    """

    largest: Tensor | None = None
    """Largest score of the last pass, where ``watch`` was set."""

    def __init__(self, heads: int, normalized: bool) -> None:
        super().__init__()
        self.watch = False
        self.scale = nn.Parameter(torch.full((heads,), SCORE_SCALE_START)) if normalized else None

    def forward(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """Take and return queries and keys ``(B, heads, N, d)``, float32 or wider."""
        if query.dtype != torch.float64:
            query, key = query.float(), key.float()
        if self.scale is None:
            query = query * query.shape[-1] ** -0.5
        else:
            scale = self.scale.clamp(max=MAX_SCORE_SCALE).to(query.dtype)
            query = F.normalize(query, dim=-1) * scale[:, None, None]
            key = F.normalize(key, dim=-1)
        if self.watch:
            with torch.no_grad():
                self.largest = (query[:1] @ key[:1].transpose(-1, -2)).amax()
        return query, key


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of each head: ``(B, heads, N, ...)`` in, ``(B, heads, N, e)`` out."""
    with torch.autocast(query.device.type, enabled=False):
        out = mean_masked_attention(query.flatten(0, 1), key.flatten(0, 1), value.flatten(0, 1))
    return out.unflatten(0, query.shape[:2])


class PixelGraph(nn.Module):
    """Every position is a node (section III-B2): head i returns ``A_i X W_i`` (eq. 9)."""

    def __init__(self, config: MagnConfig) -> None:
        super().__init__()
        width, self.heads = config.graph_features, config.heads
        self.query, self.key = (
            nn.Sequential(nn.Conv2d(width, width, 1), SharedPReLU(), nn.Conv2d(width, width, 1), nn.PReLU())
            for _ in range(2)
        )
        self.weight = nn.Conv2d(width, width, 1, bias=False)
        self.scale = ScoreScale(config.heads, config.normalized_scores)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, F, H, W)`` in and out."""
        query, key = self.scale(self._nodes(self.query(x)), self._nodes(self.key(x)))
        out = _attend(query, key, self._nodes(self.weight(x)))
        return out.transpose(2, 3).reshape(x.shape)

    def _nodes(self, x: Tensor) -> Tensor:
        """``(B, F, H, W)`` to ``(B, heads, H * W, F / heads)``."""
        return x.flatten(2).unflatten(1, (self.heads, -1)).transpose(2, 3)


class PatchGraph(nn.Module):
    """Sliding windows are the nodes (eq. 10, fig. 6): unfolded, aggregated, folded back.

    Two choices are ours: the 3x3 convolution of the third map stands in for W of eq. 8, which at full width
    would be 9.8 M parameters; and where folded windows overlap, their mean is taken (the paper says "folded").
    """

    def __init__(self, config: MagnConfig) -> None:
        super().__init__()
        width, self.heads = config.graph_features, config.heads
        self.size, self.stride, self.padding = config.patch_size, config.patch_stride, config.patch_size // 2
        self.query, self.key, self.value = (
            nn.Sequential(nn.Conv2d(width, width, 3, padding=1), SharedPReLU()) for _ in range(3)
        )
        patch = width // config.heads * config.patch_size**2
        self.reduce_query, self.reduce_key = (
            nn.ModuleList(
                nn.Sequential(nn.Linear(patch, config.patch_features), SharedPReLU()) for _ in range(config.heads)
            )
            for _ in range(2)
        )
        self.scale = ScoreScale(config.heads, config.normalized_scores)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, F, H, W)`` in and out."""
        query, key = self.scale(
            self._reduced(self.query(x), self.reduce_query), self._reduced(self.key(x), self.reduce_key)
        )
        patches = _attend(query, key, self._patches(self.value(x)))
        return self._fold(patches.transpose(2, 3).flatten(1, 2), x.shape[-2:]) / self._coverage(x)

    def _patches(self, x: Tensor) -> Tensor:
        """``(B, F, H, W)`` to ``(B, heads, L, F / heads * size * size)``, L as in eq. 10."""
        unfolded = F.unfold(x, self.size, padding=self.padding, stride=self.stride)
        return unfolded.unflatten(1, (self.heads, -1)).transpose(2, 3)

    def _reduced(self, x: Tensor, layers: nn.ModuleList) -> Tensor:
        patches = self._patches(x)
        return torch.stack([layer(patches[:, head]) for head, layer in enumerate(layers)], dim=1)

    def _fold(self, columns: Tensor, size: torch.Size) -> Tensor:
        return F.fold(columns, (size[0], size[1]), self.size, padding=self.padding, stride=self.stride)

    def _coverage(self, x: Tensor) -> Tensor:
        """How many windows cover each position, ``(1, 1, H, W)``; at least 1, for positions that none does."""
        ones = x.new_ones(1, 1, *x.shape[-2:])
        unfolded = F.unfold(ones, self.size, padding=self.padding, stride=self.stride)
        return self._fold(unfolded, x.shape[-2:]).clamp(min=1)


class GraphConvolution(nn.Module):
    """``BN(f(patch + pixel))`` (eq. 11, 12; fig. 5).

    Eq. 11 and fig. 5 give each graph convolution its own ``X +``, eq. 3 gives one to the block: the block's
    is kept (ours).
    """

    def __init__(self, config: MagnConfig) -> None:
        super().__init__()
        kinds = {"pixel": PixelGraph, "patch": PatchGraph}
        self.graphs = nn.ModuleList(kinds[level](config) for level in config.graphs)
        self.join = nn.Conv2d(config.graph_features, config.graph_features, 3, padding=1)
        self.norm: nn.Module = nn.BatchNorm2d(config.graph_features)

    def fold(self) -> None:
        """Put the batch norm, as it is at inference, into the convolution before it."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.join = fuse_conv_bn_eval(self.join.eval(), self.norm.eval())
            self.norm = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """``(B, F, H, W)`` in and out."""
        joined = (
            torch.stack([graph(x) for graph in self.graphs]).sum(0) if len(self.graphs) > 1 else self.graphs[0](x)
        )
        return self.norm(self.join(joined))


class GraphBlock(nn.Module):
    """``g2(PReLU(g1(x))) + x`` (eq. 3). Starts as the identity (ours): the last scale is zero."""

    def __init__(self, config: MagnConfig) -> None:
        super().__init__()
        self.first, self.activation, self.second = (
            GraphConvolution(config),
            SharedPReLU(),
            GraphConvolution(config),
        )
        assert isinstance(self.second.norm, nn.BatchNorm2d)
        nn.init.zeros_(self.second.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, F, H, W)`` in and out."""
        return x + self.second(self.activation(self.first(x)))
