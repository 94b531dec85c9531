"""Self-ensemble (Timofte et al. 2016): the mean over what a network makes of a picture turned and mirrored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Sample = TypeVar("Sample", bound=np.generic)


@dataclass(frozen=True)
class DihedralTransform:
    """One of the eight ways to lay a square on itself."""

    across: bool
    """Swap rows and columns, after the others."""

    rows: bool
    """Reverse the rows."""

    columns: bool
    """Reverse the columns."""

    def apply(self, picture: NDArray[Sample]) -> NDArray[Sample]:
        """Turn ``(H, W)`` or ``(H, W, C)``; a view."""
        turned = picture[:: -1 if self.rows else 1, :: -1 if self.columns else 1]
        return turned.swapaxes(0, 1) if self.across else turned

    def invert(self, picture: NDArray[Sample]) -> NDArray[Sample]:
        """Turn back what :meth:`apply` gave; a view."""
        turned = picture.swapaxes(0, 1) if self.across else picture
        return turned[:: -1 if self.rows else 1, :: -1 if self.columns else 1]


def dihedral_transforms() -> Iterator[DihedralTransform]:
    """Yield all eight, the first of which changes nothing."""
    for number in range(8):
        yield DihedralTransform(bool(number & 4), bool(number & 2), bool(number & 1))


def whole_cells(pixels: NDArray[Sample], grid: int) -> NDArray[Sample]:
    """Continue ``(H, W)`` or ``(H, W, C)`` at the end, reflected, to sides that are multiples of ``grid``.

    So the grid of a degradation (JPEG 8, Bayer 2) starts at the corner of a reversed picture, too.
    """
    missing = [(0, -side % grid) for side in pixels.shape[:2]]
    return np.pad(pixels, missing + [(0, 0)] * (pixels.ndim - 2), mode="reflect")
