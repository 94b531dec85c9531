"""The network: head, residual blocks, graph blocks, residual blocks, tail (fig. 2, Table I)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import MagnConfig
from .graph import GraphBlock, GraphConvolution
from .kernels import fused
from .kernels.shared_prelu import SharedPReLU

UNKNOWN_LEVEL = -1.0
"""What the level channel holds where the level is not known."""


class Magn(nn.Module):
    """Multi-level attention-guided graph network: ``I_H = I_L + F(I_L)`` (eq. 2).

    Its three stages can be called on their own, so that inference can give the convolutions a large piece of
    the picture and the graphs windows of the size they were trained on. A new network returns its input.
    """

    def __init__(self, config: MagnConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MagnConfig()
        incoming = config.channels * config.stem**2 + config.level_channel
        self.head = nn.Conv2d(incoming, config.features, 3, padding=1)
        self.before = _residual_blocks(config.features, config.blocks_before)
        self.graph = GraphStage(config)
        self.after = _residual_blocks(config.features, config.blocks_after)
        self.tail = nn.Conv2d(config.features, config.channels * config.stem**2, 3, padding=1)
        _zero(self.tail)

    def forward(self, degraded: Tensor, level: Tensor | None = None) -> Tensor:
        """Restore a batch, each picture as one graph.

        Args:
            degraded: ``(B, C, H, W)``, 0..1, C as configured, H and W multiples of ``config.multiple``.
            level: ``(B,)``, scaled as the checkpoint says, -1 where unknown; None: all unknown. Ignored by
                a network without a level channel.

        Returns:
            ``(B, C, H, W)``, not clipped.
        """
        graph, features = self.graph, self.encode(degraded, level)
        nodes = graph.after(graph(graph.before(graph.gathered(features))))
        return self.decode(nodes if graph.gather is None else features + graph.spread(nodes), degraded)

    def encode(self, degraded: Tensor, level: Tensor | None = None) -> Tensor:
        """Head and first residual blocks: takes ``(B, C, H, W)``, gives ``(B, F, H / stem, W / stem)``."""
        x = F.pixel_unshuffle(degraded, self.config.stem)
        if self.config.level_channel:
            if level is None:
                level = degraded.new_full((len(x),), UNKNOWN_LEVEL)
            plane = level.to(x.dtype).view(-1, 1, 1, 1).expand(-1, 1, *x.shape[-2:])
            x = torch.cat([x, plane], dim=1)
        # The picture itself in bf16 would be rounded to about 8 bits, which is what is to be restored.
        with torch.autocast(x.device.type, enabled=False):
            features = self.head(x)
        if torch.is_autocast_enabled(x.device.type):
            features = features.to(torch.get_autocast_dtype(x.device.type))
        return self.before(features)

    def decode(self, features: Tensor, degraded: Tensor) -> Tensor:
        """Second residual blocks and tail, added to the input (eq. 2): ``(B, C, H, W)``.

        Takes features ``(B, F, H / stem, W / stem)`` to which the graphs have been applied.
        """
        return degraded + F.pixel_shuffle(self.tail(self.after(features)), self.config.stem)

    def fold(self) -> None:
        """Put batch norms into the convolutions before them, for inference; the network cannot learn any more."""
        for module in self.modules():
            if isinstance(module, GraphConvolution):
                module.fold()


class GraphStage(nn.Module):
    """The graph blocks in series; on a grid of their own where ``graph_stride`` asks for one.

    Its parts are called one after the other: ``gathered``, ``before``, the stage itself, ``after``, ``spread``.
    On the coarser grid (ours) a strided convolution gathers the nodes, residual blocks stand before and after
    the graph blocks, and a pixel shuffle spreads the result, added to what was gathered from. It starts as
    the identity: what it spreads is zero at first.
    """

    def __init__(self, config: MagnConfig) -> None:
        super().__init__()
        self.gather: nn.Module | None = None
        if config.graph_stride > 1:
            stride, width = config.graph_stride, config.graph_features
            self.gather = nn.Conv2d(config.features, width, stride, stride=stride)
        # A grid that is not their own has no residual blocks either.
        self.before = _residual_blocks(config.graph_features, config.graph_residuals)
        self.blocks = nn.Sequential(*(GraphBlock(config) for _ in range(config.graph_blocks)))
        self.after = _residual_blocks(config.graph_features, config.graph_residuals)
        if config.graph_stride > 1:
            spread = nn.Conv2d(width, config.features * stride**2, 1)
            _zero(spread)
            self.spread = nn.Sequential(spread, nn.PixelShuffle(stride))

    def gathered(self, features: Tensor) -> Tensor:
        """From the grid of the features to that of the nodes; the same tensor where they share one."""
        return features if self.gather is None else self.gather(features)

    def forward(self, nodes: Tensor) -> Tensor:
        """The graph blocks alone: ``(B, F, H, W)`` in and out, on the grid of the nodes."""
        return self.blocks(nodes)


class ResidualBlock(nn.Module):
    """``f2(PReLU(f1(x))) + x``, f a 3x3 convolution (eq. 3)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(features, features, 3, padding=1)
        self.activation = SharedPReLU()
        self.second = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, F, H, W)`` in and out."""
        if fused.takes(x):
            return fused.residual_block(x, self.first, float(self.activation.weight), self.second)
        out = self.second(self.activation(self.first(x)))
        return x + out if torch.is_grad_enabled() else out.add_(x)


def _residual_blocks(features: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(features) for _ in range(count)))


def _zero(layer: nn.Conv2d) -> None:
    """Start a layer that adds to something at adding nothing (ours)."""
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
