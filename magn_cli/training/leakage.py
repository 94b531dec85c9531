"""Finding the pictures of test sets among training photographs, by hash at several scales."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from magn_cli.images import Array, from_float, to_float

Bits = NDArray[np.bool_]

SIDE = 16
"""A square of a picture is reduced to this many pixels a side; the coarse hash to half as many."""

MAX_COARSE = 26
"""Of 112 bits: squares that differ in more are not compared further."""

MAX_FINE = 100
"""Of 480 bits. Half-size JPEG copies of all test pictures differ by at most 64; among 376 photographs that
hold none of them the nearest differs by 108."""

SCALES = tuple(1.06**step for step in range(13))
"""How much larger than the square its photograph's shorter side may be: up to twice."""


@dataclass(frozen=True)
class Hashes:
    """What is known of pictures that must not be trained on; see :func:`builtin` and :func:`of_pictures`."""

    names: tuple[str, ...]
    """One for each square."""

    coarse: Bits
    """``(squares, 112)``."""

    fine: Bits
    """``(squares, 480)``."""

    def __add__(self, other: Hashes) -> Hashes:
        return Hashes(
            self.names + other.names,
            np.concatenate([self.coarse, other.coarse]),
            np.concatenate([self.fine, other.fine]),
        )

    @property
    def fingerprint(self) -> str:
        """Changes where any hash does."""
        return hashlib.sha256(np.packbits(self.fine).tobytes()).hexdigest()[:16]

    def find(self, pixels: Array) -> str | None:
        """Return the name of the picture that ``pixels``, ``(H, W)`` or ``(H, W, 3)``, shows, else None.

        Finds it scaled, compressed again or mirrored, alone or inside of the picture where its shorter side
        is at least half of the picture's. Of pieces cut from it only those that miss less than a tenth.
        """
        if not self.names:
            return None
        least, nearest = MAX_FINE + 1, 0
        luma = _luma(pixels)
        for squares in (part for scale in SCALES for part in _parts(_squares(luma, scale))):
            coarse, fine = _hashes(squares)
            near, which = np.nonzero((112 - _signs(coarse) @ self._coarse_signs.T) / 2 <= MAX_COARSE)
            if len(near):
                different = (fine[near] != self._fine_both_ways[which]).sum(1)
                best = int(np.argmin(different))
                if different[best] < least:
                    least, nearest = int(different[best]), int(which[best])
        return self.names[nearest % len(self.names)] if least <= MAX_FINE else None

    @cached_property
    def _coarse_signs(self) -> NDArray[np.float32]:
        return _signs(np.concatenate([self.coarse, _mirrored(self.coarse, SIDE // 2)]))

    @cached_property
    def _fine_both_ways(self) -> Bits:
        return np.concatenate([self.fine, _mirrored(self.fine, SIDE)])

    def save(self, path: Path) -> None:
        """Write an ``.npz`` that :func:`builtin` can read."""
        coarse, fine = np.packbits(self.coarse, axis=1), np.packbits(self.fine, axis=1)
        np.savez_compressed(path, names=np.array(self.names), coarse=coarse, fine=fine)


NONE = Hashes((), np.zeros((0, 112), bool), np.zeros((0, 480), bool))


def builtin() -> Hashes:
    """Return the hashes of the field's usual test sets, as listed in docs/training.md."""
    with resources.files(__package__).joinpath("test_sets.npz").open("rb") as file:
        arrays = np.load(file)
        coarse, fine = (np.unpackbits(arrays[name], axis=1).astype(bool) for name in ("coarse", "fine"))
        return Hashes(tuple(str(name) for name in arrays["names"]), coarse[:, :112], fine[:, :480])


def of_pictures(pictures: Iterable[tuple[str, Array]]) -> Hashes:
    """Hash pictures, ``(H, W)`` or ``(H, W, 3)``, under the names given."""
    names, coarse, fine = [], [NONE.coarse], [NONE.fine]
    for name, pixels in pictures:
        some, more = _hashes(_squares(_luma(pixels), 1.0))
        names += [name] * len(some)
        coarse.append(some)
        fine.append(more)
    return Hashes(tuple(names), np.concatenate(coarse), np.concatenate(fine))


def _luma(pixels: Array) -> NDArray[np.float32]:
    eight = pixels if pixels.dtype == np.uint8 else from_float(to_float(pixels), np.dtype(np.uint8))
    return np.asarray(cv2.cvtColor(eight, cv2.COLOR_RGB2GRAY) if eight.ndim == 3 else eight, np.float32)


def _hashes(squares: NDArray[np.float32]) -> tuple[Bits, Bits]:
    halves = squares.reshape(-1, SIDE // 2, 2, SIDE // 2, 2).mean((2, 4))
    return _gradients(halves), _gradients(squares)


def _squares(luma: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    """All squares whose side is the shorter side of the picture over a scale, as ``(n, SIDE, SIDE)``."""
    factor = SIDE * scale / min(luma.shape)
    rows, columns = (max(SIDE, round(side * factor)) for side in luma.shape)
    small = cv2.resize(luma, (columns, rows), interpolation=cv2.INTER_AREA)
    return sliding_window_view(np.asarray(small, np.float32), (SIDE, SIDE)).reshape(-1, SIDE, SIDE)


def _parts(squares: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """So many that comparing them takes little memory, however long a panorama is."""
    for begin in range(0, len(squares), 2048):
        yield squares[begin : begin + 2048]


def _gradients(squares: NDArray[np.float32]) -> Bits:
    """Whether it gets lighter to the right and downwards (difference hash): ``(n, 2 side (side - 1))``."""
    right = squares[:, :, 1:] > squares[:, :, :-1]
    down = squares[:, 1:] > squares[:, :-1]
    return np.concatenate([right.reshape(len(right), -1), down.reshape(len(down), -1)], axis=1)


def _mirrored(bits: Bits, side: int) -> Bits:
    """The hashes of the mirrored squares."""
    split = side * (side - 1)
    right = ~bits[:, :split].reshape(-1, side, side - 1)[:, :, ::-1]
    down = bits[:, split:].reshape(-1, side - 1, side)[:, :, ::-1]
    return np.concatenate([right.reshape(len(bits), -1), down.reshape(len(bits), -1)], axis=1)


def _signs(bits: Bits) -> NDArray[np.float32]:
    return bits.astype(np.float32) * 2 - 1
