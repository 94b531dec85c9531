"""Cuts windows out of feature maps and puts them together again, for inputs of any size.

Both directions are separable. Cutting gathers rows and then columns. Putting together multiplies by one matrix
from the left and one from the right. It holds the weight of each row (or column) of each window at each row (or
column) of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magn_cli.export.builder import Builder, Value


@dataclass(frozen=True)
class Placing:
    """Where windows lie on one axis."""

    index: Value
    """Position of each row of each window, ``(count, side)``, int64."""

    weights: Value
    """``(length, count * side)``; each row adds up to 1, or is 0 where no window lies."""

    count: Value
    side: Value


def padding(b: Builder, length: Value, multiple: int, keeps_bayer: bool) -> Value:
    """Return the source row of each row of the padded picture, as ``magn_cli.inference.padding`` does."""
    after = b.op("Mod", b.op("Neg", length), b.whole(multiple))
    every = b.numbers(b.op("Add", length, after))
    last = b.op("Sub", length, b.whole(1))
    period = b.op("Max", b.op("Mul", last, b.whole(2)), b.whole(1))
    there = b.op("Mod", every, period)
    reflected = b.op("Min", there, b.op("Sub", period, there), last)
    if keeps_bayer:
        return reflected
    repeated = b.op("Min", every, last)
    return b.op("Where", b.op("Greater", length, after), reflected, repeated)


def windows(b: Builder, length: Value, size: int, overlap: int) -> Placing:
    """Place the graph windows, with the weights that blend them; see :mod:`magn_cli.inference.tiling`."""
    side = b.op("Min", length, b.whole(size))
    step = b.whole(size - overlap)
    free = b.op("Sub", length, side)
    last = b.op("Div", b.op("Add", free, b.whole(size - overlap - 1)), step)
    count = b.op("Add", last, b.whole(1))
    number = b.numbers(count)
    starts = b.op("Min", b.op("Mul", number, step), free)
    inside = b.numbers(side)
    own = b.op("Expand", b.number(1), b.shape(count, side))
    if overlap > 0:
        rising = b.op("Add", b.op("Cast", inside, to=1), b.number(0.5))
        falling = b.op("Sub", b.op("Cast", side, to=1), rising)
        number = b.reshape(number, -1, 1)
        starting = b.op("And", b.op("Greater", number, b.whole(0)), b.op("Less", inside, b.whole(overlap)))
        end = b.op("Sub", side, b.whole(overlap))
        ending = b.op("And", b.op("Less", number, last), b.op("Not", b.op("Less", inside, end)))
        own = b.op("Where", starting, b.op("Div", rising, b.number(overlap)), own)
        own = b.op("Where", ending, b.op("Div", falling, b.number(overlap)), own)
    return _placed(b, starts, inside, own, count, side, length)


def patches(b: Builder, length: Value, size: int, stride: int, before: int) -> Placing:
    """Place the sliding windows of a patch graph, whose first one starts ``before`` nodes outside.

    The weights average windows that overlap. :attr:`Placing.index` counts from the first row of the padding.
    """
    count = b.op("Div", b.op("Add", length, b.whole(2 * before - size + stride)), b.whole(stride))
    starts = b.op("Mul", b.numbers(count), b.whole(stride))
    inside = b.constant(np.arange(size))
    own = b.op("Expand", b.number(1), b.shape(count, size))
    return _placed(b, starts, inside, own, count, b.whole(size), length, before)


def cut(b: Builder, x: Value, rows: Placing, columns: Placing) -> Value:
    """``(B, F, H, W)`` to ``(B, F, rows.count, rows.side, columns.count, columns.side)``."""
    return b.op("Gather", b.op("Gather", x, rows.index, axis=2), columns.index, axis=4)


def together(b: Builder, x: Value, rows: Placing, columns: Placing) -> Value:
    """``(B, F, rows.count * rows.side, columns.count * columns.side)`` to ``(B, F, H, W)``."""
    return b.op("MatMul", b.op("MatMul", rows.weights, x), b.transpose(columns.weights, 1, 0))


def _placed(
    b: Builder, starts: Value, inside: Value, own: Value, count: Value, side: Value, length: Value, before: int = 0
) -> Placing:
    index = b.op("Add", b.reshape(starts, -1, 1), inside)
    row = b.op("Add", b.reshape(b.numbers(length), -1, 1), b.whole(before))
    there = b.op("Cast", b.op("Equal", row, b.reshape(index, 1, -1)), to=1)
    weights = b.op("Mul", there, b.reshape(own, 1, -1))
    # A row that no window covers stays zero.
    total = b.op("MatMul", weights, b.op("Expand", b.number(1), b.shape(b.side(weights, 1), 1)))
    covered = b.op("Where", b.op("Greater", total, b.number(0)), total, b.number(1))
    return Placing(index, b.op("Div", weights, covered), count, side)
