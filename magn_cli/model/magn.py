"""The network: head, residual blocks, graph blocks, residual blocks, tail (fig. 2, Table I)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from magn_cli.model.config import MagnConfig
from magn_cli.model.graph import GraphBlock

UNKNOWN_LEVEL = -1.0
"""What the level channel holds where the level is not known."""


class ResidualBlock(nn.Module):
    """``f2(PReLU(f1(x))) + x``, f a 3x3 convolution (eq. 3)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(features, features, 3, padding=1)
        self.activation = nn.PReLU()
        self.second = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, F, H, W)`` in and out."""
        return x + self.second(self.activation(self.first(x)))


class GraphStage(nn.Module):
    """The graph blocks in series; on a grid of their own where ``graph_stride`` asks for one.

    On the coarser grid (ours) a strided convolution gathers the nodes and a pixel shuffle spreads what the
    graphs found, added to what came in. It starts as the identity: what it spreads is zero at first.
    """

    def __init__(self, config: MagnConfig) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(GraphBlock(config) for _ in range(config.graph_blocks)))
        self.gather: nn.Module | None = None
        if config.graph_stride > 1:
            stride = config.graph_stride
            self.gather = nn.Conv2d(config.features, config.graph_features, stride, stride=stride)
            spread = nn.Conv2d(config.graph_features, config.features * stride**2, 1)
            _zero(spread)
            self.spread = nn.Sequential(spread, nn.PixelShuffle(stride))

    def forward(self, x: Tensor) -> Tensor:
        """``(B, F, H, W)`` in and out."""
        if self.gather is None:
            return self.blocks(x)
        return x + self.spread(self.blocks(self.gather(x)))


class Magn(nn.Module):
    """Multi-level attention-guided graph network: ``I_H = I_L + F(I_L)`` (eq. 2).

    The three stages can be called on their own, so that inference can give the convolutions a large piece
    of the picture and the graphs windows of the size they were trained on. A new network returns its input.
    """

    def __init__(self, config: MagnConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MagnConfig()
        incoming = config.channels * config.stem**2 + config.level_channel
        self.head = nn.Conv2d(incoming, config.features, 3, padding=1)
        self.before = nn.Sequential(*(ResidualBlock(config.features) for _ in range(config.blocks_before)))
        self.graph = GraphStage(config)
        self.after = nn.Sequential(*(ResidualBlock(config.features) for _ in range(config.blocks_after)))
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
        return self.decode(self.graph(self.encode(degraded, level)), degraded)

    def encode(self, degraded: Tensor, level: Tensor | None = None) -> Tensor:
        """Head and first residual blocks: ``(B, C, H, W)`` to ``(B, F, H / stem, W / stem)``."""
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
        """Second residual blocks and tail, added to the input (eq. 2): ``(B, C, H, W)``."""
        return degraded + F.pixel_shuffle(self.tail(self.after(features)), self.config.stem)


def _zero(layer: nn.Conv2d) -> None:
    """Start a layer that adds to something at adding nothing (ours)."""
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
