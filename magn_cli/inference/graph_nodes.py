"""Where the nodes of a graph lie in a picture. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from magn_cli.inference.dihedral import DihedralTransform
from magn_cli.model import MagnConfig
from magn_cli.model.config import GraphLevel


@dataclass(frozen=True)
class NodeAxis:
    """Nodes along one side of a window, in pixels of the picture from the window's start."""

    count: int
    start: int
    """Where the first node begins; negative if it reaches over the edge, as patches do."""

    step: int
    side: int
    """Length of a node; more than :attr:`step` if nodes overlap."""

    @classmethod
    def of(cls, config: MagnConfig, level: GraphLevel, length: int) -> NodeAxis:
        """Return the nodes along a window of ``length`` pixels, a multiple of ``config.multiple``.

        Patches follow eq. 10: windows of ``patch_size`` nodes that slide by ``patch_stride``.
        """
        cell = config.multiple
        if level == "pixel":
            return cls(length // cell, 0, cell, cell)
        before, size, step = config.patch_size // 2, config.patch_size, config.patch_stride
        count = (length // cell + 2 * before - size) // step + 1
        return cls(count, -before * cell, step * cell, size * cell)

    def centre(self, index: int) -> float:
        """Return the middle of a node."""
        return self.start + index * self.step + self.side / 2

    def nearest(self, position: float) -> int:
        """Return the node whose middle is nearest to the middle of a pixel."""
        index = round((position + 0.5 - self.centre(0)) / self.step)
        return min(max(index, 0), self.count - 1)

    def own(self, index: int, length: int) -> tuple[float, float]:
        """Return the part of a window of ``length`` pixels that is nearer to this node than to others."""
        centre, half = self.centre(index), self.step / 2
        return (
            0.0 if index == 0 else max(centre - half, 0.0),
            float(length) if index == self.count - 1 else min(centre + half, float(length)),
        )

    def mirrored(self, length: int) -> NodeAxis:
        """Return the nodes of a mirrored window of ``length`` pixels."""
        end = self.start + (self.count - 1) * self.step + self.side
        return NodeAxis(self.count, length - end, self.step, self.side)


@dataclass(frozen=True)
class NodeGrid:
    """The nodes of a graph, numbered row by row."""

    rows: NodeAxis
    columns: NodeAxis

    def __len__(self) -> int:
        return self.rows.count * self.columns.count

    def at(self, x: float, y: float) -> int:
        """Return the node nearest to a pixel of the window."""
        return self.rows.nearest(y) * self.columns.count + self.columns.nearest(x)

    def centre(self, node: int) -> tuple[float, float]:
        """Return x and y of a node's middle, in pixels of the window."""
        row, column = divmod(node, self.columns.count)
        return self.columns.centre(column), self.rows.centre(row)


def transformed(grid: NodeGrid, transform: DihedralTransform, size: tuple[int, int]) -> NodeGrid:
    """Return the nodes of a window of ``size`` (height, width) as stored, after a transform."""
    rows = grid.rows.mirrored(size[0]) if transform.rows else grid.rows
    columns = grid.columns.mirrored(size[1]) if transform.columns else grid.columns
    return NodeGrid(columns, rows) if transform.across else NodeGrid(rows, columns)


def stored_position(x: int, y: int, transform: DihedralTransform, size: tuple[int, int]) -> tuple[int, int]:
    """Return row and column, as stored, of a pixel of the transformed picture.

    ``size`` is the height and width as stored.
    """
    row, column = (x, y) if transform.across else (y, x)
    return (
        size[0] - 1 - row if transform.rows else row,
        size[1] - 1 - column if transform.columns else column,
    )


def transformed_corner(
    corner: tuple[int, int], window: tuple[int, int], transform: DihedralTransform, size: tuple[int, int]
) -> tuple[int, int]:
    """Return x and y of a window's upper left corner in the transformed picture.

    ``corner`` is its row and column as stored, ``window`` and ``size`` the height and width of the window and of
    the picture as stored.
    """
    row = size[0] - corner[0] - window[0] if transform.rows else corner[0]
    column = size[1] - corner[1] - window[1] if transform.columns else corner[1]
    return (row, column) if transform.across else (column, row)
