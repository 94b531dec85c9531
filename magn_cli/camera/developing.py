"""Develops a mosaic to a picture: demosaicing methods and tone curves."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from magn_cli.camera.sensor import Float, sites
from magn_cli.camera.tables import Table


def _kernel(divisor: float, *rows: tuple[float, ...]) -> Float:
    return np.asarray(np.array(rows) / divisor, np.float32)


_BILINEAR_GREEN = _kernel(4, (0, 1, 0), (1, 4, 1), (0, 1, 0))
_BILINEAR = _kernel(4, (1, 2, 1), (2, 4, 2), (1, 2, 1))

_MALVAR_GREEN = _kernel(8, (0, 0, -1, 0, 0), (0, 0, 2, 0, 0), (-1, 2, 4, 2, -1), (0, 0, 2, 0, 0), (0, 0, -1, 0, 0))
_MALVAR_ROW = _kernel(
    8, (0, 0, 0.5, 0, 0), (0, -1, 0, -1, 0), (-1, 4, 5, 4, -1), (0, -1, 0, -1, 0), (0, 0, 0.5, 0, 0)
)
_MALVAR_OTHER = _kernel(
    8, (0, 0, -1.5, 0, 0), (0, 2, 0, 2, 0), (-1.5, 0, 6, 0, -1.5), (0, 2, 0, 2, 0), (0, 0, -1.5, 0, 0)
)

METHODS = ("bilinear", "malvar", "edge-aware")
"""``malvar``: Malvar, He and Cutler, ICASSP 2004. ``edge-aware``: OpenCV's."""

_EDGE_AWARE = {
    (0, 0): cv2.COLOR_BayerRGGB2RGB_EA,
    (0, 1): cv2.COLOR_BayerGRBG2RGB_EA,
    (1, 0): cv2.COLOR_BayerGBRG2RGB_EA,
    (1, 1): cv2.COLOR_BayerBGGR2RGB_EA,
}


def demosaic(mosaic: Float, phase: tuple[int, int], method: str) -> Float:
    """Demosaic a Bayer mosaic ``(H, W)`` with red at ``phase`` by one of ``METHODS``; returns ``(H, W, 3)``."""
    if method == "edge-aware":
        # Leave room on both sides, because noise goes below black.
        stored = np.clip(mosaic * 32768 + 16384, 0, 65535).astype(np.uint16)
        developed = cv2.cvtColor(stored, _EDGE_AWARE[phase]).astype(np.float32)
        return (developed - np.float32(16384)) / np.float32(32768)
    if method == "bilinear":
        return _bilinear(mosaic, phase)
    return _malvar(mosaic, phase)


def _filtered(values: Float, kernel: NDArray[np.float32]) -> Float:
    return np.asarray(cv2.filter2D(values, -1, kernel, borderType=cv2.BORDER_REFLECT_101), np.float32)


def _bilinear(mosaic: Float, phase: tuple[int, int]) -> Float:
    out = np.zeros((*mosaic.shape, 3), np.float32)
    for row, column, channel in sites(phase):
        out[row::2, column::2, channel] = mosaic[row::2, column::2]
    for channel in range(3):
        kernel = _BILINEAR_GREEN if channel == 1 else _BILINEAR
        out[..., channel] = _filtered(np.ascontiguousarray(out[..., channel]), kernel)
    return out


def _malvar(mosaic: Float, phase: tuple[int, int]) -> Float:
    green = _filtered(mosaic, _MALVAR_GREEN)
    along, across = _filtered(mosaic, _MALVAR_ROW), _filtered(mosaic, np.ascontiguousarray(_MALVAR_ROW.T))
    other = _filtered(mosaic, _MALVAR_OTHER)
    out = np.repeat(mosaic[..., None], 3, axis=2)
    for row, column, channel in sites(phase):
        at = slice(row, None, 2), slice(column, None, 2)
        if channel == 1:
            # Red lies left and right of the green sites in its own rows, above and below in the others.
            red, blue = (along, across) if row == phase[0] else (across, along)
            out[(*at, 0)], out[(*at, 2)] = red[at], blue[at]
        else:
            out[(*at, 1)], out[(*at, 2 - channel)] = green[at], other[at]
    return out


CURVE_POINTS = 513
"""Points of a tone curve's table, evenly spaced in the root of linear light: denser at the dark end, where the
curve is steep."""

INVERSE_POINTS = 2049
"""Points of the table of its inverse, evenly spaced in the values of a file."""


@dataclass(frozen=True)
class ToneCurve:
    """A curve between linear light and the values in a file, interpolated from tables."""

    root_to_display: Table
    display_to_linear: Table

    def to_display(self, linear: Float) -> Float:
        """Convert linear light to display values, both 0..1, of any shape. Other values are clipped."""
        return self.root_to_display(np.sqrt(np.clip(linear, 0, 1)))

    def to_linear(self, display: Float) -> Float:
        """Invert :meth:`to_display`."""
        return self.display_to_linear(display)


def draw_tone_curve(rng: np.random.Generator) -> ToneCurve:
    """Draw the curve of sRGB (IEC 61966-2-1), for some photos with more contrast or brightness.

    Contrast blends in a share of ``3 x^2 - 2 x^3`` (Brooks et al. 2019). Brightness is a gain before the curve, as
    in pushed development.
    """
    linear = np.linspace(0, 1, CURVE_POINTS) ** 2
    lifted = 1 - (1 - linear) ** rng.uniform(1.0, 2.5) if rng.random() < 0.5 else linear
    display = np.where(lifted <= 0.0031308, 12.92 * lifted, 1.055 * np.maximum(lifted, 1e-9) ** (1 / 2.4) - 0.055)
    share = rng.uniform(0, 0.6) if rng.random() < 0.5 else 0.0
    display = (1 - share) * display + share * (3 * display**2 - 2 * display**3)
    inverse = np.interp(np.linspace(0, 1, INVERSE_POINTS), display, linear)
    return ToneCurve(Table(display.astype(np.float32)), Table(inverse.astype(np.float32)))
