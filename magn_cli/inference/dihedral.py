"""The eight rotations and reflections of a square. Needs no torch.

Self-ensemble (Timofte et al. 2016) averages the results for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from magn_cli.images import as_seen

Sample = TypeVar("Sample", bound=np.generic)


@dataclass(frozen=True)
class DihedralTransform:
    """One of the eight rotations and reflections of a square."""

    across: bool
    """Swap rows and columns, after the two reversals."""

    rows: bool
    """Reverse the rows."""

    columns: bool
    """Reverse the columns."""

    @classmethod
    def of_orientation(cls, turned: int) -> DihedralTransform:
        """Return how a picture as stored becomes upright, from :attr:`Photo.turned`, an EXIF orientation."""
        # Which of four corners lies where tells everything.
        seen = as_seen(np.arange(4).reshape(2, 2), turned)
        return cls(bool(abs(int(seen[0, 1]) - int(seen[0, 0])) == 2), bool(seen[0, 0] & 2), bool(seen[0, 0] & 1))

    def apply(self, picture: NDArray[Sample]) -> NDArray[Sample]:
        """Transform ``(H, W)`` or ``(H, W, C)``; returns a view."""
        turned = picture[:: -1 if self.rows else 1, :: -1 if self.columns else 1]
        return turned.swapaxes(0, 1) if self.across else turned

    def invert(self, picture: NDArray[Sample]) -> NDArray[Sample]:
        """Undo :meth:`apply`; returns a view."""
        turned = picture.swapaxes(0, 1) if self.across else picture
        return turned[:: -1 if self.rows else 1, :: -1 if self.columns else 1]


def dihedral_transforms() -> Iterator[DihedralTransform]:
    """Yield all eight transforms, the identity first."""
    for number in range(8):
        yield DihedralTransform(bool(number & 4), bool(number & 2), bool(number & 1))


def whole_cells(pixels: NDArray[Sample], grid: int) -> NDArray[Sample]:
    """Pad ``(H, W)`` or ``(H, W, C)`` at the end by reflection, so that both sides are multiples of ``grid``.

    The grid of a degradation (8 for JPEG, 2 for Bayer) then also starts at the corner of a reversed picture.
    """
    missing = [(0, -side % grid) for side in pixels.shape[:2]]
    return np.pad(pixels, missing + [(0, 0)] * (pixels.ndim - 2), mode="reflect")
