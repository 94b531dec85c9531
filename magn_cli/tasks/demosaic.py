"""Demosaicing: restores colour pictures from Bayer mosaics (Table IV)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from magn_cli.errors import ImageError, any_of
from magn_cli.runtime.lazy import LazyModule
from magn_cli.tasks.base import Baseline, Claim, Need, PaperTable, Pixels, Sample, Task
from magn_cli.tasks.levels import FoundLevel
from magn_cli.tasks.neighbours import lowest_and_highest
from magn_cli.tasks.options import Option

if TYPE_CHECKING:
    import cv2
    import numpy as np
    from numpy.typing import NDArray

    from magn_cli import images
else:
    cv2, np, images = LazyModule("cv2"), LazyModule("numpy"), LazyModule("magn_cli.images")

PATTERNS = ("grbg", "rggb", "gbrg", "bggr")
DEFAULT_PATTERN = "grbg"
"""The paper's pattern, which networks are trained on: G at (0, 0), R at (0, 1), B at (1, 0)."""

_WORDS = any_of(PATTERNS)
_SHIFTS = {"grbg": (0, 0), "rggb": (0, 1), "bggr": (1, 0), "gbrg": (1, 1)}
"""Rows and columns by which to shift a pattern so that it becomes GRBG."""


def _debayer(code: str) -> Baseline:
    def run(mosaic: Pixels, level: float | None) -> Pixels:
        # Each pixel has zeros in the two channels that were not sampled.
        cfa = images.from_float(mosaic.sum(-1), np.uint8)
        return images.to_float(cv2.cvtColor(cfa, getattr(cv2, code)))

    return run


