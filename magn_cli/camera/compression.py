"""The JPEG files that a photo went through: of the camera, and of who sent it on."""

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


@dataclass(frozen=True)
class Compression:
    """One JPEG file."""

    quality: int
    subsampling: str
    corner: tuple[int, int]
    """By how many rows and columns its 8x8 blocks begin before the picture, 0..7."""


def draw_compression(rng: np.random.Generator) -> tuple[Compression, ...]:
    """Draw no JPEG file (one photo in five), one, or two: qualities of 60 to 100, as cameras and programs write.

    The later file's blocks are where the picture begins, or elsewhere for half of the photos: these were cut.
    """
    if rng.random() < 0.2:
        return ()
    return tuple(
        Compression(
            # Better qualities are more common.
            quality=round(100 - 40 * float(rng.beta(1.0, 1.6))),
            subsampling=("4:2:0", "4:4:4", "4:2:2")[int(rng.choice(3, p=(0.5, 0.4, 0.1)))],
            corner=(int(rng.integers(8)), int(rng.integers(8))) if rng.random() < 0.5 else (0, 0),
        )
        for _ in range(1 + (rng.random() < 0.2))
    )


def compress_again(pixels: Float, files: tuple[Compression, ...]) -> Float:
    """Return ``(H, W)`` or ``(H, W, 3)``, 0..1, after it was written to these files and read again."""
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
