"""JPEG artifact removal (Table III)."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from magn_cli.errors import ImageError, UsageError
from magn_cli.runtime.lazy import LazyModule
from magn_cli.tasks.base import Claim, Need, PaperTable, Pixels, Projection, Sample, Task, as_rgb
from magn_cli.tasks.levels import FoundLevel, LevelScale
from magn_cli.tasks.options import Option, PairOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from magn_cli import images
    from magn_cli.analysis import findings, jpeg_blocks, jpeg_projection
else:
    np, images, Image = LazyModule("numpy"), LazyModule("magn_cli.images"), LazyModule("PIL.Image")
    findings, jpeg_blocks = LazyModule("magn_cli.analysis.findings"), LazyModule("magn_cli.analysis.jpeg_blocks")
    jpeg_projection = LazyModule("magn_cli.analysis.jpeg_projection")

SIDE = 8
"""Side of JPEG's blocks, in pixels."""

SUBSAMPLINGS = ("4:4:4", "4:2:2", "4:2:0")
DEFAULT_SUBSAMPLING = "4:2:0"
"""Default of Pillow and libjpeg, and the most common one in files."""

EARLIER = 1.2
"""Block contrast that compression at a quality above 95 does not cause. It shows an earlier compression."""

OTHER_CODECS = frozenset({"WEBP", "AVIF", "HEIF"})
"""Formats with blocks of their own, on which the networks were not trained."""

MAX_SIDE = 65_500
"""Longest side in pixels. libjpeg's limit is slightly below the 65,535 of the format."""


