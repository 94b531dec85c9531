"""Which of a network's graphs to look at. Needs no torch, so a wrong choice is reported at once."""

from __future__ import annotations

from dataclasses import dataclass

from magn_cli.errors import UsageError
from magn_cli.images import Photo
from magn_cli.model import MagnConfig
from magn_cli.model.config import GraphLevel

GRAPH_LEVELS: tuple[GraphLevel, ...] = ("pixel", "patch")
CONVOLUTIONS = 2
"""Graph convolutions in a graph block (eq. 3)."""


@dataclass(frozen=True)
class GraphChoice:
    """One graph of a network, as a user counts: from 1.

    Example:
        >>> from magn_cli.model import PRESETS
        >>> GraphChoice(block=7).check(PRESETS["magn"])
        Traceback (most recent call last):
        magn_cli.errors.UsageError: --block 7 is out of range: this network has 3 graph blocks.
    """

    level: GraphLevel = "pixel"
    block: int = 1
    convolution: int = 1
    """1 or 2: the first or second graph convolution of the block."""

    head: int | None = None
    """None for the mean of all heads."""

    def check(self, config: MagnConfig) -> None:
        """Raise :class:`UsageError` if a network of this configuration has no such graph."""
        if config.graph_blocks == 0:
            raise UsageError("this network has no graphs; give other --weights.")
        if self.level not in config.graphs:
            raise UsageError(f"this network has no {self.level} graph: choose --graph {config.graphs[0]}.")
        for option, number, of, what in (
            ("--block", self.block, config.graph_blocks, "graph block"),
            ("--convolution", self.convolution, CONVOLUTIONS, "graph convolution"),
            ("--head", self.head, config.heads, "head"),
        ):
            if number is not None and not 1 <= number <= of:
                where = "a graph block has" if option == "--convolution" else "this network has"
                raise UsageError(f"{option} {number} is out of range: {where} {of} {what}{'s' if of > 1 else ''}.")


def check_inside(name: str, photo: Photo, at: tuple[int, int]) -> None:
    """Raise :class:`UsageError` if x and y lie outside of a photo, as displayed; ``name`` is for the message."""
    height, width = photo.pixels.shape[:2]
    if not (0 <= at[0] < width and 0 <= at[1] < height):
        raise UsageError(
            f"--at {at[0]},{at[1]} is outside of {name}, which has {width} x {height} pixels: "
            f"give 0,0 to {width - 1},{height - 1}."
        )
