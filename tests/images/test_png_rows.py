"""A PNG file whose data end before its last row is refused, whichever library decodes it."""

import numpy as np
import pytest

from magn_cli import images
from magn_cli.errors import ImageError
from tests.support.pictures import png

SIDE = 40
KINDS = {
    "gray": (8, 0, (SIDE,)),
    "colour": (8, 2, (SIDE, 3)),
    "gray with alpha": (8, 4, (SIDE, 2)),
    "colour with alpha": (8, 6, (SIDE, 4)),
    "deep": (16, 2, (SIDE, 3)),
    "one bit": (1, 0, (SIDE // 8,)),
    "four bits": (4, 0, (SIDE // 2,)),
}
"""Depth, colour type and shape of a row as it is stored."""


def file(rows, depth, colour_type, row, interlaced=0):
    samples = np.random.default_rng(0).integers(0, 255, (rows, *row), np.uint8)
    return png(samples, colour_type, depth, size=(SIDE, SIDE), interlaced=interlaced)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_missing_rows_are_noticed(kind):
    assert images.decode(file(SIDE, *kind)).pixels.shape[:2] == (SIDE, SIDE)
    for rows in (1, SIDE - 1):
        with pytest.raises(ImageError, match="truncated or damaged"):
            images.decode(file(rows, *kind))


def test_missing_passes_are_noticed():
    with pytest.raises(ImageError, match="truncated or damaged"):
        images.decode(file(SIDE // 2, *KINDS["colour"], interlaced=1))
