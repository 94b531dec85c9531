"""The MAGN network: head, residual blocks, graph blocks, residual blocks, tail (fig. 2, Table I)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import MagnConfig
from .graph import GraphBlock, GraphConvolution
from .kernels import fused
from .kernels.shared_prelu import SharedPReLU

UNKNOWN_LEVEL = -1.0
"""Value of the level channel for an unknown level."""


class Magn(nn.Module):
    """Multi-level attention-guided graph network: ``I_H = I_L + F(I_L)`` (eq. 2).

    Its three stages can also be called separately: inference runs the convolutions on large tiles and the graphs
    on windows of the size used in training. An untrained network returns its input.

    Example:
        >>> import torch
        >>> from magn_cli.model import PRESETS, Magn
        >>> model = Magn(PRESETS["magn-s"]).eval()
        >>> model(torch.rand(1, 3, 128, 128), torch.tensor([-1.0])).shape
        torch.Size([1, 3, 128, 128])
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
        """Restore a batch, treating each picture as one graph.

        Args:
            degraded: ``(B, C, H, W)``, 0..1. C is ``config.channels``; H and W are multiples of
                ``config.multiple``.
            level: ``(B,)``, on the checkpoint's level scale, -1 for unknown; None if all are unknown. Ignored by
                networks without a level channel.

        Returns:
            ``(B, C, H, W)``, not clipped.
        """
        graph, features = self.graph, self.encode(degraded, level)
        nodes = graph.after(graph(graph.before(graph.gathered(features))))
        return self.decode(nodes if graph.gather is None else features + graph.spread(nodes), degraded)

    def encode(self, degraded: Tensor, level: Tensor | None = None) -> Tensor:
        """Run the head and the first residual blocks: :meth:`first_features`, then ``before``."""
        return self.before(self.first_features(degraded, level))

    def first_features(self, degraded: Tensor, level: Tensor | None = None) -> Tensor:
        """Run the head on ``(B, C, H, W)``; arguments as for :meth:`forward`.

        H and W only need to be multiples of ``config.stem``.

        Returns:
            The features ``(B, features, H / stem, W / stem)``.
        """
        x = F.pixel_unshuffle(degraded, self.config.stem)
        if self.config.level_channel:
            if level is None:
                level = degraded.new_full((len(x),), UNKNOWN_LEVEL)
            plane = level.to(x.dtype).view(-1, 1, 1, 1).expand(-1, 1, *x.shape[-2:])
            x = torch.cat([x, plane], dim=1)
        # bf16 would round the picture to about 8 bits and so erase what the network has to restore.
        with torch.autocast(x.device.type, enabled=False):
            features = self.head(x)
        if torch.is_autocast_enabled(x.device.type):
            features = features.to(torch.get_autocast_dtype(x.device.type))
        return features

    def decode(self, features: Tensor, degraded: Tensor) -> Tensor:
        """Run the second residual blocks and the tail, and add the result to the input (eq. 2).

        Args:
            features: as returned by :meth:`encode`, with the result of the graphs added.
            degraded: the input of :meth:`encode`.

        Returns:
            ``(B, C, H, W)``, not clipped.
        """
        return degraded + self.change(self.after(features))

    def change(self, features: Tensor, rows: int = 1) -> Tensor:
        """Run the tail on ``(B, features, H, W)``, which returns what to add to the picture.

        Args:
            features: of the last residual block.
            rows: of zeros above and below them, 0 or 1. With 0, the result has ``2 stem`` rows less.
        """
        return F.pixel_shuffle(_convolved(features, self.tail, rows), self.config.stem)

    def fold(self) -> None:
        """Merge batch norms into the convolutions before them. The network can no longer be trained after this."""
        for module in self.modules():
            if isinstance(module, GraphConvolution):
                module.fold()


class GraphStage(nn.Module):
    """The graph blocks in series, on a coarser grid if ``graph_stride`` is above 1.

    Its parts are called in turn: :meth:`gathered`, ``before``, the stage itself, ``after``, ``spread``.
    On the coarser grid (ours), a strided convolution gathers the nodes, residual blocks surround the graph blocks,
    and a pixel shuffle spreads the result back, where it is added to the features. It is initialized to the
    identity: the result that it spreads starts at zero.
    """

    def __init__(self, config: MagnConfig) -> None:
        super().__init__()
        self.gather: nn.Module | None = None
        if config.graph_stride > 1:
            stride, width = config.graph_stride, config.graph_features
            self.gather = nn.Conv2d(config.features, width, stride, stride=stride)
        # Without a grid of their own, the nodes have no residual blocks, and these parts change nothing.
        self.before = _residual_blocks(config.graph_features, config.graph_residuals)
        self.blocks = nn.Sequential(*(GraphBlock(config) for _ in range(config.graph_blocks)))
        self.after = _residual_blocks(config.graph_features, config.graph_residuals)
        if config.graph_stride > 1:
            spread = nn.Conv2d(width, config.features * stride**2, 1)
            _zero(spread)
            self.spread = nn.Sequential(spread, nn.PixelShuffle(stride))

    def gathered(self, features: Tensor) -> Tensor:
        """Return the features on the grid of the nodes, which are the features themselves if it is the same."""
        return features if self.gather is None else self.gather(features)

    def forward(self, nodes: Tensor) -> Tensor:
        """Run only the graph blocks: ``(B, F, H, W)`` in and out, on the grid of the nodes."""
        return self.blocks(nodes)


class ResidualBlock(nn.Module):
    """``f2(PReLU(f1(x))) + x``, where f is a 3x3 convolution (eq. 3)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(features, features, 3, padding=1)
        self.activation = SharedPReLU()
        self.second = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, F, H, W)`` in and out."""
        inner = self.inner(x)
        if fused.takes(x):
            return fused.added(x, inner, self.second, 1)
        out = self.second(inner)
        return x + out if torch.is_grad_enabled() else out.add_(x)

    def inner(self, x: Tensor, rows: int = 1) -> Tensor:
        """Return ``PReLU(f1(x))``, with ``rows`` of zeros above and below x: 0 (then it has 2 rows less) or 1."""
        if fused.takes(x):
            return fused.activated(x, self.first, float(self.activation.weight), rows)
        activated: Tensor = self.activation(_convolved(x, self.first, rows))
        return activated

    def add_(self, x: Tensor, inner: Tensor, rows: int = 1) -> None:
        """Add ``f2(inner)`` to x in place, with ``rows`` of zeros above and below ``inner``. For inference only.

        x may be whole rows of a larger tensor ``(1, F, H, W)``, and has those that f2 returns.
        """
        if fused.takes(x):
            fused.add_(x, inner, self.second, rows)
        else:
            x.add_(_convolved(inner, self.second, rows))


def _convolved(x: Tensor, layer: nn.Conv2d, rows: int) -> Tensor:
    """Return ``layer(x)`` with ``rows`` of zeros above and below x, and one column beside it."""
    return layer(x) if rows else F.conv2d(x, layer.weight, layer.bias, padding=(0, 1))


def _residual_blocks(features: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(features) for _ in range(count)))


def _zero(layer: nn.Conv2d) -> None:
    """Initialize a layer whose output is added to its input so that it adds nothing (ours)."""
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
