"""A JPEG file's coefficients as a promise: a restored picture is moved to the nearest that compresses to them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from magn_cli import images
from magn_cli.errors import ImageError
from magn_cli.images import JpegCoefficients, Photo

DAMAGED = (
    "the picture is damaged: bytes are missing or wrong within its picture data; get an intact copy of it, or "
    "save it as PNG to restore it as it is."
)

log = logging.getLogger(__name__)

Float = NDArray[np.float32]

SIDE = 8

ROUNDS = 6
"""Tries to find 8-bit pixels that compress to the file's coefficients."""

NEAR = 0.2
"""How near to the end of an interval a coefficient may be: libjpeg's integer DCT is not exact."""

MARGIN = 0.6
"""How far inside an interval a coefficient is moved once 8-bit pixels have missed it, at most."""

TOLERANCE, ALIKE = 8, 0.8
"""By how much the mean of a block may differ from its pixels', which are clipped, in what share of all blocks."""

STRIP = 1 << 18
"""Pixels that are worked on at once."""

HIDDEN_ROUNDS = 8
"""Tries to continue a picture whose border cuts blocks."""

_DCT = np.array(
    [
        [np.sqrt((1 if u == 0 else 2) / 8) * np.cos((2 * x + 1) * u * np.pi / 16) for x in range(8)]
        for u in range(8)
    ],
    np.float32,
)
_FROM_RGB = np.array(
    [
        [0.299, 0.587, 0.114],
        [-0.168735892, -0.331264108, 0.5],
        [0.5, -0.418687589, -0.081312411],
    ],
    np.float32,
)
_TO_RGB = np.array([[1, 0, 1.402], [1, -0.344136286, -0.714136286], [1, 1.772, 0]], np.float32)
"""JFIF 1.02: luma 0..255, chroma around 0."""
_ENCODED = np.array([[19595, 38470, 7471], [-11059, -21709, 32768], [32768, -27439, -5329]], np.float32)
"""What libjpeg takes for the same, times 65536; exact in float32."""
_HALVES = np.array([32768, 32767, 32767], np.float32)


def projection_for(photo: Photo) -> JpegProjection | None:
    """Return the projection for a photo; None where it is no JPEG file, or one whose coefficients cannot be used.

    That is so for CMYK, RGB and arithmetic-coded files. Raises :class:`ImageError` where the coefficients show
    damage that the decoder of its pixels overlooked.
    """
    if photo.coded is None:
        return None
    try:
        coefficients = images.read_coefficients(photo.coded)
    except images.OverrunError as error:
        raise ImageError(DAMAGED) from error
    except Exception as error:
        log.info("the coefficients of the file cannot be read (%s); the result is not compared with them.", error)
        return None
    pixels = images.as_stored(photo.pixels, photo.turned)
    if coefficients is None or not _agrees(coefficients, pixels):
        log.info("the coefficients of the file are not those of its pixels; the result is not compared with them.")
        return None
    return JpegProjection(coefficients)


