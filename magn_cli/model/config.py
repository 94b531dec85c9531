"""The one description of a network: the paper's form, its ablations and our small preset are settings of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

GraphLevel = Literal["pixel", "patch"]


RANGES = {
    "features": (1, 1024),
    "blocks_before": (0, 128),
    "blocks_after": (0, 128),
    "graph_blocks": (0, 32),
    "heads": (1, 64),
    "patch_size": (1, 31),
    "patch_stride": (1, 31),
    "patch_features": (1, 1024),
    "stem": (1, 16),
    "graph_stride": (1, 16),
    "graph_residuals": (0, 128),
    "graph_features": (1, 1024),
    "window": (1, 1024),
    "window_overlap": (0, 1023),
}
"""Least and most that each size may be. Far above any network that is useful, and far below what takes a machine
down: these numbers come from files."""

MAX_GRAPHS = 4
"""Graphs that one graph convolution may sum."""

MAX_NODES = 128
"""Graph nodes on a side of the window: attention takes memory by the fourth power of this."""

MAX_WEIGHTS = 100_000_000
"""Of the whole network; the paper's has 5 million."""


@dataclass(frozen=True)
class MagnConfig:
    """Everything that decides the shape of a MAGN network. The defaults are the paper's (5,224,816 parameters).

    Raises ``ValueError`` where settings do not fit together.
    """

    channels: int = 3
    """Channels of the picture, 1 or 3. Weights for colour also take gray, as three equal channels."""

    level_channel: bool = False
    """Append a constant channel with the degradation level (not in the paper; ours, so that one set of
    weights serves every level)."""

    features: int = 64
    """Channels of the residual blocks (Table I)."""

    blocks_before: int = 16
    """Residual blocks before the graph blocks (Table I)."""

    blocks_after: int = 16
    """Residual blocks after the graph blocks (Table I)."""

    graph_blocks: int = 3
    """Graph blocks in series, each of two graph convolutions (eq. 3; section IV-A)."""

    graphs: tuple[GraphLevel, ...] = ("pixel", "patch")
    """The graphs that one graph convolution sums (eq. 11). Table V leaves one out or takes ``patch`` twice."""

    heads: int = 4
    """Attention heads of each graph (eq. 9; the paper does not print N, so the number is ours)."""

    patch_size: int = 7
    """Side of the sliding window of the patch graph, in nodes (section IV-A; Table VI tries 5 to 11)."""

    patch_stride: int = 4
    """Step of that window (section IV-A)."""

    patch_features: int = 49
    """Width of a patch's query and key. 49 for every patch size, so that Table VI stays comparable (ours)."""

    normalized_scores: bool = False
    """Queries and keys of unit length with a learned scale per head, instead of 1/sqrt(d) (eq. 5). Ours:
    without it the scores are unbounded and ran away in training at high learning rates."""

    stem: int = 1
    """Pixel-unshuffle factor before the head: the residual blocks work on a grid this much coarser (ours)."""

    graph_stride: int = 1
    """How much coarser the grid of graph nodes is than that of the residual blocks (ours)."""

    graph_residuals: int = 0
    """Residual blocks on the grid of graph nodes, before the graph blocks and as many after (ours; only on a
    grid of its own)."""

    graph_features: int = 64
    """Channels at the graph nodes; differs from ``features`` only on a grid of its own."""

    window: int = 64
    """Side of the square of picture pixels that makes one graph: the crop trained on, and the window that
    inference gives the graphs (ours; the paper prints neither)."""

    window_overlap: int = 16
    """How many picture pixels neighbouring graph windows share at inference (ours)."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if field.name in RANGES:
                value, (least, most) = getattr(self, field.name), RANGES[field.name]
                if not least <= value <= most:
                    raise ValueError(f"{field.name} must be from {least} to {most}, not {value}")
        if not self.graphs or set(self.graphs) - {"pixel", "patch"}:
            raise ValueError("graphs takes 'pixel' and 'patch'")
        problems = [
            (self.channels not in (1, 3), "channels must be 1 or 3"),
            (len(self.graphs) > MAX_GRAPHS, f"graphs takes at most {MAX_GRAPHS} entries"),
            (
                self.window > MAX_NODES * self.multiple,
                f"window must be at most {MAX_NODES * self.multiple}, which is {MAX_NODES} graph nodes a side",
            ),
            (self.graph_features % self.heads != 0, "graph_features must be a multiple of heads"),
            (self.patch_size % 2 == 0, "patch_size must be odd"),
            (self.window % self.multiple != 0, f"window must be a multiple of {self.multiple}"),
            (
                self.window_overlap % self.multiple != 0,
                f"window_overlap must be a multiple of {self.multiple}",
            ),
            (not 0 <= self.window_overlap < self.window, "window_overlap must be smaller than window"),
            (
                self.graph_stride == 1 and self.graph_features != self.features,
                "graph_features differs from features only with graph_stride above 1",
            ),
            (
                self.graph_stride == 1 and self.graph_residuals > 0,
                "graph_residuals needs a graph_stride above 1",
            ),
            (
                self.weights > MAX_WEIGHTS,
                f"a network of {self.weights / 1e6:.0f} million weights is too large, at most "
                f"{MAX_WEIGHTS // 1_000_000} million are allowed",
            ),
        ]
        for wrong, message in problems:
            if wrong:
                raise ValueError(message)

    @property
    def multiple(self) -> int:
        """Height and width of the network's input must be multiples of this."""
        return self.stem * self.graph_stride

    @property
    def weights(self) -> int:
        """How many weights the convolutions and linear layers have, biases and slopes left aside."""
        wide, width, patch = self.features, self.graph_features, self.patch_size**2
        graphs = {"pixel": 5 * width**2, "patch": 27 * width**2 + 2 * width * patch * self.patch_features}
        convolution = sum(graphs[kind] for kind in self.graphs) + 9 * width**2
        ends = 18 * wide * self.channels * self.stem**2
        grid = 2 * wide * width * self.graph_stride**2 if self.graph_stride > 1 else 0
        residual = (self.blocks_before + self.blocks_after) * wide**2 + 2 * self.graph_residuals * width**2
        return ends + grid + 18 * residual + 2 * self.graph_blocks * convolution

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON and TOML can hold."""
        return {**dataclasses.asdict(self), "graphs": list(self.graphs)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> MagnConfig:
        """Read what :meth:`to_dict` wrote. An unknown or ill-typed key raises ``ValueError``."""
        known = {field.name: field for field in dataclasses.fields(cls)}
        default = cls()
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"unknown network setting {name!r}")
            expected = list if name == "graphs" else type(getattr(default, name))
            if type(value) is not expected and not (name == "graphs" and isinstance(value, tuple)):
                kind = {bool: "true or false", int: "a whole number", list: "a list"}[expected]
                raise ValueError(f"network setting {name!r} must be {kind}, not {value!r}")
        if "graphs" in values:
            values = {**values, "graphs": tuple(values["graphs"])}
        return cls(**values)


PRESETS: dict[str, MagnConfig] = {
    "magn": MagnConfig(),
    "magn-s": MagnConfig(
        level_channel=True,
        features=64,
        blocks_before=4,
        blocks_after=4,
        graph_blocks=1,
        patch_size=5,
        patch_features=16,
        normalized_scores=True,
        stem=2,
        graph_stride=4,
        graph_residuals=1,
        graph_features=64,
        window=128,
        window_overlap=16,
    ),
}
"""``magn`` is the paper's network, ``magn-s`` the same modules for people without a GPU."""
