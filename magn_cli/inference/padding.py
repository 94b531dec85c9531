"""How a picture goes on beyond its border."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BORDER = 16
"""Pixels that every side is continued by; a multiple of 8, so that the JPEG grid stays where it is."""


def padding_index(length: int, multiple: int, keeps_bayer: bool) -> NDArray[np.intp]:
    """Return which row (or column) each row of the continued picture is a copy of.

    ``BORDER`` on both sides and more at the end, up to a multiple of ``multiple``: reflected, or copies of the
    edge along a side that is too short for it. Reflection keeps the phase of a Bayer pattern, so
    ``keeps_bayer`` reflects even there, as often as it takes.
    """
    after = BORDER + -(length + 2 * BORDER) % multiple
    reflects = keeps_bayer or length > after
    return np.pad(np.arange(length), (BORDER, after), mode="reflect" if reflects else "edge")
