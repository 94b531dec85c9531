"""Runs an ONNX network over pictures of any size."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from magn_cli.errors import ImageError, UsageError, WeightsError
from magn_cli.inference.onnx import file as files
from magn_cli.inference.onnx.layout import OVERLAP, TILE, Told, layout
from magn_cli.inference.onnx.session import OnnxError, Session
from magn_cli.inference.tiling import blending, windows
from magn_cli.runtime.extras import check_extra

log = logging.getLogger(__name__)

Float = NDArray[np.float32]

MULTIPLES = (1, 2, 4, 8, 16, 32, 64)
"""Multiples to try, in pixels."""

SMALLEST_TRIED = 64
"""Side of the pictures to try them on, plus the multiple."""

UNLIKELY = 0.25
"""Mean change, where white is 1, from which a network was probably given the wrong range."""


class OnnxNetwork:
    """A network of somebody else's that turns pictures into pictures of the same size.

    Pictures that are larger than a tile are cut into tiles that overlap, and the results are blended.

    Example, with a file ``other.onnx``:

        >>> from magn_cli.inference.onnx import OnnxNetwork, Told
        >>> network = OnnxNetwork(path, Told(overlap=16))
        >>> network.restore(np.zeros((40, 60, 3), np.float32), level=None).shape
        (40, 60, 3)
    """

    def __init__(self, path: Path, told: Told | None = None, threads: int | None = None) -> None:
        """Load a network and find out how to call it.

        Args:
            path: an ONNX file with all its weights.
            told: what the file does not say.
            threads: CPU threads; None for all cores.

        Raises:
            UsageError: the extra ``export`` is not installed, or what is told does not fit the file.
            WeightsError: the file is no such network, or must not be run; see :mod:`magn_cli.inference.onnx.file`.
        """
        check_extra("an ONNX file", "export", "onnx", "onnxruntime")
        self.path, self.told = path, told or Told()
        self.file = files.read(path)
        try:
            self._session = Session(self.file.data, threads)
        except OnnxError as error:
            raise WeightsError(f"ONNX Runtime cannot load {path} ({error}); export it again.") from error
        self.layout = layout(self.file, self._session, self.told)
        self.multiple = self._multiple()
        sides = [side or self.told.tile or TILE for side in self.layout.fixed]
        self.tile = [max(side // self.multiple, 1) * self.multiple for side in sides]
        """Height and width of a tile."""
        self.overlap = [
            min(OVERLAP if self.told.overlap is None else self.told.overlap, s // 2) for s in self.tile
        ]
        """Rows and columns that neighbouring tiles share."""
        self._warned = False

    @property
    def takes_level(self) -> bool:
        """Whether it has an input for the level."""
        return self.layout.level is not None

    @property
    def takes_unknown(self) -> bool:
        """Whether its level may be unknown."""
        return self.layout.level is None or self.layout.level.unknown is not None

    def described(self) -> str:
        """Return how it is run, in words."""
        found = self.layout
        level = "" if found.level is None else f", level as {found.level.name!r}"
        overlap = " and ".join(str(n) for n in dict.fromkeys(self.overlap))
        return (
            f"tiles of {self.tile[1]} x {self.tile[0]} pixels that overlap by {overlap}, sides in multiples of "
            f"{self.multiple}, white is {found.white:g}, {found.channels} channels, {found.axes.upper()}{level}"
        )

    def restore(self, pixels: Float, level: float | None) -> Float:
        """Restore a picture ``(H, W, 3)``, 0..1, with H and W of any size.

        Networks for one channel restore each channel on its own, or gray pictures once.

        Args:
            pixels: the degraded picture.
            level: in the task's units; None if unknown.

        Returns:
            ``(H, W, 3)``, not clipped.

        Raises:
            ImageError: the network fails, needs a level that is unknown, or returns values that are not finite.
        """
        if level is None and not self.takes_unknown:
            raise ImageError(f"{self.path.name} needs to know the level; give one with --level.")
        if self.layout.channels == 3:
            restored = self._tiled(pixels, level)
        elif (pixels == pixels[..., :1]).all():
            restored = np.repeat(self._tiled(pixels[..., :1], level), 3, axis=2)
        else:
            restored = np.concatenate([self._tiled(pixels[..., c : c + 1], level) for c in range(3)], axis=2)
        if not np.isfinite(restored).all():
            raise ImageError(
                f"{self.path.name} returned values that are not finite; check its range and its file."
            )
        if not self._warned and np.abs(restored - pixels).mean() > UNLIKELY:
            self._warned = True
            log.warning(
                "%s changes pictures beyond recognition; if its white is 255, add --against-range 255.",
                self.path.name,
            )
        return restored

    def _tiled(self, pixels: Float, level: float | None) -> Float:
        size = pixels.shape[:2]
        padded = [
            max(-(-length // self.multiple) * self.multiple, side if fixed else 0)
            for length, side, fixed in zip(size, self.tile, self.layout.fixed, strict=True)
        ]
        picture = _padded(pixels, padded)
        spans = [windows(*axis) for axis in zip(padded, self.tile, self.overlap, strict=True)]
        weights = [blending(*axis) for axis in zip(spans, self.overlap, strict=True)]
        total = np.zeros(picture.shape, np.float32)
        for rows, down in zip(spans[0], weights[0], strict=True):
            for columns, across in zip(spans[1], weights[1], strict=True):
                part = self._run(picture[rows.slice, columns.slice], level)
                total[rows.slice, columns.slice] += part * (down[:, None, None] * across[None, :, None])
        return total[: size[0], : size[1]]

    def _run(self, tile: Float, level: float | None) -> Float:
        """Run the network on one tile ``(H, W, C)``. Raises :class:`ImageError`."""
        try:
            restored = self._called(tile, level)
        except OnnxError as error:
            advice = "give a smaller --against-tile" if error.is_memory else "check what it takes"
            raise ImageError(
                f"{self.path.name} failed on {tile.shape[1]} x {tile.shape[0]} pixels ({error}); {advice}."
            ) from error
        if restored.shape != tile.shape:
            raise ImageError(_other_size(self.path, tile.shape, restored.shape))
        return restored

    def _called(self, tile: Float, level: float | None) -> Float:
        """Call the network, and return ``(H, W, C)`` of any size; a result of other axes has no size."""
        found = self.layout
        values = tile * np.float32(found.white)
        if found.dtype == np.uint8:
            values = np.clip(np.rint(values), 0, 255)
        batch = values.astype(found.dtype)[None]
        axes = (1, 2)
        if found.axes == "nchw":
            batch, axes = batch.transpose(0, 3, 1, 2), (2, 3)
        feed = {found.input: np.ascontiguousarray(batch)}
        if found.level is not None:
            feed[found.level.name] = found.level.value(level, dict(zip(axes, tile.shape[:2], strict=True)))
        result = self._session.run(found.output, feed)
        if result.ndim != 4 or len(result) != 1:
            return np.zeros((0, 0, 0), np.float32)
        first = result[0].transpose(1, 2, 0) if found.axes == "nchw" else result[0]
        return first.astype(np.float32) / np.float32(found.white)

    def _multiple(self) -> int:
        """Find the smallest multiple of pixels with which the network returns pictures of the same size."""
        fixed = [side for side in self.layout.fixed if side is not None]
        if self.told.multiple is not None:
            if any(side % self.told.multiple for side in fixed):
                raise UsageError(f"{self.path} takes sides of {fixed[0]} only: omit --against-multiple.")
            return self.told.multiple
        wrong = ""
        for multiple in (1,) if fixed else MULTIPLES:
            sides = [side or SMALLEST_TRIED + multiple for side in self.layout.fixed]
            gray = np.full((*sides, self.layout.channels), 0.5, np.float32)
            try:
                returned = self._called(gray, None if self.takes_unknown else 0.0).shape
            except OnnxError as error:
                pixels = f"{sides[1]} x {sides[0]} pixels"
                advice = "free some" if error.is_memory else "export it again"
                wrong = wrong or f"ONNX Runtime cannot run {self.path} on {pixels} ({error}); {advice}."
                continue
            if returned == gray.shape:
                return multiple
            wrong = _other_size(self.path, gray.shape, returned)
        raise WeightsError(wrong)


def _padded(pixels: Float, size: list[int]) -> Float:
    """Extend a picture by reflection at the bottom and on the right."""
    after = [(0, side - length) for side, length in zip(size, pixels.shape, strict=False)]
    return np.pad(pixels, [*after, (0, 0)], mode="reflect") if any(n for _, n in after) else pixels


def _other_size(path: Path, given: tuple[int, ...], returned: tuple[int, ...]) -> str:
    def words(shape: tuple[int, ...]) -> str:
        return f"{shape[1]} x {shape[0]} pixels of {shape[2]} channels"

    what = words(returned) if any(returned) else "something else"
    return f"{path} makes {what} of {words(given)}; only networks that keep the size can be compared."
