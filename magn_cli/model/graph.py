"""Graph blocks: the pixel graph, the patch graph, and the graph convolution that combines them."""

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
    """Scales queries and keys before the softmax.

    By default, multiplies queries by 1/sqrt(d), where d is the width of one head's query (eq. 5). With
    ``normalized`` (ours), queries and keys have unit length and each head learns a scale of at most 30, which
    bounds the scores.
    """

    largest: Tensor | None = None
    """Largest score of the last forward pass; recorded if ``watch`` is set."""

    def __init__(self, heads: int, normalized: bool) -> None:
        super().__init__()
        self.watch = False
        self.scale = nn.Parameter(torch.full((heads,), SCORE_SCALE_START)) if normalized else None

    def forward(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """Scale queries and keys ``(B, heads, N, d)``; returns both as float32 or float64."""
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
    """Apply attention to each head: ``(B, heads, N, ...)`` in, ``(B, heads, N, e)`` out."""
    with torch.autocast(query.device.type, enabled=False):
        out = mean_masked_attention(query.flatten(0, 1), key.flatten(0, 1), value.flatten(0, 1))
    return out.unflatten(0, query.shape[:2])


class PixelGraph(nn.Module):
    """Graph whose nodes are single positions (section III-B2). Head i returns ``A_i X W_i`` (eq. 9)."""

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
    """Graph whose nodes are sliding windows (eq. 10, fig. 6), which are unfolded, aggregated and folded back.

    Two choices are ours. The 3x3 convolution of the values replaces W of eq. 8, which would have 9.8 M parameters
    at full width. Overlapping windows are averaged; the paper only says "folded".
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
        """``(B, F, H, W)`` to ``(B, heads, L, F / heads * size * size)``, with L as in eq. 10."""
        unfolded = F.unfold(x, self.size, padding=self.padding, stride=self.stride)
        return unfolded.unflatten(1, (self.heads, -1)).transpose(2, 3)

    def _reduced(self, x: Tensor, layers: nn.ModuleList) -> Tensor:
        patches = self._patches(x)
        return torch.stack([layer(patches[:, head]) for head, layer in enumerate(layers)], dim=1)

    def _fold(self, columns: Tensor, size: torch.Size) -> Tensor:
        return F.fold(columns, (size[0], size[1]), self.size, padding=self.padding, stride=self.stride)

    def _coverage(self, x: Tensor) -> Tensor:
        """Number of windows that cover each position, ``(1, 1, H, W)``; 1 if there are none."""
        ones = x.new_ones(1, 1, *x.shape[-2:])
        unfolded = F.unfold(ones, self.size, padding=self.padding, stride=self.stride)
        return self._fold(unfolded, x.shape[-2:]).clamp(min=1)


class GraphConvolution(nn.Module):
    """``BN(f(patch + pixel))`` (eq. 11, 12; fig. 5).

    Eq. 11 and fig. 5 add the input in each graph convolution, eq. 3 adds it once per block. We follow eq. 3.
    """

    def __init__(self, config: MagnConfig) -> None:
        super().__init__()
        kinds = {"pixel": PixelGraph, "patch": PatchGraph}
        self.graphs = nn.ModuleList(kinds[level](config) for level in config.graphs)
        self.join = nn.Conv2d(config.graph_features, config.graph_features, 3, padding=1)
        self.norm: nn.Module = nn.BatchNorm2d(config.graph_features)

    def fold(self) -> None:
        """Merge the batch norm, in its inference form, into the convolution before it."""
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
    """``g2(PReLU(g1(x))) + x`` (eq. 3). Initialized to the identity by a zero scale in the last norm (ours)."""

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
