"""Find traces of lost bytes in a JPEG file about which its decoder does not warn.

After a loss of some bytes, a decoder soon finds its place again. But the mean of a block is stored as the
difference from the block before, so all blocks up to the end, or up to the next restart marker, are too bright,
too dark or of a wrong colour, by the same amount. Two checks find that: means that no picture has, and a jump
along the line where the shift begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from magn_cli.images.formats import jpeg_segments, jpeg_small
from magn_cli.images.formats.jpeg_segments import DQT, Structure
from magn_cli.images.photo import Array

Float = NDArray[np.float32]

_BLOCK, _MIDDLE = 8, 128

_SHRINK = 0.4
"""How much nearer to middle gray the means of blocks are decoded, so that those out of range are not clipped."""

_OUT = 2.0
"""Quantization steps by which a mean may be out of range: encoders round, and optimize."""

_ROUNDING = 2.0
"""Gray levels."""

_GROUP, _MIN_GROUPS, _MAX_GROUPS = 64, 8, 32
"""So many columns of pixels tell a jump from the noise of a picture; in small pictures, fewer must do."""

_SMALLEST = 5.0
"""Gray levels. Smaller jumps are those of the blocks themselves, and hard to see."""

_STEPS = 2.5
"""Quantization steps of means. Where the blocks of a smooth gradient are flat, they jump by one or two."""

_DISTINCT = 2.0
"""How many times a jump is larger than whatever contradicts it. benchmarks/jpeg_damage.py tells what sound
pictures reach."""

_SLIGHT = 1.5
"""Gray levels of rounding and of faint edges, which do not count."""

_CERTAIN = 5.0
"""Standard errors of what the columns tell of the jump."""

_EVEN = 0.02
"""Such errors, in gray levels, of the edges in drawings; photos have noise."""

_ALIKE, _FAINT = 0.5, 0.6
"""How much less detail there may be on one side of an edge than on the other, and the gray levels that it is
compared with at least. Where a photo lies on paper, there is none on one side."""

_QUARTILES = 1.35
"""Between the quartiles, in standard deviations."""


def impossible_row(data: bytes, structure: Structure) -> int | None:
    """Return the first row of pixels with a block whose mean no 8-bit picture has; None without one.

    The file is decoded at an eighth of its size, from nothing but means, with smaller quantization steps.

    Args:
        data: the bare file, see :func:`magn_cli.images.formats.jpeg_segments.bare`.
        structure: what the original is made of.
    """
    steps, head = _steps(structure), jpeg_segments.needed(structure)
    rest = data[len(jpeg_segments.joined(head, b"")) :]
    # A table behind the first scan would undo the change.
    if steps is None or b"\xff\xdb" in rest:
        return None
    means = [replace(s, content=_means_only(s.content)) if s.marker == DQT else s for s in head]
    small = jpeg_small.means(data, jpeg_segments.joined(means, rest))
    if small is None:
        return None
    is_out = np.zeros(small.shape[:2], bool)
    for step, plane in zip(steps, _planes(small), strict=False):
        shrunk = _shrunk(step)
        # With steps of 1, there is nothing to make smaller.
        if shrunk < step:
            most = (_MIDDLE * _BLOCK + _OUT * step) * shrunk / step / _BLOCK + _ROUNDING
            is_out |= np.abs(plane - _MIDDLE) > most
    rows = np.flatnonzero(is_out.any(axis=1))
    return int(rows[0]) * _BLOCK if len(rows) else None


def shifted_row(pixels: Array, structure: Structure) -> int | None:
    """Return about the row of pixels from which on a picture is shifted in brightness or colour; None without one.

    A shift begins somewhere within a row of coded units: to the right of that place there is a jump along the
    upper edge of the row, to its left one along the lower edge, both of the same height, and none along the rest
    of the edges. Pixels on both sides of an edge are compared, apart from the gradient that they are part of.

    Args:
        pixels: ``(H, W)`` or ``(H, W, 3)``, uint8, not turned.
        structure: of the file.
    """
    distinct, row = most_distinct_shift(pixels, structure)
    return row if distinct > _DISTINCT else None


def most_distinct_shift(pixels: Array, structure: Structure) -> tuple[float, int]:
    """Return how many times the likeliest shift is larger than what contradicts it, and the row where it begins.

    Arguments as of :func:`shifted_row`. 0 for pictures that are too small to tell.
    """
    steps = _steps(structure)
    if steps is None or len(steps) != (1 if pixels.ndim == 2 else 3):
        return 0.0, 0
    return max(_shifts(pixels, steps, _unit_rows(structure)), default=(0.0, 0))


def _shifts(pixels: Array, steps: list[int], unit: int) -> Iterator[tuple[float, int]]:
    """Yield for each plane how distinct its most distinct shift is, and the row where it begins."""
    height, width = pixels.shape[:2]
    groups = min(max(width // _GROUP, _MIN_GROUPS), _MAX_GROUPS)
    columns, edges = width // groups, np.arange(unit, height - 1, unit)
    if columns < _BLOCK or len(edges) < 2:
        return
    # The outer rows are in blocks that do not touch the edge.
    rows = [(edges + offset).clip(0, height - 1) for offset in (-12, -2, -1, 0, 1, 11)]
    across = [_planes(pixels[some, : groups * columns]) for some in rows]
    for step, far_above, before, above, below, after, far_below in zip(steps, *across, strict=True):
        jumps = (below - above) - ((above - before) + (after - below)) / 2
        ordered = np.sort(jumps.reshape(len(edges), groups, columns), axis=2)
        jump = ordered[..., columns // 2]
        spread = (ordered[..., 3 * columns // 4] - ordered[..., columns // 4]) / _QUARTILES
        smallest = max(_SMALLEST, _STEPS * step / _BLOCK)
        # Of a median.
        error = 1.25 * spread / columns**0.5
        detail = [_detail(some, groups) for some in (far_above, far_below)]
        likeness = np.minimum(*detail) / np.maximum(*detail).clip(_FAINT)
        found = [_shift_at(jump, error, likeness, place, smallest) for place in range(2, groups - 2)]
        distinct = np.array(found)
        yield float(distinct.max()), int(edges[distinct.max(axis=0).argmax()])


def _detail(rows: Float, groups: int) -> Float:
    """Return the mean difference of neighbours in each group of columns of some rows, in gray levels."""
    differences = abs(np.diff(rows, axis=1, append=rows[:, -1:]))
    return differences.reshape(len(rows), groups, -1).mean(axis=2)


def _shift_at(jump: Float, error: Float, likeness: Float, place: int, smallest: float) -> Float:
    """Return how distinct a shift from a group of columns on is, for each row of units but the last."""

    def of_both(left: Float, right: Float) -> Float:
        # Somewhere within the group at ``place`` it begins.
        return np.concatenate([left[:, :place], right[:, place + 1 :]], axis=1)

    upper, lower = slice(None, -1), slice(1, None)
    there = of_both(jump[lower], jump[upper])
    elsewhere = of_both(jump[upper], jump[lower])
    height = np.median(there, axis=1)
    contradiction = np.maximum(abs(there - height[:, None]).max(axis=1), abs(elsewhere).max(axis=1))
    error = np.median(of_both(error[lower], error[upper]), axis=1)
    is_one_picture = np.median(of_both(likeness[lower], likeness[upper]), axis=1) >= _ALIKE
    is_one = (abs(height) >= np.maximum(smallest, _CERTAIN * error)) & (error > _EVEN) & is_one_picture
    return np.where(is_one, abs(height) / (contradiction + _SLIGHT), 0)


def _steps(structure: Structure) -> list[int] | None:
    """The quantization steps of the means of all components; None where a table is missing."""
    frame = structure.frame
    assert frame is not None
    tables: dict[int, int] = {}
    for segment in structure.head:
        if segment.marker == DQT:
            tables |= {number: int(values[0]) for number, values in _tables(segment.content)}
    numbers = [frame.content[at] for at in range(8, 6 + 3 * frame.content[5], 3)]
    return [tables[number] for number in numbers] if all(number in tables for number in numbers) else None


def _unit_rows(structure: Structure) -> int:
    """The rows of pixels that are coded at once."""
    frame = structure.frame
    assert frame is not None
    down = [frame.content[at] & 15 for at in range(7, 6 + 3 * frame.content[5], 3)]
    is_interleaved = bool(structure.scans) and structure.scans[0][:1] > b"\1"
    return _BLOCK * max(down) if is_interleaved else _BLOCK


def _tables(content: bytes) -> Iterator[tuple[int, NDArray[np.unsignedinteger]]]:
    offset = 0
    while offset < len(content):
        values = np.frombuffer(content, ">u2" if content[offset] >> 4 else ">u1", 64, offset + 1)
        yield content[offset] & 15, values
        offset += 1 + values.nbytes


def _means_only(content: bytes) -> bytes:
    """Quantization tables that make all of a block but its mean zero, and that smaller."""
    changed = b""
    for number, values in _tables(content):
        others = np.zeros_like(values)
        others[0] = _shrunk(int(values[0]))
        changed += bytes([number | (values.itemsize - 1) << 4]) + others.tobytes()
    return changed


def _shrunk(step: int) -> int:
    return max(int(step * _SHRINK), 1)


def _planes(pixels: Array) -> list[Float]:
    """Gray or luma, and the two of chroma around the same middle."""
    values = pixels.astype(np.float32)
    if values.ndim == 2 or values.shape[-1] == 1:
        return [values.reshape(pixels.shape[:2])]
    luma = values @ np.array([0.299, 0.587, 0.114], np.float32)
    return [luma, (values[..., 2] - luma) * 0.564 + _MIDDLE, (values[..., 0] - luma) * 0.713 + _MIDDLE]
