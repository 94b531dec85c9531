"""Network configuration: the paper's network, its ablations and our small preset."""

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
"""Minimum and maximum of each size. Files supply these numbers, so the limits stay well below what could exhaust a
machine, and far above any useful network."""

MAX_GRAPHS = 4
"""Maximum number of graphs that one graph convolution sums."""

MAX_NODES = 128
"""Maximum number of graph nodes along a side of the window. Attention memory grows with its fourth power."""

MAX_WEIGHTS = 100_000_000
"""Maximum number of weights of a network; the paper's has 5 million."""


@dataclass(frozen=True)
class MagnConfig:
    """Architecture of a MAGN network. The defaults are the paper's network (5,224,816 parameters).

    Raises:
        ValueError: a setting is out of range, or settings contradict each other.
    """

    channels: int = 3
    """Channels of the picture, 1 or 3. Colour weights also restore gray pictures, as three equal channels."""

    level_channel: bool = False
    """Append a constant channel that holds the degradation level, so that one set of weights serves all levels
    (ours; not in the paper)."""

    features: int = 64
    """Channels of the residual blocks (Table I)."""

    blocks_before: int = 16
    """Residual blocks before the graph blocks (Table I)."""

    blocks_after: int = 16
    """Residual blocks after the graph blocks (Table I)."""

    graph_blocks: int = 3
    """Graph blocks in series, each of two graph convolutions (eq. 3; section IV-A)."""

    graphs: tuple[GraphLevel, ...] = ("pixel", "patch")
    """Graphs that one graph convolution sums (eq. 11). Table V omits one of them or uses ``patch`` twice."""

    heads: int = 4
    """Attention heads of each graph (eq. 9). The paper does not state N, so the number is ours."""

    patch_size: int = 7
    """Side of the sliding window of the patch graph, in nodes (section IV-A; Table VI tries 5 to 11)."""

    patch_stride: int = 4
    """Step of that window (section IV-A)."""

    patch_features: int = 49
    """Width of a patch's query and key (ours): 49 for every patch size, so that Table VI stays comparable."""

    normalized_scores: bool = False
    """Normalize queries and keys to unit length and learn a scale for each head, instead of 1/sqrt(d) (eq. 5).
    Ours: without it, scores are unbounded and diverged in training at high learning rates."""

    stem: int = 1
    """Pixel-unshuffle factor before the head (ours): the residual blocks work on a grid coarser by this factor."""

    graph_stride: int = 1
    """Ratio between the grid of the graph nodes and that of the residual blocks (ours)."""

    graph_residuals: int = 0
    """Residual blocks on the grid of the graph nodes, before the graph blocks and again after them (ours).
    Requires ``graph_stride`` above 1."""

    graph_features: int = 64
    """Channels of the graph nodes. Equals ``features`` unless ``graph_stride`` is above 1."""

    window: int = 64
    """Side of the square that forms one graph, in picture pixels: the crop size in training and the window size at
    inference (ours; the paper states neither)."""

    window_overlap: int = 16
    """Overlap of neighbouring graph windows at inference, in picture pixels (ours)."""

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
        """Number of pixels that must divide the height and width of the network's input."""
        return self.stem * self.graph_stride

    @property
    def weights(self) -> int:
        """Number of weights in the convolutions and linear layers, without biases and PReLU slopes."""
        wide, width, patch = self.features, self.graph_features, self.patch_size**2
        graphs = {"pixel": 5 * width**2, "patch": 27 * width**2 + 2 * width * patch * self.patch_features}
        convolution = sum(graphs[kind] for kind in self.graphs) + 9 * width**2
        ends = 18 * wide * self.channels * self.stem**2
        grid = 2 * wide * width * self.graph_stride**2 if self.graph_stride > 1 else 0
        residual = (self.blocks_before + self.blocks_after) * wide**2 + 2 * self.graph_residuals * width**2
        return ends + grid + 18 * residual + 2 * self.graph_blocks * convolution

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values for JSON and TOML."""
        return {**dataclasses.asdict(self), "graphs": list(self.graphs)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> MagnConfig:
        """Create a configuration from the result of :meth:`to_dict`.

        Raises:
            ValueError: a key is unknown, or its value has the wrong type or is out of range.
        """
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
"""``magn`` is the paper's network. ``magn-s`` builds a smaller one from the same modules, for CPUs."""
