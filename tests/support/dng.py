"""Raw files as a camera would write them, made of pictures whose colours are known."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tifffile

XYZ_OF_SRGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
"""Linear sRGB to XYZ, D65."""

CAMERA_OF_XYZ = np.array([[0.9020, -0.2890, -0.0715], [-0.4535, 1.2436, 0.2348], [-0.0934, 0.1919, 0.7086]])
"""A DNG colour matrix (XYZ to camera) of the kind that full-frame cameras have."""

OF_SAMPLES = frozenset({33421, 33422, 50710, 50711, 50713, 50714, 50717, 50719, 50720, 50829})
"""The tags that stand where the samples do."""

PLAIN = {"metadata": None, "software": False}


def linear(srgb: np.ndarray) -> np.ndarray:
    """Undo the sRGB curve; 0..1, any shape."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


@dataclass
class Sensor:
    """How light becomes numbers; ``gains`` undo what the sensor does to white (R, G, B)."""

    pattern: str = "rggb"
    gains: tuple[float, float, float] = (2.0, 1.0, 1.5)
    black: tuple[float, float, float, float] = (512, 512, 512, 512)
    """Of the four positions of the pattern, row by row."""

    white: int = 16383
    matrix: np.ndarray = field(default_factory=lambda: CAMERA_OF_XYZ)
    noise: float = 0.0
    """Standard deviation of the read noise in steps; shot noise of 3 electrons a step comes with it."""

    def camera_of_srgb(self) -> np.ndarray:
        """Linear sRGB to camera RGB with white balanced: rows sum to 1."""
        both = self.matrix @ XYZ_OF_SRGB
        return both / both.sum(axis=1, keepdims=True)

    def neutral(self) -> np.ndarray:
        """What white is on the sensor, the brightest channel 1: DNG's AsShotNeutral."""
        inverse = 1 / np.array(self.gains)
        return inverse / inverse.max()

    def mosaic(self, srgb: np.ndarray, seed: int = 0) -> np.ndarray:
        """Samples ``(H, W)`` uint16 of a picture ``(H, W, 3)``, 0..1; its white just saturates the sensor."""
        light = np.clip(linear(srgb.astype(np.float64)) @ self.camera_of_srgb().T * self.neutral(), 0, 1)
        height, width = srgb.shape[:2]
        rows, columns = np.indices((height, width))
        place = rows % 2 * 2 + columns % 2
        colour = np.array(["rgb".index(c) for c in self.pattern])[place]
        black = np.array(self.black)[place]
        steps = np.take_along_axis(light, colour[..., None], 2)[..., 0] * (self.white - black)
        if self.noise:
            rng = np.random.default_rng(seed)
            steps += rng.normal(size=steps.shape) * np.sqrt(self.noise**2 + steps / 3)
        return np.clip(np.rint(steps + black), 0, self.white).astype(np.uint16)


def write_dng(
    path: Path,
    samples: np.ndarray,
    sensor: Sensor,
    *,
    active: tuple[int, int, int, int] | None = None,
    crop: tuple[int, int, int, int] | None = None,
    orientation: int = 1,
    photometric: int = 32803,
    preview: bool = False,
    cfa: tuple[tuple[int, int], bytes] | None = None,
    extra: tuple = (),
    without: frozenset[int] = frozenset(),
) -> Path:
    """Write samples ``(H, W)`` whose pattern starts at the active area's corner; returns the path.

    ``active`` is top, left, bottom, right in the samples; ``crop`` left, top, width, height in the active area.
    ``preview``: one comes first, as in files of cameras, and the samples below it.
    ``cfa`` is the size of a pattern and its colours, where it is not the sensor's.
    """
    size, colours = cfa or ((2, 2), bytes("rgb".index(c) for c in sensor.pattern))
    black = np.array(sensor.black)
    entries = [
        (50706, 1, 4, b"\x01\x04\x00\x00", False),
        (50708, 2, 0, "Magn Test Camera", False),
        (271, 2, 0, "Magn", False),
        (272, 2, 0, "Test Camera", False),
        (274, 3, 1, orientation, False),
        (306, 2, 0, "2024:05:06 07:08:09", False),
        (50713, 3, 2, (2, 2), False),
        (50714, 5, 4, tuple(n for b in black for n in (round(b * 100), 100)), False),
        (50717, 4, 1, sensor.white, False),
        (50721, 10, 9, tuple(n for v in sensor.matrix.flatten() for n in (round(v * 10000), 10000)), False),
        (50778, 3, 1, 21, False),
        (50728, 5, 3, tuple(n for v in sensor.neutral() for n in (round(v * 1_000_000), 1_000_000)), False),
        *extra,
    ]
    if photometric == 32803:
        entries += [(33421, 3, 2, size, False), (33422, 1, len(colours), colours, False)]
        entries += [(50710, 1, 3, bytes([0, 1, 2]), False), (50711, 3, 1, 1, False)]
    if active:
        entries.append((50829, 4, 4, active, False))
    if crop:
        entries.append((50719, 4, 2, crop[:2], False))
        entries.append((50720, 4, 2, crop[2:], False))
    entries = [entry for entry in entries if entry[0] not in without]
    with tifffile.TiffWriter(path) as file:
        if preview:
            small = np.zeros((20, 30, 3), np.uint8)
            first = [entry for entry in entries if entry[0] not in OF_SAMPLES]
            entries = [entry for entry in entries if entry[0] in OF_SAMPLES]
            file.write(small, photometric="rgb", subfiletype=1, subifds=1, extratags=first, **PLAIN)
        file.write(samples, photometric=photometric, subfiletype=0, extratags=entries, **PLAIN)
    return path
