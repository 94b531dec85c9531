"""Convert L*a*b* colours, which scanners and prepress programs write into TIFF files, to sRGB."""

import numpy as np

from magn_cli.images.depth import from_float
from magn_cli.images.photo import Array

_ROWS = 256
_D50 = np.array([0.9642, 1.0, 0.8249], np.float32)
# From XYZ under D50 to linear sRGB (Bradford): IEC 61966-2-1 with the adaptation of the ICC.
_MATRIX = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ],
    np.float32,
)
_EDGE = 6 / 29


def to_srgb(samples: Array, *, icc: bool) -> Array:
    """Return sRGB pixels of L*, a*, b*, ``(H, W, 3)`` of uint8 or uint16, in the same type.

    ``icc``: a* and b* are offset by half their range, as in ICC profiles; else they are signed numbers. Colours
    beyond sRGB are clipped.
    """
    result = np.empty(samples.shape, samples.dtype)
    for start in range(0, len(samples), _ROWS):
        part = slice(start, start + _ROWS)
        result[part] = from_float(_encoded(_linear(_star(samples[part], icc))), samples.dtype)
    return result


def _star(samples: Array, icc: bool) -> Array:
    """L* in 0..100, a* and b* around 0, as float32; TIFF 6.0, section 23, and ICC.1:2001, A.4."""
    deep = samples.dtype == np.uint16
    step = 256.0 if deep else 1.0
    light = samples[..., :1].astype(np.float32) * (100 / ((65280 if icc else 65535) if deep else 255))
    if icc:
        colour = samples[..., 1:].astype(np.float32) / step - 128
    else:
        signed = np.ascontiguousarray(samples[..., 1:]).view(np.int16 if deep else np.int8)
        colour = signed.astype(np.float32) / step
    return np.concatenate([light, colour], axis=-1)


def _linear(star: Array) -> Array:
    """Linear sRGB, not clipped; CIE 15, section 8.2."""
    y = (star[..., 0] + 16) / 116
    roots = np.stack([y + star[..., 1] / 500, y, y - star[..., 2] / 200], axis=-1)
    xyz = np.where(roots > _EDGE, roots**3, 3 * _EDGE**2 * (roots - 4 / 29)) * _D50
    linear: Array = xyz @ _MATRIX.T
    return linear


def _encoded(linear: Array) -> Array:
    clipped = np.clip(linear, 0, 1)
    return np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * clipped ** (1 / 2.4) - 0.055)
