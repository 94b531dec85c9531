"""TIFF files of one sample a pixel behind a colour filter array (TIFF/EP), as industrial cameras write them."""

import numpy as np

from magn_cli.images import sensor_tags
from magn_cli.images.developing import encoded, exposure
from magn_cli.images.limits import RefusedError
from magn_cli.images.photo import Array, Mosaic
from magn_cli.images.tags import Directory


def prepared(page: Directory, samples: Array) -> tuple[Array, Mosaic]:
    """The mosaic of a photograph and what it is, of the samples (H, W), uint8 or uint16, of a page.

    Samples without a word on levels or colours are taken for a photograph's already and stay as they are; of
    others uint16 is made. ValueError for tags that make no sense, RefusedError for what is no Bayer pattern.
    """
    pattern = sensor_tags.pattern(page)
    if not sensor_tags.is_linear(page):
        return samples, Mosaic(pattern)
    if samples.dtype.kind == "f":
        raise RefusedError("holds the samples of a sensor as floats: save them as 16-bit integers first")
    blacks, white = sensor_tags.blacks(page), sensor_tags.white(page)
    matrix = sensor_tags.matrix(page)
    mosaic = encoded(
        samples,
        pattern,
        np.zeros((2, 2)) if blacks is None else blacks,
        np.iinfo(samples.dtype).max if white is None else white,
        sensor_tags.gains(page),
    )
    return mosaic, Mosaic(pattern, matrix, exposure(mosaic, pattern, matrix))
