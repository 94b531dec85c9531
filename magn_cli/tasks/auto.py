"""``--task auto``: which task a photo needs, if any."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magn_cli.analysis import findings
from magn_cli.analysis.jpeg_blocks import BLOCKS
from magn_cli.analysis.noise import as_gray
from magn_cli.images import Array, Photo, is_beyond_range
from magn_cli.tasks.base import FoundLevel
from magn_cli.tasks.demosaic import Demosaic
from magn_cli.tasks.denoise import Denoise
from magn_cli.tasks.jpeg import Jpeg

NOISY = 3.0
"""Sigma from which a picture counts as noisy. Of 126 clean photographs in colour 3 are estimated higher."""

SURELY_NOISY = 6.0
"""The same in gray and in JPEG files, where less tells noise from texture."""

HIDDEN = 1.05
"""Contrast of JPEG's 8x8 blocks below which noise hides them.

On pieces of five photographs with noise of sigma 0 to 25, then JPEG 4:2:0 of quality 95 to 40, denoising gained
more than removing artifacts did (0.7 to 4 dB more) wherever blocks showed less than this and there was noise, and
less (0.7 to 1.8 dB) wherever they showed more.
"""

OTHERS = 1.2
"""Contrast of blocks that a JPEG file of a quality above 95 does not have from itself."""

OTHER_CODECS = frozenset({"WEBP", "AVIF", "HEIF"})
"""Formats that compress in blocks of their own, which networks have not seen."""

CROP_SIDE = 512
"""Pixels a side, in the middle, by which drawings are known."""


@dataclass(frozen=True)
class Choice:
    """What to do with a photo."""

    task: str | None
    """None: nothing; the photo is clean."""

    found: FoundLevel
    """The level, for the task; without one, why the photo counts as clean."""


def choose(photo: Photo) -> Choice:
    """Look at a photo, and at the file it came from, for what degrades it most.

    A mosaic is known only where the file says that it is one: raw files of cameras, and CFA TIFF.
    """
    if photo.mosaic is not None:
        return Choice("demosaic", Demosaic().find_level(photo))
    if is_beyond_range(photo.pixels):
        return _nothing("values go beyond 0..1, which networks do not know")
    if photo.quantization is None and is_drawing(photo.pixels):
        return _nothing("few colours, so a drawing or text and no photo")
    noise, grid = Denoise().find_level(photo), findings.grid(photo)
    assert noise.level is not None
    contrast = 1.0 if grid is None else grid.contrast
    least = SURELY_NOISY if photo.quantization is not None or as_gray(photo.pixels).ndim == 2 else NOISY
    if noise.level >= least and contrast < HIDDEN:
        return Choice("denoise", noise)
    if photo.quantization is not None:
        return _of_a_jpeg(photo, contrast)
    if contrast >= BLOCKS and photo.format not in OTHER_CODECS:
        return Choice("jpeg", FoundLevel(None, "the file is not a JPEG but shows the blocks of one"))
    maybe = "; texture, or noise for --task denoise" if noise.level >= NOISY else ""
    return _nothing(f"no blocks of a JPEG, sigma {noise.level:g}{maybe}")


def _of_a_jpeg(photo: Photo, contrast: float) -> Choice:
    found = Jpeg().find_level(photo)
    assert found.level is not None
    strength = Jpeg().strength(found.level)
    if strength < 1 and contrast >= OTHERS:
        how = f"the file of quality {found.level:g} shows the blocks of an earlier JPEG"
        return Choice("jpeg", FoundLevel(None, how))
    if strength > 0:
        return Choice("jpeg", found)
    return _nothing(f"JPEG of quality {found.level:g}")


def is_drawing(pixels: Array) -> bool:
    """Whether 8-bit ``(H, W)`` or ``(H, W, 3)`` has too few colours for a photograph.

    In the middle 512 x 512 pixels: no more than 256 (fewer in small pictures), or one for 256 pixels; in gray, one
    that most pixels have.
    """
    if pixels.dtype != np.uint8:
        return False
    begin = [max(0, (side - CROP_SIDE) // 2) for side in pixels.shape[:2]]
    crop = as_gray(pixels[begin[0] : begin[0] + CROP_SIDE, begin[1] : begin[1] + CROP_SIDE])
    if crop.ndim == 2:
        return bool(np.bincount(crop.ravel(), minlength=256).max() > crop.size / 2)
    packed = crop.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    return len(np.unique(packed)) <= max(min(256, packed.size // 8), packed.size // 256)


def _nothing(seen: str) -> Choice:
    return Choice(None, FoundLevel(None, f"nothing to restore ({seen}), left as it is", 0.0))