class Jpeg(Task):
    """Removes JPEG artifacts. The level is the quality, 5-95, as in Pillow and libjpeg.

    The option ``corner`` is the row and column, 0..7, where the 8x8 blocks begin in a picture that was cropped
    after compression. On crops of seven photographs, offset by 3 rows and 5 columns, it improves the result at
    quality 20 / 50 / 80 by 0.5 / 0.3 / 0.2 dB, and by 0.9 / 0.8 / 0.3 dB if the quality is unknown.
    """

    name: ClassVar[str] = "jpeg"
    title: ClassVar[str] = "JPEG artifact removal"
    summary: ClassVar[str] = "removes JPEG artifacts from photographs"
    scale: ClassVar[LevelScale | None] = LevelScale("quality", 5, 95, offset=1.0, factor=-0.01)
    whole_levels: ClassVar[bool] = True
    paper: ClassVar[PaperTable | None] = PaperTable(
        "III",
        ("Classic5", "LIVE1"),
        (10.0, 20.0, 30.0, 40.0),
        gray="luma",
        input_name="JPEG",
        ssim="ssim_uniform",
    )
    degrade_options: ClassVar[tuple[Option, ...]] = (
        Option(
            "subsampling", DEFAULT_SUBSAMPLING, "Chroma subsampling: 4:4:4, 4:2:2 or 4:2:0.", choices=SUBSAMPLINGS
        ),
    )
    pair_options: ClassVar[tuple[Option, ...]] = (
        Option(
            "subsampling",
            (*["4:2:0"] * 5, *["4:4:4"] * 4, "4:2:2"),
            "Chroma subsampling: drawn from this list, in which entries can repeat to be drawn more often.",
            choices=SUBSAMPLINGS,
        ),
        Option(
            "twice",
            0.0,
            "Share of pairs that are compressed twice, half of them on another 8x8 grid the first time.",
            low=0,
            high=1,
        ),
    )
    restore_options: ClassVar[tuple[Option, ...]] = (
        Option("corner", (0, 0), "Row and column, 0 to 7, at which the 8x8 blocks begin.", listed=False),
    )
    alignment: ClassVar[int] = SIDE
    suffix: ClassVar[str] = ".jpg"
    blocking: ClassVar[bool] = True
    joins_auto: ClassVar[bool] = True

    def degrade(self, clean: Pixels, level: float | None, rng: np.random.Generator, **options: Any) -> Pixels:
        """Compress and decode with libjpeg.

        Args:
            clean: ``(H, W)`` or ``(H, W, 3)``, 0..1.
            level: quality, rounded to a whole number.
            rng: ignored.
            options: ``subsampling``, one of ``SUBSAMPLINGS``, by default 4:2:0; ``before``, for an earlier
                compression: its quality, and by how many rows and columns its 8x8 grid was further up and left.

        Raises:
            UsageError: no level is given.
            ImageError: the picture is too large for JPEG.
        """
        if level is None:
            raise UsageError("jpeg needs a quality; give --level with a number from 5 to 95.")
        subsampling = options.get("subsampling", DEFAULT_SUBSAMPLING)
        if "before" in options:
            quality, rows, columns = options["before"]
            cut = [(rows, 0), (columns, 0), (0, 0)][: clean.ndim]
            clean = _compressed(np.pad(clean, cut, mode="edge"), quality, subsampling)[rows:, columns:]
        return _compressed(clean, level, subsampling)

    def degraded_file(
        self,
        clean: Pixels,
        level: float | None,
        rng: np.random.Generator,
        dtype: np.dtype[Any],
        **options: Any,
    ) -> bytes | images.Array:
        """Return the bytes of the JPEG file that :meth:`degrade` decodes."""
        if level is None:
            raise UsageError("jpeg needs a quality; give --level with a number from 5 to 95.")
        return encode(clean, level, options.get("subsampling", DEFAULT_SUBSAMPLING))

    def find_level(self, photo: images.Photo) -> FoundLevel:
        """Read the quality from the file's quantization tables.

        If the file is not a JPEG, the quality is unknown. If it also shows no 8x8 blocks, it never was a JPEG or
        was resized later, and its strength is 0.
        """
        nearest = findings.quality(photo)
        if nearest is None:
            return _unknown(photo)
        quality, exact = nearest
        how = "from the file's quantization tables" if exact else "nearest to the file's own quantization tables"
        return FoundLevel(float(quality), how)

    def strength(self, level: float) -> float:
        """Return 1 up to quality 95, falling linearly to 0 at 99.

        The networks were trained on qualities up to 95 and change better files too much: on a 400x400 crop of each
        example photo, the bundled weights at full strength lose up to 0.3 dB at 98 and 1.3 dB at 100.
        """
        return min(1.0, max(0.0, (99 - level) / 4))

    def claim(self, photo: images.Photo) -> Claim:
        """Claim JPEG files and other files that show JPEG blocks."""
        grid = findings.grid(photo)
        contrast = 1.0 if grid is None else grid.contrast
        if photo.quantization is None:
            if contrast >= jpeg_blocks.BLOCKS and photo.format not in OTHER_CODECS:
                return Claim(Need.PRESENT, FoundLevel(None, "the file is not a JPEG but shows the blocks of one"))
            return Claim(Need.NONE, FoundLevel(None, "no blocks of a JPEG"))
        found = self.find_level(photo)
        assert found.level is not None
        strength = self.strength(found.level)
        if strength < 1 and contrast >= EARLIER:
            how = f"the file of quality {found.level:g} shows the blocks of an earlier JPEG"
            return Claim(Need.PRESENT, FoundLevel(None, how))
        if strength > 0:
            return Claim(Need.PRESENT, found)
        return Claim(Need.NONE, FoundLevel(None, f"JPEG of quality {found.level:g}"))

    def photo_options(self, photo: images.Photo, **options: Any) -> dict[str, Any]:
        """Add the corner of the blocks if the picture shows blocks that are not from its own file."""
        options = super().photo_options(photo, **options)
        if photo.quantization is not None and not _is_fine(photo):
            return options
        grid = findings.stored_grid(photo)
        return (
            options if grid is None or grid.contrast < jpeg_blocks.BLOCKS else {"corner": grid.corner, **options}
        )

    def network_input(self, pixels: NDArray[Sample], **options: Any) -> NDArray[Sample]:
        """Return ``(H, W, 3)``, padded in front by reflection so that blocks start at multiples of 8."""
        rows, columns = self.margin(**options)
        if rows == columns == 0:
            return as_rgb(pixels)
        return np.pad(as_rgb(pixels), [(rows, 0), (columns, 0), (0, 0)], mode="symmetric")

    def margin(self, **options: Any) -> tuple[int, int]:
        """Return the number of rows and columns that are added in front."""
        row, column = options.get("corner", (0, 0))
        return -row % SIDE, -column % SIDE

    def turned(self, turn: Callable[[NDArray[Any]], NDArray[Any]], **options: Any) -> dict[str, Any]:
        """Return the corner of the blocks after a dihedral transform."""
        row, column = options.get("corner", (0, 0))
        ends = np.zeros((SIDE, SIDE), np.uint8)
        ends[row, column], ends[row - 1, column - 1] = 1, 2
        # The transform can swap the two ends of a block.
        first, last = (np.argwhere(turn(ends) == end)[0] for end in (1, 2))
        corner = np.where((first - 1) % SIDE == last, first, last)
        return {**options, "corner": tuple(int(n) for n in corner)}

    def projection(self, photo: images.Photo, level: float | None) -> Projection | None:
        """Return the projection onto the coefficients of a JPEG file.

        None where the network is to remove more than this file's own compression, as its coefficients hold the
        artifacts of an earlier one, too: where the level is below the file's quality, or unknown.
        """
        nearest = findings.quality(photo)
        if nearest is None or level is None or self.scale is None or level < self.scale.nearest(nearest[0]):
            return None
        return jpeg_projection.projection_for(photo)

    def training_options(self, rng: np.random.Generator, pairs: PairOptions) -> dict[str, Any]:
        """Draw the subsampling and the settings of an earlier compression, if any."""
        drawn: dict[str, Any] = {"subsampling": str(rng.choice(pairs.own["subsampling"]))}
        if rng.random() < pairs.own["twice"]:
            shift = tuple(int(n) for n in rng.integers(0, 8, 2)) if rng.random() < 0.5 else (0, 0)
            drawn["before"] = (self.training_level(rng, PairOptions()), *shift)
        return drawn


