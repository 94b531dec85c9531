"""Padding at the border of a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BORDER = 16
"""Pixels of padding on each side; a multiple of 8, so that it keeps the position of the JPEG grid."""


def padding_index(length: int, multiple: int, keeps_bayer: bool) -> NDArray[np.intp]:
    """Return the index of the source row (or column) for each row (or column) of the padded picture.

    Args:
        length: rows or columns of the picture, at least 1.
        multiple: the padded length is a multiple of this: ``BORDER`` at the start, ``BORDER`` or more at the end.
        keeps_bayer: always pad by reflection, repeatedly if necessary, which keeps the phase of a Bayer pattern.
            Otherwise, sides that are too short for reflection repeat their edge.
    """
    after = BORDER + -(length + 2 * BORDER) % multiple
    reflects = keeps_bayer or length > after
    return np.pad(np.arange(length), (BORDER, after), mode="reflect" if reflects else "edge")
