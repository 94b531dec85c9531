"""Bayer mosaics: the degradation of Table IV."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from magn_cli.errors import ImageError, UsageError
from magn_cli.images import Photo
from magn_cli.tasks.base import FoundLevel, Pixels, Sample, Task

PATTERNS = ("grbg", "rggb", "gbrg", "bggr")
DEFAULT_PATTERN = "grbg"
"""The paper's: G at (0, 0), R at (0, 1), B at (1, 0); what networks are trained on."""

_SHIFTS = {"grbg": (0, 0), "rggb": (0, 1), "bggr": (1, 0), "gbrg": (1, 1)}
"""Rows and columns by which a pattern has to be moved to become GRBG."""


class Demosaic(Task):
    """Find the two colours that a Bayer sensor did not sample at each position; no level.

    Option ``pattern``: one of ``PATTERNS``, named by the colours of the first two rows.
    """

    name: ClassVar[str] = "demosaic"
    alignment: ClassVar[int] = 2
    gray_share: ClassVar[float] = 0.05
    bf16: ClassVar[bool] = False
    """It takes 0.02 dB on McMaster18 (38.27 in place of 38.29): hardly any error is left for it to hide in."""

    mosaics: ClassVar[bool] = True
    options: ClassVar[frozenset[str]] = frozenset({"pattern"})

    def degrade(self, clean: Pixels, level: float | None, rng: np.random.Generator, **options: Any) -> Pixels:
        """Sample ``(H, W, 3)``: to ``(H, W, 3)`` with zeros where a colour was not sampled, or with the
        option ``channels=1`` to a CFA picture ``(H, W)``. Gray is sampled as three equal channels."""
        rgb = np.repeat(clean[..., None], 3, axis=-1) if clean.ndim == 2 else clean
        mosaic = rgb * _sampled(rgb.shape[:2], options.get("pattern", DEFAULT_PATTERN))
        return mosaic.sum(axis=-1) if options.get("channels", 3) == 1 else mosaic

    def find_level(self, photo: Photo) -> FoundLevel:
        """There is no level to be found."""
        return FoundLevel(None, "no level needed")

    def photo_options(self, photo: Photo, **options: Any) -> dict[str, Any]:
        """Return the pattern that the file of a mosaic tells, if it does, in place of the default.

        Raises :class:`ImageError` where another one is given: levels and white balance went by the file's.
        """
        if photo.mosaic is None:
            return options
        stated, given = photo.mosaic.pattern, options.get("pattern", photo.mosaic.pattern)
        if given != stated:
            raise ImageError(f"the file says that its pattern is {stated}, not {given}; leave --pattern away.")
        return {**options, "pattern": stated}

    def network_input(self, pixels: NDArray[Sample], **options: Any) -> NDArray[Sample]:
        """Return the mosaic as three channels in GRBG, from a CFA ``(H, W)`` or a mosaic ``(H, W, 3)``.

        Another pattern is moved to GRBG by reflecting a row or column in front of it. Raises
        :class:`ImageError` where a picture of three channels is no mosaic of that pattern.
        """
        pattern = options.get("pattern", DEFAULT_PATTERN)
        sampled = _sampled(pixels.shape[:2], pattern)
        if pixels.ndim == 2:
            pixels = pixels[..., None] * sampled
        elif np.abs(pixels * ~sampled).mean() > 0.02 * np.abs(pixels).mean():
            raise ImageError(
                f"the picture is no {pattern.upper()} mosaic, it has colours where none was sampled; "
                "give a one-channel CFA picture, or another --pattern."
            )
        rows, columns = self.margin(**options)
        moved = np.pad(pixels, [(rows, 0), (columns, 0), (0, 0)], mode="reflect")
        # A single row or column has nothing to be reflected but itself, in the wrong colour.
        return moved * _sampled(moved.shape[:2], DEFAULT_PATTERN)

    def margin(self, **options: Any) -> tuple[int, int]:
        """Return by how much the pattern is moved to become GRBG."""
        return _SHIFTS[options.get("pattern", DEFAULT_PATTERN)]

    def turned(self, turn: Callable[[NDArray[Any]], NDArray[Any]], **options: Any) -> dict[str, Any]:
        """Return the pattern that a mosaic has once it is turned."""
        colours = np.array(list(options.get("pattern", DEFAULT_PATTERN))).reshape(2, 2)
        return {**options, "pattern": "".join(turn(colours).flatten())}

    def network_output(self, restored: Pixels, gray: bool) -> Pixels:
        """Return ``(H, W, 3)``, also for a CFA picture."""
        return restored


def check_pattern(pattern: str) -> str:
    """Return ``pattern``, or raise :class:`UsageError` where it is none of ``PATTERNS``."""
    if pattern not in PATTERNS:
        raise UsageError(f"there is no Bayer pattern {pattern!r}; use one of {', '.join(PATTERNS)}.")
    return pattern


def _sampled(size: tuple[int, ...], pattern: str) -> np.ndarray:
    """Which colour is sampled where: ``(H, W, 3)`` of bool."""
    colours = np.array(["rgb".index(c) for c in check_pattern(pattern)]).reshape(2, 2)
    height, width = size
    tiled = np.tile(colours, (-(-height // 2), -(-width // 2)))[:height, :width]
    return np.asarray(tiled[..., None] == np.arange(3))