def _agrees(coefficients: JpegCoefficients, pixels: NDArray[Any]) -> bool:
    """Whether the means of nearly all blocks are those of the decoded picture, which may be clipped."""
    if coefficients.size != pixels.shape[:2] or coefficients.is_gray != (pixels.ndim == 2):
        return False
    rows, columns = (side // SIDE for side in pixels.shape[:2])
    stored = coefficients.planes[0][:rows, :columns, 0, 0] * (coefficients.tables[0][0, 0] / 8) + 128
    cut = pixels[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE, -1)
    means = cut.mean(axis=(1, 3), dtype=np.float32)
    found = means[..., 0] if coefficients.is_gray else means @ _FROM_RGB[0]
    return stored.size == 0 or float(np.mean(np.abs(found - stored.clip(0, 255)) < TOLERANCE)) > ALIKE


class JpegProjection:
    """Projects restored pictures onto the set of those that a JPEG file may have come from.

    Each DCT coefficient of the picture is moved into the interval of all values that the file's table rounds to
    the coefficient in the file. The original lies in that set, which is convex, so moving to its nearest point
    brings every picture nearer to the original, in the file's colours (gray, or YCbCr at 4:4:4). Where a file has
    fewer samples of chroma, only luma is projected: what becomes of chroma depends on the encoder's filter.
    """

    rows = SIDE

    def __init__(self, coefficients: JpegCoefficients) -> None:
        self.coefficients = coefficients

    def nearest(self, values: NDArray[Any], first_row: int = 0) -> Float:
        """Return the nearest picture of the set, in floats: exact but for the last bits.

        Args:
            values: ``(H, W)`` or ``(H, W, 3)``, 0..1; whole rows of blocks of the picture as the file stores it.
            first_row: where they begin, a multiple of 8.

        Returns:
            The same shape, not clipped.

        Example:
            >>> import io
            >>> import numpy as np
            >>> from PIL import Image
            >>> from magn_cli.images import read_coefficients
            >>> file = io.BytesIO()
            >>> Image.new("L", (16, 8), 100).save(file, "JPEG", quality=10)
            >>> projection = JpegProjection(read_coefficients(file.getvalue()))
            >>> projection.nearest(np.full((8, 16), 0.7))[0, 0].round(3)
            np.float32(0.404)
        """
        return np.concatenate([s.joined(s.projected()) / np.float32(255) for s in self._strips(values, first_row)])

    def rounded(self, values: NDArray[Any], first_row: int = 0) -> NDArray[np.uint8]:
        """Return 8-bit pixels that libjpeg compresses to the file's coefficients wherever such are found.

        Arguments as of :meth:`nearest`. Rounding pixels moves a coefficient by up to about 1, so some are missed
        where a table's steps are below about 4. Blocks that the border cuts are rounded only.
        """
        return np.concatenate(
            [s.joined(s.settled(s.projected())).astype(np.uint8) for s in self._strips(values, first_row)]
        )

    def _strips(self, values: NDArray[Any], first_row: int) -> Iterator[_Strip]:
        rows = max(STRIP // values.shape[1] // SIDE, 1) * SIDE
        for start in range(0, len(values), rows):
            yield _Strip(self.coefficients, values[start : start + rows], first_row + start)


class _Strip:
    """Some rows of blocks. Pixels are ``(blocks, 8, 8)`` or ``(blocks, 8, 8, 3)``, 0..255."""

    def __init__(self, coefficients: JpegCoefficients, values: NDArray[Any], first_row: int) -> None:
        self.size = height, width = values.shape[0], values.shape[1]
        rows, columns = -(-height // SIDE), -(-width // SIDE)
        self.grid = rows, columns
        missing = [(0, rows * SIDE - height), (0, columns * SIDE - width), (0, 0)][: values.ndim]
        padded = np.pad(values.astype(np.float32) * np.float32(255), missing, mode="edge")
        cut = padded.reshape(rows, SIDE, columns, SIDE, *values.shape[2:]).swapaxes(1, 2)
        self.pixels: Float = np.ascontiguousarray(cut).reshape(rows * columns, SIDE, SIDE, *values.shape[2:])
        top = first_row // SIDE
        self.stored = [
            plane[top : top + rows, :columns].reshape(-1, SIDE, SIDE).astype(np.float32)
            for plane in coefficients.planes
        ]
        self.tables = [table.astype(np.float32) for table in coefficients.tables]
        inside = np.zeros((rows * SIDE, columns * SIDE), bool)
        inside[:height, :width] = True
        self.inside = inside.reshape(rows, SIDE, columns, SIDE).swapaxes(1, 2).reshape(-1, SIDE, SIDE)
        self.is_whole = self.inside.all(axis=(1, 2))

    def joined(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Lay blocks side by side and cut off what the picture does not show."""
        rows, columns = self.grid
        whole = pixels.reshape(rows, columns, SIDE, SIDE, *pixels.shape[3:]).swapaxes(1, 2)
        flat = whole.reshape(rows * SIDE, columns * SIDE, *pixels.shape[3:])
        return flat[: self.size[0], : self.size[1]]

    def projected(self) -> Float:
        """Return the pixels after every coefficient was moved into its interval."""
        planes = self._planes(self.pixels)
        moves = []
        for plane, stored, table in zip(planes, self.stored, self.tables, strict=True):
            given = plane.copy()
            cut = ~self.is_whole
            if cut.any():
                # What lies beyond the border is free: it is what makes the visible part move least.
                shown, some = self.inside[cut], given[cut]
                beyond = _inverse(stored[cut] * table)
                for _ in range(HIDDEN_ROUNDS):
                    some = np.where(shown, some, beyond)
                    beyond = some + _inverse(_outside(_forward(some), stored[cut], table, 0))
                given[cut] = some
            moves.append(_inverse(_outside(_forward(given), stored, table, 0)))
        return self.pixels + self._in_rgb(moves)

    def settled(self, wanted: Float) -> Float:
        """Return whole numbers 0..255 near ``wanted`` that compress to the stored coefficients where possible."""
        wanted = wanted.copy()
        pixels = np.rint(wanted.clip(0, 255))
        which = np.flatnonzero(self.is_whole)
        for _ in range(ROUNDS):
            moves, missed = [], np.zeros(len(which), bool)
            for plane, stored, table in zip(self._encoded(pixels[which]), self.stored, self.tables, strict=True):
                found = _forward(plane)
                some = stored[which]
                missed |= (np.abs(found - some * table) >= table / 2 - np.minimum(NEAR, table / 8)).any(
                    axis=(1, 2)
                )
                moves.append((found, some, table))
            if not missed.any():
                break
            which = which[missed]
            wanted[which] += self._in_rgb(
                [_inverse(_outside(found[missed], some[missed], table, MARGIN)) for found, some, table in moves]
            )
            pixels[which] = np.rint(wanted[which].clip(0, 255))
        return pixels

    def _planes(self, pixels: Float) -> list[Float]:
        if pixels.ndim == 3:
            return [pixels - np.float32(128)]
        planes = pixels @ _FROM_RGB[: len(self.stored)].T
        planes[..., 0] -= np.float32(128)
        return [planes[..., i] for i in range(len(self.stored))]

    def _encoded(self, pixels: Float) -> list[Float]:
        """Return planes of whole numbers, as libjpeg makes them of 8-bit pixels."""
        if pixels.ndim == 3:
            return self._planes(pixels)
        count = len(self.stored)
        planes = np.floor((pixels @ _ENCODED[:count].T + _HALVES[:count]) / 65536)
        planes[..., 0] -= np.float32(128)
        return [planes[..., i] for i in range(count)]

    def _in_rgb(self, moves: list[Float]) -> Float:
        if self.pixels.ndim == 3:
            return moves[0]
        if len(moves) == 1:
            return moves[0][..., None]
        return np.stack(moves, axis=-1) @ _TO_RGB.T


def _outside(found: Float, stored: Float, table: Float, margin: float) -> Float:
    """Return what takes coefficients into their intervals, ``margin`` further inside where these allow it."""
    half = table / 2
    half = half - np.minimum(np.float32(margin), half / 2)
    middle = stored * table
    return np.clip(found, middle - half, middle + half) - found


def _forward(pixels: Float) -> Float:
    return np.asarray(_DCT @ pixels @ _DCT.T, np.float32)


def _inverse(coefficients: Float) -> Float:
    return np.asarray(_DCT.T @ coefficients @ _DCT, np.float32)
