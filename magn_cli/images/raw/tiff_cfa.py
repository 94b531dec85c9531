"""TIFF files of one sample per pixel behind a colour filter array (TIFF/EP), as industrial cameras write them."""

import numpy as np

from magn_cli.images.limits import RefusedError
from magn_cli.images.metadata.tags import Directory
from magn_cli.images.photo import Array, Mosaic
from magn_cli.images.raw import sensor_tags
from magn_cli.images.raw.developing import encoded, exposure, saturation


def prepared(page: Directory, samples: Array) -> tuple[Array, Mosaic]:
    """Return the samples (H, W) of a page as the mosaic of a photograph, and its description.

    If the tags state neither levels nor colours, the samples are a photograph's already and stay as they are.
    Others, uint8 or uint16, are developed into uint16. Raises ValueError for tags that make no sense,
    RefusedError for anything but a Bayer pattern.
    """
    pattern = sensor_tags.pattern(page)
    if samples.ndim != 2:
        raise ValueError("several samples a pixel")
    top, left, bottom, right = sensor_tags.active_area(page) or (0, 0, *samples.shape)
    active = samples[top:bottom, left:right]
    x, y, width, height = sensor_tags.crop(page) or (0, 0, *active.shape[::-1])
    shown = (slice(y, y + height), slice(x, x + width))
    if not active[shown].size:
        raise ValueError("an empty area")
    colours = np.roll(np.reshape(list(pattern), (2, 2)), (-y, -x), axis=(0, 1))
    shown_pattern = "".join(colours.flatten())
    if not sensor_tags.is_linear(page):
        return active[shown], Mosaic(shown_pattern)
    if active.dtype.kind == "f":
        raise RefusedError("holds the samples of a sensor as floats: save them as 16-bit integers first")
    stated, white = sensor_tags.blacks(page), sensor_tags.white(page)
    blacks = np.zeros((2, 2)) if stated is None else stated
    highest = float(np.iinfo(active.dtype).max) if white is None else white
    highest = saturation(active[shown], blacks, highest)
    mosaic = encoded(active, pattern, blacks, highest, sensor_tags.gains(page))[shown]
    matrix = sensor_tags.matrix(page)
    moved = np.roll(blacks, (-y, -x), axis=(0, 1))
    return mosaic, Mosaic(shown_pattern, matrix, exposure(mosaic, shown_pattern, matrix), moved, highest)
