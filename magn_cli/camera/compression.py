"""JPEG compression, once by the camera and possibly again later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from magn_cli.camera.sensor import Float

_SAMPLING = {
    "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "4:2:2": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}
_CELLS = {"4:4:4": (1, 1), "4:2:2": (1, 2), "4:2:0": (2, 2)}
"""Rows and columns of pixels that share a chroma sample."""


@dataclass(frozen=True)
class Compression:
    """One JPEG compression."""

    quality: int
    subsampling: str
    corner: tuple[int, int]
    """Rows and columns, 0..7, by which the 8x8 blocks start outside of the picture."""


def draw_compression(rng: np.random.Generator) -> tuple[Compression, ...]:
    """Draw zero (for one photo in five), one or two compressions, of qualities 60 to 100.

    Half of the compressions have their blocks aligned with the picture; the others are as if cropped afterwards.
    """
    if rng.random() < 0.2:
        return ()
    return tuple(
        Compression(
            # High qualities are more common.
            quality=round(100 - 40 * float(rng.beta(1.0, 1.6))),
            subsampling=("4:2:0", "4:4:4", "4:2:2")[int(rng.choice(3, p=(0.5, 0.4, 0.1)))],
            corner=(int(rng.integers(8)), int(rng.integers(8))) if rng.random() < 0.5 else (0, 0),
        )
        for _ in range(1 + (rng.random() < 0.35))
    )


def compress_again(pixels: Float, files: tuple[Compression, ...]) -> Float:
    """Compress and decode ``(H, W)`` or ``(H, W, 3)``, 0..1, once for each of ``files``."""
    for file in files:
        rows, columns = file.corner
        padded = np.pad(pixels, [(rows, 0), (columns, 0), (0, 0)][: pixels.ndim], mode="edge")
        stored = np.rint(padded.clip(0, 1) * 255).astype(np.uint8)
        settings = [cv2.IMWRITE_JPEG_QUALITY, file.quality]
        if pixels.ndim == 3:
            stored = np.ascontiguousarray(stored[..., ::-1])
            settings += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _SAMPLING[file.subsampling]]
        _, data = cv2.imencode(".jpg", stored, settings)
        read: Any = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        assert read is not None
        if pixels.ndim == 3:
            read = read[..., ::-1]
        pixels = read[rows:, columns:].astype(np.float32) / np.float32(255)
    return pixels


def subsampled(pixels: Float, files: tuple[Compression, ...]) -> Float:
    """Reduce the chroma of ``(H, W, 3)``, 0..1, as :func:`compress_again` does, but round nothing.

    This is what a picture has of its colours once a camera has stored it. Gray pictures, ``(H, W)``, stay.
    """
    for file in files:
        high, wide = _CELLS[file.subsampling]
        if pixels.ndim == 2 or high * wide == 1:
            continue
        (rows, columns), (height, width) = file.corner, pixels.shape[:2]
        below, beside = -(height + rows) % high, -(width + columns) % wide
        padded = np.pad(pixels, [(rows, below), (columns, beside), (0, 0)], mode="edge")
        split = cv2.cvtColor(padded, cv2.COLOR_RGB2YCrCb)
        size = padded.shape[1], padded.shape[0]
        chroma = cv2.resize(split[..., 1:], (size[0] // wide, size[1] // high), interpolation=cv2.INTER_AREA)
        # What libjpeg calls fancy upsampling.
        split[..., 1:] = cv2.resize(chroma, size, interpolation=cv2.INTER_LINEAR)
        whole = cv2.cvtColor(split, cv2.COLOR_YCrCb2RGB)
        pixels = np.ascontiguousarray(whole[rows : rows + height, columns : columns + width]).clip(0, 1)
    return pixels
