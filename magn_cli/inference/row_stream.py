"""Convolutions over a picture that arrives in strips of rows, from top to bottom.

Each layer keeps the last rows of its input, so that hardly any row is computed twice. Its results lag behind its
input by the rows that it must see below them, and are those of the whole picture at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from magn_cli.model import Magn
from magn_cli.model.magn import ResidualBlock


@dataclass(frozen=True)
class Strip:
    """Some rows of features, in a tensor that may have room above them."""

    held: Tensor
    """``(1, F, H, W)``, in channels-last memory format."""

    start: int
    """First row of the strip in :attr:`held`."""

    stop: int
    """Row after the last."""

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def rows(self) -> Tensor:
        """``(1, F, rows, W)``, a view."""
        return self.held[:, :, self.start : self.stop]

    def part(self, start: int, stop: int) -> Strip:
        """Return the rows from ``start`` to ``stop - 1``, counted from the first of this strip."""
        return Strip(self.held, self.start + start, self.start + stop)

    def below(self, kept: Tensor) -> Strip:
        """Return ``kept`` and the rows of this strip below it, written above them if there is room."""
        count = kept.shape[2]
        if count > self.start:
            return Strip(torch.cat([kept, self.rows], dim=2), 0, count + len(self))
        self.held[:, :, self.start - count : self.start] = kept
        return Strip(self.held, self.start - count, self.stop)


class RowStream:
    """Residual blocks, and the tail if wanted, over features that arrive in strips.

    Example:
        >>> import torch
        >>> from magn_cli.inference.row_stream import RowStream, Strip
        >>> from magn_cli.model import PRESETS, Magn
        >>> model = Magn(PRESETS["magn-s"]).eval()
        >>> x = torch.randn(1, 64, 40, 24)
        >>> with torch.inference_mode():
        ...     whole, stream = model.before(x), RowStream(model.before)
        ...     first = stream.push(Strip(x.clone(), 0, 30), last=False).rows
        ...     second = stream.push(Strip(x.clone(), 30, 40), last=True).rows
        >>> first.shape[2], second.shape[2]
        (22, 18)
        >>> bool((torch.cat([first, second], dim=2) - whole).abs().max() < 1e-5)
        True
    """

    def __init__(self, blocks: nn.Sequential, tail: Magn | None = None) -> None:
        """Begin above the first row. ``tail``: the network whose tail follows the blocks."""
        self._layers: list[_Layer] = [_Block(block) for block in cast(Iterable[ResidualBlock], blocks)]
        self.room = 2 * len(self._layers) + 2
        """Rows of room above a strip with which nothing needs to be copied."""
        if tail is not None:
            self._layers.append(_Tail(tail))

    def push(self, strip: Strip, last: bool) -> Strip:
        """Take the next rows and return those that are complete: all if these are the last rows.

        Overwrites the strip. The tail returns rows of the picture, ``stem`` for each row of features.
        """
        for layer in self._layers:
            strip = layer.push(strip, last)
        return strip


class _Layer(ABC):
    """A layer that sees ``reach`` rows above and below each of its rows."""

    def __init__(self, reach: int) -> None:
        self.reach = reach
        self.taken = self.given = 0
        self.kept: Tensor | None = None

    def push(self, strip: Strip, last: bool) -> Strip:
        self.taken += len(strip)
        if self.kept is not None:
            strip = strip.below(self.kept)
        first = self.taken - len(strip)
        ready = self.taken if last else max(self.taken - self.reach, self.given)
        # A copy, because the layer may overwrite its input.
        self.kept = strip.rows[:, :, max(ready - self.reach, 0) - first :].clone()
        if ready == self.given:
            return strip.part(0, 0)
        result = self.run(strip, self.given - first, ready - first, first == 0, last)
        self.given = ready
        return result

    @abstractmethod
    def run(self, strip: Strip, start: int, stop: int, top: bool, bottom: bool) -> Strip:
        """Return the results for the rows from ``start`` to ``stop - 1`` of the strip.

        ``top`` and ``bottom``: whether the strip begins and ends where the picture does, with zeros beyond.
        """


class _Block(_Layer):
    def __init__(self, block: ResidualBlock) -> None:
        super().__init__(2)
        self.block = block

    def run(self, strip: Strip, start: int, stop: int, top: bool, bottom: bool) -> Strip:
        zeros = int(top or bottom)
        inner = self.block.inner(strip.rows, zeros)
        # With zeros on both sides, those on the side where the picture goes on spoil a row.
        if zeros:
            inner = inner[:, :, int(not top) : inner.shape[2] - int(not bottom)]
        changed = strip.part(1 - int(top), len(strip) - 1 + int(bottom)) if zeros else strip.part(start, stop)
        self.block.add_(changed.rows, inner, zeros)
        return strip.part(start, stop)


class _Tail(_Layer):
    def __init__(self, model: Magn) -> None:
        super().__init__(1)
        self.model = model

    def run(self, strip: Strip, start: int, stop: int, top: bool, bottom: bool) -> Strip:
        zeros, stem = int(top or bottom), self.model.config.stem
        out = self.model.change(strip.rows, zeros)
        # Without zeros, there is no result for the first row.
        first = 1 - zeros
        return Strip(out, stem * (start - first), stem * (stop - first))