def _is_fine(photo: images.Photo) -> bool:
    """Return whether the quality of a JPEG file is so high that it hardly shows blocks of its own."""
    nearest = findings.quality(photo)
    assert Jpeg.scale is not None
    return nearest is not None and nearest[0] > Jpeg.scale.high


def _unknown(photo: images.Photo) -> FoundLevel:
    how, grid = "the file is not a JPEG", findings.grid(photo)
    if grid is None:
        return FoundLevel(None, how)
    strength = min(
        1.0, max(0.0, (grid.contrast - jpeg_blocks.NO_BLOCKS) / (jpeg_blocks.BLOCKS - jpeg_blocks.NO_BLOCKS))
    )
    if strength == 0:
        how += " and shows no blocks of one, so it is left as it is; --level unknown restores it all the same"
    elif strength < 1:
        how += f" and hardly shows blocks of one; {strength:.0%} of the change applied"
    else:
        how += " but shows the blocks of one"
    return FoundLevel(None, how, strength)


def encode(pixels: Pixels, quality: float, subsampling: str = DEFAULT_SUBSAMPLING) -> bytes:
    """Encode a picture as JPEG with Pillow.

    Args:
        pixels: ``(H, W)`` gray or ``(H, W, 3)`` RGB, 0..1; clipped and rounded to 8 bit.
        quality: rounded to a whole number.
        subsampling: chroma subsampling, one of ``SUBSAMPLINGS``; ignored for gray.

    Raises:
        ImageError: the picture is too large for JPEG.
    """
    height, width = pixels.shape[:2]
    if max(height, width) > MAX_SIDE:
        raise ImageError(
            f"the picture has {width:,} x {height:,} pixels, but JPEG allows at most {MAX_SIDE:,} a side; "
            "crop it first."
        )
    buffer = io.BytesIO()
    kind = {} if pixels.ndim == 2 else {"subsampling": subsampling}
    Image.fromarray(images.from_float(pixels, np.dtype(np.uint8))).save(
        buffer, "JPEG", quality=round(quality), **kind
    )
    return buffer.getvalue()


def _compressed(pixels: Pixels, quality: float, subsampling: str) -> Pixels:
    return images.to_float(np.asarray(Image.open(io.BytesIO(encode(pixels, quality, subsampling)))))
