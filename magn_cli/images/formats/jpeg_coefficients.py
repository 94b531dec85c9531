"""Read the DCT coefficients that a JPEG file stores, without loss.

Pixels do not give them, as they are rounded and clipped. Follows ITU-T T.81, sequential and progressive Huffman
coding (sections F.2 and G.2).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from magn_cli.images.formats.jpeg_scan import BitStream, HuffmanTable, OverrunError

__all__ = ["JpegCoefficients", "OverrunError", "read_coefficients"]

Blocks = NDArray[np.int16]
"""``(rows, columns, 64)`` blocks of one component, coefficients in zigzag order."""

ZIGZAG = np.array(
    sorted(
        range(64),
        key=lambda n: (sum(divmod(n, 8)), n // 8 if sum(divmod(n, 8)) % 2 else n % 8),
    )
)
"""Natural place (row * 8 + column) of each coefficient in the order of the file."""

_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")
_RESTART = re.compile(rb"\xff+[\xd0-\xd7]")
_HUFFMAN_FRAMES = {0xC0: False, 0xC1: False, 0xC2: True}
"""Frames that are read: whether they are progressive."""


@dataclass(frozen=True, eq=False)
class JpegCoefficients:
    """What a JPEG file says of its picture, as stored (an EXIF orientation changes nothing here)."""

    planes: tuple[NDArray[np.int16], ...]
    """Of gray or luma, and of both chroma planes where they have the size of luma: the quantized coefficients of
    all blocks, ``(rows, columns, 8, 8)``, natural order (row = vertical frequency)."""

    tables: tuple[NDArray[np.int32], ...]
    """The quantization table of each plane, ``(8, 8)``, natural order."""

    size: tuple[int, int]
    """Height and width of the picture."""

    is_gray: bool


@dataclass(eq=False)
class _Component:
    number: int
    across: int
    down: int
    table: int
    shape: tuple[int, int] = (0, 0)
    """Rows and columns of blocks that it has, without those that only fill its last interleaved units."""

    blocks: Blocks | None = None
    """Filled up to whole units; None: nobody wants them."""

    stored: tuple[int, int] = (0, 0)


def read_coefficients(data: bytes) -> JpegCoefficients | None:
    """Read the coefficients in the bytes of a JPEG file.

    None for files whose pixels are not gray or YCbCr of 8 bits, and for the arithmetic-coded, which hardly exist.
    Raises ``ValueError``, ``IndexError`` or ``KeyError`` where the file is damaged; :class:`OverrunError`, a
    ``ValueError``, where its pixels are decoded nevertheless, but wrong.

    Example:
        >>> import io
        >>> from PIL import Image
        >>> file = io.BytesIO()
        >>> Image.new("L", (20, 12), 144).save(file, "JPEG", quality=50)
        >>> coefficients = read_coefficients(file.getvalue())
        >>> coefficients.planes[0].shape, coefficients.tables[0][0, 0], coefficients.planes[0][0, 0, 0, 0]
        ((2, 3, 8, 8), np.int32(16), np.int16(8))
    """
    reader = _Reader(data)
    reader.read()
    if not reader.components or not reader.is_supported():
        return None
    planes, tables = [], []
    for component in reader.components:
        if component.blocks is not None:
            planes.append(_plane(component))
            tables.append(reader.tables[component.table])
            component.blocks = None
    return JpegCoefficients(tuple(planes), tuple(tables), reader.size, len(reader.components) == 1)


def _plane(component: _Component) -> NDArray[np.int16]:
    assert component.blocks is not None
    rows, columns = component.shape
    return component.blocks[:rows, :columns, np.argsort(ZIGZAG)].reshape(rows, columns, 8, 8)


class _Reader:
    """Goes through the segments of a file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.tables: dict[int, NDArray[np.int32]] = {}
        self.huffman: dict[tuple[int, int], HuffmanTable] = {}
        self.components: list[_Component] = []
        self.size = (0, 0)
        self.interval = 0
        self.is_progressive = self.has_jfif = False
        self.adobe: int | None = None
        self.is_refused = False

    def is_supported(self) -> bool:
        """Whether the picture is gray or YCbCr, as libjpeg decides it."""
        if self.is_refused:
            return False
        if len(self.components) == 1:
            return True
        if len(self.components) != 3:
            return False
        if self.has_jfif:
            return True
        if self.adobe is not None:
            return self.adobe == 1
        return bytes(c.number for c in self.components) != b"RGB"

    def read(self) -> None:
        data, offset = self.data, 2
        while True:
            found = _MARKER.search(data, offset)
            if found is None:
                return
            marker, offset = found[1][0], found.end()
            if marker == 0xD9:
                return
            if marker in (0x01, 0xD8):
                continue
            end = offset + int.from_bytes(data[offset : offset + 2], "big")
            segment, offset = data[offset + 2 : end], end
            if marker == 0xDB:
                self._quantization(segment)
            elif marker == 0xC4:
                self._huffman(segment)
            elif marker == 0xDD:
                self.interval = int.from_bytes(segment[:2], "big")
            elif marker == 0xE0 and segment.startswith(b"JFIF\0"):
                self.has_jfif = True
            elif marker == 0xEE and segment.startswith(b"Adobe") and len(segment) >= 12:
                self.adobe = segment[11]
            elif marker in _HUFFMAN_FRAMES:
                self.is_progressive = _HUFFMAN_FRAMES[marker]
                self._frame(segment)
            elif 0xC0 <= marker <= 0xCF:
                self.is_refused = True
            elif marker == 0xDA:
                if not self.components or not self.is_supported():
                    return
                following = _MARKER.search(data, offset)
                end = len(data) if following is None else following.start()
                self._scan(segment, data[offset:end])
                offset = end

    def _quantization(self, segment: bytes) -> None:
        offset = 0
        while offset < len(segment):
            wide, number = segment[offset] >> 4, segment[offset] & 15
            values = np.frombuffer(segment, ">u2" if wide else "u1", 64, offset + 1)
            table = np.zeros(64, np.int32)
            table[ZIGZAG] = values
            self.tables[number] = table.reshape(8, 8)
            offset += 1 + values.nbytes

    def _huffman(self, segment: bytes) -> None:
        offset = 0
        while offset < len(segment):
            key = segment[offset] >> 4, segment[offset] & 15
            counts = segment[offset + 1 : offset + 17]
            symbols = segment[offset + 17 : offset + 17 + sum(counts)]
            self.huffman[key] = HuffmanTable(counts, symbols)
            offset += 17 + len(symbols)

    def _frame(self, segment: bytes) -> None:
        if segment[0] != 8:
            self.is_refused = True
            return
        height, width = int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big")
        self.size = height, width
        self.components = [
            _Component(number, factors >> 4, factors & 15, table)
            for number, factors, table in (segment[i : i + 3] for i in range(6, 6 + 3 * segment[5], 3))
        ]
        # Some files tell the height only after the picture.
        if not height or not width or not all(c.across and c.down for c in self.components):
            self.is_refused = True
            return
        most = max(c.across for c in self.components), max(c.down for c in self.components)
        self.units = -(-height // (8 * most[1])), -(-width // (8 * most[0]))
        first = self.components[0]
        if (first.across, first.down) != most:
            self.is_refused = True
            return
        for c in self.components:
            c.shape = -(-height * c.down // (8 * most[1])), -(-width * c.across // (8 * most[0]))
            c.stored = self.units[0] * c.down, self.units[1] * c.across
            same = all((o.across, o.down) == most for o in self.components)
            if self.is_supported() and (c is first or same):
                c.blocks = np.zeros((*c.stored, 64), np.int16)

    def _scan(self, segment: bytes, coded: bytes) -> None:
        count = segment[0]
        chosen = [(segment[1 + 2 * i], segment[2 + 2 * i]) for i in range(count)]
        first, last, shifts = segment[1 + 2 * count : 4 + 2 * count]
        by_number = {c.number: c for c in self.components}
        parts = [(by_number[number], tables >> 4, tables & 15) for number, tables in chosen]
        if all(c.blocks is None for c, *_ in parts):
            return
        pieces = [piece.replace(b"\xff\x00", b"\xff") for piece in _RESTART.split(coded)]
        stream = BitStream(pieces)
        if not self.is_progressive:
            first, last, shifts = 0, 63, 0
        high, low = shifts >> 4, shifts & 15
        units = _units(parts, self.units)
        if first > 0 and self.is_progressive:
            component, _, ac = parts[0]
            assert component.blocks is not None
            where, blocks = units[0][0], component.blocks.reshape(-1, 64)
            scan = stream.refine_ac if high else stream.first_ac
            scan(self.huffman[1, ac], blocks, where, (first, last), low, self.interval)
            return
        if high:
            refined = [(c.blocks, where, each) for (c, *_), (where, each) in zip(parts, units, strict=True)]
            stream.refine_dc(refined, low, self.interval)
            return
        stream.sequential(
            [
                (self.huffman[0, dc], None if last == 0 else self.huffman[1, ac], c.blocks, where, each)
                for (c, dc, ac), (where, each) in zip(parts, units, strict=True)
            ],
            low,
            self.interval,
        )


def _units(
    parts: Sequence[tuple[_Component, int, int]], units: tuple[int, int]
) -> list[tuple[NDArray[np.int64], int]]:
    """Return for each component of a scan the index of its blocks in their order, and how many a unit has."""
    if len(parts) == 1:
        component = parts[0][0]
        rows, columns = component.shape
        index = np.arange(rows)[:, None] * component.stored[1] + np.arange(columns)
        return [(index.ravel(), 1)]
    found = []
    for component, *_ in parts:
        grid = np.arange(component.stored[0] * component.stored[1]).reshape(
            units[0], component.down, units[1], component.across
        )
        found.append((grid.swapaxes(1, 2).ravel(), component.down * component.across))
    return found
