"""What an inspection finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from magn_cli.analysis.grain import Grain
from magn_cli.files import Access
from magn_cli.images import ExifSummary, Kept
from magn_cli.inference.forecast import Forecast
from magn_cli.tasks import Claim, FoundLevel


@dataclass(frozen=True)
class BrokenFile:
    """A file that cannot be read."""

    path: Path
    error: str
    """One sentence with the name of the file: what is wrong, and what to do."""

    detail: str | None = None
    """What the decoder says, in its own words."""

    format: str | None = None
    """By its first bytes; None for no picture."""

    bytes: int | None = None
    size: tuple[int, int] | None = None
    """Width and height that its header states."""

    kind: Literal["broken", "missing", "unusable"] = "broken"
    """``unusable``: what is in it does not matter, such as a file or folder that is closed to the user."""


@dataclass(frozen=True)
class JpegFacts:
    """How a JPEG file was compressed."""

    quality: int
    """Of libjpeg, 1..100."""

    is_exact: bool
    """Whether the file's tables are those of that quality; else the nearest."""

    subsampling: str
    """As ``4:2:0``; ``4:0:0`` for gray."""


@dataclass(frozen=True)
class Blocks:
    """JPEG's 8x8 blocks, as they show in the picture."""

    contrast: float
    """1 and less: none, see :class:`magn_cli.analysis.jpeg_blocks.Grid`."""

    corner: tuple[int, int]
    """Row and column, 0..7, where they begin."""

    shown: str
    """``no``, ``hardly`` or ``yes``."""


@dataclass(frozen=True)
class Noise:
    """The noise in a picture."""

    sigma: float
    """In units of 255, as ``--task auto`` estimates it."""

    grain: Grain | None
    """White or coarse, and by brightness; None if there is too little noise or picture to tell."""

    def by_brightness(self) -> list[tuple[float, float, float, float | None]]:
        """Return each range of brightness: its limits (luma, 0..1), its share of the picture, and its sigma."""
        ranges = () if self.grain is None else self.grain.ranges
        return [
            (one.low, one.high, one.share, None if one.relative is None else self.sigma * one.relative)
            for one in ranges
        ]


@dataclass(frozen=True)
class Raw:
    """What a file says of its sensor."""

    pattern: str
    """Colours of the first two rows, as stored: ``rggb``."""

    blacks: tuple[float, ...] | None
    """Black levels of the four places of the pattern; None for samples that are a photograph's already."""

    white: float | None
    """Sample at which the sensor saturates."""


@dataclass(frozen=True)
class Plan:
    """What ``magn restore`` does with a photo by default."""

    task: str | None
    """None: the photo is left as it is."""

    level: FoundLevel
    """As it is used, with its reason."""

    words: str
    """Level and reason in words."""

    claims: Mapping[str, Claim]
    """What each task says of the photo."""

    forecast: Forecast | None
    """None where nothing is computed, or :attr:`no_forecast` says why."""

    no_forecast: str | None = None


@dataclass(frozen=True)
class Inspection:
    """What is seen in a photo, and what would be done."""

    path: Path
    bytes: int
    format: str
    size: tuple[int, int]
    """Width and height, the right way up."""

    bits: int
    """Of a sample, as read: 8, 16, or 32 for floats."""

    colours: str
    """``gray``, ``RGB`` or ``Bayer mosaic``."""

    orientation: int
    """As stored, 1..8, by EXIF or XMP; the picture is turned by it."""

    profile: str | None
    """Name of the colour profile; empty if it has none, None without a profile."""

    metadata: tuple[str, ...]
    """What there is beside the colours, see :func:`magn_cli.images.parts`."""

    exif: ExifSummary | None
    kept: Mapping[str, Kept | str]
    """By output format: what is kept, or why it cannot be written."""

    jpeg: JpegFacts | None
    blocks: Blocks | None
    """None for mosaics and for pictures below 64 pixels."""

    noise: Noise | None
    """None for mosaics."""

    raw: Raw | None
    plan: Plan
    remarks: tuple[str, ...]
    """Warnings of reading: what is damaged or left out."""

    access: Access | None = None
    """Who may read the file, and so a report of what is in it."""

    @property
    def megapixels(self) -> float:
        """Millions of pixels."""
        return self.size[0] * self.size[1] / 1e6