class Demosaic(Task):
    """Estimates the two colours that a Bayer sensor did not sample at each pixel. It has no level.

    The option ``pattern`` is one of ``PATTERNS``, named after the colours of the first two rows.
    """

    name: ClassVar[str] = "demosaic"
    title: ClassVar[str] = "Demosaicing"
    summary: ClassVar[str] = "turns Bayer mosaics into colour photographs"
    paper: ClassVar[PaperTable | None] = PaperTable(
        "IV", ("McMaster18", "Kodak24", "Urban100"), input_name="Mosaic"
    )
    degrade_options: ClassVar[tuple[Option, ...]] = (
        Option("pattern", DEFAULT_PATTERN, f"Bayer pattern: {_WORDS}.", choices=PATTERNS),
        Option("channels", 3, "3, with zeros where nothing was sampled, or 1 (a CFA picture).", choices=(1, 3)),
    )
    restore_options: ClassVar[tuple[Option, ...]] = (
        Option(
            "pattern",
            None,
            f"Bayer pattern: {_WORDS}; from the file if it says, else {DEFAULT_PATTERN}.",
            choices=PATTERNS,
        ),
    )
    alignment: ClassVar[int] = 2
    keeps_bayer_phase: ClassVar[bool] = True
    mosaics: ClassVar[bool] = True
    blends: ClassVar[bool] = False
    needs_colour: ClassVar[bool] = True
    # Both are for the paper's GRBG: OpenCV names patterns after the second row and column.
    baselines: ClassVar[Mapping[str, Baseline]] = {
        "bilinear": _debayer("COLOR_BayerGB2RGB"),
        "edge-aware": _debayer("COLOR_BayerGB2RGB_EA"),
    }
    joins_auto: ClassVar[bool] = True
    gray_share: ClassVar[float] = 0.05
    bf16: ClassVar[bool] = False
    """bf16 costs 0.02 dB on McMaster18 (38.27 instead of 38.29), because the remaining error is so small."""

    def degrade(self, clean: Pixels, level: float | None, rng: np.random.Generator, **options: Any) -> Pixels:
        """Sample one colour at each pixel.

        Args:
            clean: ``(H, W, 3)``, or gray ``(H, W)``, which is sampled as three equal channels.
            level: ignored.
            rng: ignored.
            options: ``pattern``, one of ``PATTERNS``; ``channels``, 1 or 3.

        Returns:
            ``(H, W, 3)`` with zeros for colours that were not sampled, or a CFA picture ``(H, W)`` with
            ``channels=1``.
        """
        rgb = np.repeat(clean[..., None], 3, axis=-1) if clean.ndim == 2 else clean
        mosaic = rgb * _sampled(rgb.shape[:2], options.get("pattern", DEFAULT_PATTERN))
        return mosaic.sum(axis=-1) if options.get("channels", 3) == 1 else mosaic

    def find_level(self, photo: images.Photo) -> FoundLevel:
        """Return no level."""
        return FoundLevel(None, "no level needed")

    def claim(self, photo: images.Photo) -> Claim:
        """Claim every mosaic."""
        return Claim(Need.PRESENT, self.find_level(photo))

    def photo_options(self, photo: images.Photo, **options: Any) -> dict[str, Any]:
        """Add the pattern from the file of a mosaic.

        Raises:
            ImageError: the given pattern contradicts the file. Levels and white balance were applied with the
            file's.
        """
        if photo.mosaic is None:
            return options
        stated, given = photo.mosaic.pattern, options.get("pattern", photo.mosaic.pattern)
        if given != stated:
            raise ImageError(f"the Bayer pattern in the file is {stated}, not {given}; omit --pattern.")
        return {**options, "pattern": stated}

    def network_input(self, pixels: NDArray[Sample], **options: Any) -> NDArray[Sample]:
        """Return the mosaic as three channels in GRBG, from a CFA picture ``(H, W)`` or a mosaic ``(H, W, 3)``.

        Other patterns are shifted to GRBG by a reflected row or column in front.

        Raises:
            ImageError: a picture with three channels is not a mosaic of that pattern.
        """
        pattern = options.get("pattern", DEFAULT_PATTERN)
        sampled = _sampled(pixels.shape[:2], pattern)
        if pixels.ndim == 2:
            pixels = pixels[..., None] * sampled
        elif np.abs(pixels * ~sampled).mean() > 0.02 * np.abs(pixels).mean():
            raise ImageError(
                f"the picture is not a {pattern.upper()} mosaic, as it has colours where none was sampled; "
                "give a one-channel CFA picture, or another --pattern."
            )
        rows, columns = self.margin(**options)
        moved = np.pad(pixels, [(rows, 0), (columns, 0), (0, 0)], mode="reflect")
        # A single row or column can only be reflected onto itself, in the wrong colour.
        return moved * _sampled(moved.shape[:2], DEFAULT_PATTERN)

    def run_baseline(self, baseline: Baseline, degraded: Pixels, level: float | None, **options: Any) -> Pixels:
        """Run a baseline on the network's input: three channels in GRBG."""
        above, beside = self.margin(**options)
        return baseline(self.network_input(degraded, **options), level)[above:, beside:]

    def margin(self, **options: Any) -> tuple[int, int]:
        """Return the rows and columns by which the pattern is shifted to become GRBG."""
        return _SHIFTS[options.get("pattern", DEFAULT_PATTERN)]

    def turned(self, turn: Callable[[NDArray[Any]], NDArray[Any]], **options: Any) -> dict[str, Any]:
        """Return the pattern of a mosaic after a dihedral transform."""
        colours = np.array(list(options.get("pattern", DEFAULT_PATTERN))).reshape(2, 2)
        return {**options, "pattern": "".join(turn(colours).flatten())}

    def bounded(self, restored: Pixels, network_input: NDArray[Sample], start: int, level: float | None) -> Pixels:
        """Return rows that stay near the samples within two pixels: at most half their span below and above them.

        Where all of these are the same, as in a blown-out sky, the missing colours are the same too. On McMaster18
        and Kodak24, natural pictures lose nothing.
        """
        lowest, highest = lowest_and_highest(network_input, start, len(restored), joint=True)
        slack = (highest - lowest) / 2
        return np.clip(restored, lowest - slack, highest + slack)

    def network_output(self, restored: Pixels, gray: bool) -> Pixels:
        """Return ``(H, W, 3)``, also for CFA pictures."""
        return restored


def _sampled(size: tuple[int, ...], pattern: str) -> np.ndarray:
    """Return which colour is sampled at each pixel: ``(H, W, 3)`` of bool."""
    colours = np.array(["rgb".index(c) for c in pattern]).reshape(2, 2)
    height, width = size
    tiled = np.tile(colours, (-(-height // 2), -(-width // 2)))[:height, :width]
    return np.asarray(tiled[..., None] == np.arange(3))
