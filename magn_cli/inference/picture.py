"""A picture as it came from its file in, the restored picture in the same depth and shape out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from magn_cli import images
from magn_cli.errors import UsageError
from magn_cli.images import Metadata, Photo, from_float, to_float
from magn_cli.inference.ensemble import dihedral_transforms, whole_cells
from magn_cli.inference.restorer import Restorer, joined
from magn_cli.inference.tiling import Span
from magn_cli.tasks import FoundLevel, LevelScale, Task

log = logging.getLogger(__name__)

Level = float | str
"""What a user asks for: a number in the task's units, ``auto`` or ``unknown``."""


@dataclass(frozen=True)
class Restored:
    """The result and how it came about."""

    task: str | None
    """What was done; None: nothing."""

    pixels: NDArray[Any]
    """``(H, W)`` or ``(H, W, 3)`` of the input's type."""

    scale: LevelScale | None
    """What a level is for this network; None: it takes none."""

    found: FoundLevel
    """The level that the network was told, and where it comes from."""

    network: str = ""
    """Its name, where it has one."""

    def describe_level(self) -> str:
        """Return the level in words: ``quality 20 (from the file's quantization tables)``."""
        if self.task is None:
            return self.found.how
        name = self.scale.name if self.scale else "level"
        level = "unknown" if self.found.level is None else f"{self.found.level:g}"
        return f"{name} {level} ({self.found.how})"


class PhotoRestorer:
    """One task with one network: decides what the network sees and is told, and gives back the file's type."""

    def __init__(
        self,
        task: Task,
        scale: LevelScale | None,
        restorer: Restorer,
        strength: float = 1.0,
        ensemble: bool = False,
        network: str = "",
        **options: Any,
    ) -> None:
        """Put a network and what it was trained for together.

        Args:
            task: what it was trained for.
            scale: the checkpoint's, which says how a level is told; None: it takes none.
            restorer: runs it.
            strength: share of the network's change that is applied to photos, 0..1.
            ensemble: take the mean over the eight ways to turn and mirror a picture: a little better, eight times
                as slow, and the whole picture is held as floats.
            network: its name, to be noted in results.
            options: the task's own.

        Raises:
            UsageError: a strength out of range, or one below 1 for a task whose input is no picture yet.
        """
        self.task, self.scale, self.restorer, self.options = task, scale, restorer, options
        self.strength, self.ensemble, self.network = check_strength(task, strength), ensemble, network
        self.mosaics = task.mosaics

    def restore(
        self,
        photo: Photo,
        level: Level = "auto",
        progress: Callable[[float], None] = lambda done: None,
        known_level: FoundLevel | None = None,
    ) -> Restored:
        """Restore one photo; ``known_level``: the level found in it, where that was looked for already.

        Raises :class:`UsageError` for a level that makes no sense or is out of range, :class:`ImageError` for a
        photo that the task cannot be done to.
        """
        if images.is_beyond_range(photo.pixels):
            log.warning("values of the picture go beyond 0..1, which is all that networks are trained on.")
        found = self.resolve(images.visible(photo), level, known_level)
        strength = found.strength * self.strength
        if strength == 0 and photo.mosaic is None:
            return Restored(self.task.name, photo.pixels, self.scale, found, self.network)
        # The neighbours in a mosaic have other colours, so nothing can be filled there.
        hidden = None if self.task.keeps_bayer_phase else images.hidden(photo)
        shown = photo if hidden is None else replace(photo, pixels=images.filled(photo.pixels, hidden))
        options = self.task.photo_options(shown, **self.options)
        stored = images.as_stored(shown.pixels, photo.turned)

        def rounded(rows: Span, values: NDArray[np.float32]) -> tuple[Span, images.Array]:
            if strength < 1:
                before = to_float(stored[rows.slice])
                values = before + np.float32(strength) * (values - before)
            if photo.mosaic:
                values = images.developed(values, photo.mosaic)
            return rows, from_float(values, stored.dtype)

        strips = self._strips(stored, found.level, progress, options)
        out = joined((rounded(rows, values) for rows, values in strips), len(stored))
        pixels = np.ascontiguousarray(images.as_seen(out, photo.turned))
        if hidden is not None:
            pixels[hidden] = photo.pixels[hidden]
        return Restored(self.task.name, pixels, self.scale, found, self.network)

    def restore_values(
        self,
        pixels: NDArray[np.float32],
        level: float | None,
        progress: Callable[[float], None] = lambda done: None,
    ) -> NDArray[np.float32]:
        """Restore ``(H, W)`` or ``(H, W, 3)``, 0..1, with a level in the task's units; not clipped."""
        return joined(self._strips(pixels, level, progress, self.options), len(pixels))

    def _strips(
        self,
        pixels: images.Array,
        level: float | None,
        progress: Callable[[float], None],
        options: dict[str, Any],
    ) -> Iterator[tuple[Span, NDArray[np.float32]]]:
        """Yield rows of the restored picture, ``(rows, W)`` or ``(rows, W, 3)``, not clipped.

        They may begin again at the top, see :meth:`Restorer.strips`.
        """
        level_input = self.scale.to_network(level) if self.scale and level is not None else None
        if not self.ensemble:
            yield from self._once(pixels, level_input, options, progress)
            return
        cells, every, total = whole_cells(pixels, self.task.alignment), list(dihedral_transforms()), None
        for done, transform in enumerate(every):
            turned = self.task.turned(transform.apply, **options)
            given = np.ascontiguousarray(transform.apply(cells))
            strips = self._once(given, level_input, turned, partial(_advance, progress, done, len(every)))
            one = transform.invert(joined(strips, len(given)))
            total = one if total is None else np.add(total, one, out=total)
        assert total is not None
        yield Span(0, len(pixels)), total[: pixels.shape[0], : pixels.shape[1]] * np.float32(1 / len(every))

    def _once(
        self,
        pixels: images.Array,
        level_input: float | None,
        options: dict[str, Any],
        progress: Callable[[float], None],
    ) -> Iterator[tuple[Span, NDArray[np.float32]]]:
        network_input = self.task.network_input(pixels, **options)
        above, beside = self.task.margin(**options)
        bayer = self.task.keeps_bayer_phase
        for rows, values in self.restorer.strips(network_input, level_input, keeps_bayer=bayer, progress=progress):
            own = Span(max(rows.start - above, 0), rows.stop - above)
            if len(own) > 0:
                yield own, self.task.network_output(values[-len(own) :, beside:], gray=pixels.ndim == 2)

    def resolve(self, photo: Photo, level: Level, known_level: FoundLevel | None = None) -> FoundLevel:
        """Return the level for a photo: the one given, or the one found in it moved into the range."""
        wanted = check_level(self.task, level)
        if self.task.scale is None or wanted == "unknown":
            return FoundLevel(None, "not told to the network")
        if self.scale is None:
            if not isinstance(wanted, str):
                log.warning("this network takes no level; --level %g changes nothing.", wanted)
            return FoundLevel(None, "this network takes no level")
        if not isinstance(wanted, str):
            return FoundLevel(wanted, "as given")
        found = known_level or self.task.find_level(photo)
        if found.level is None:
            return found
        nearest, strength = self.task.scale.nearest(found.level), self.task.strength(found.level)
        how = found.how if nearest == found.level else f"the nearest to {found.level:g}, {found.how}"
        if strength < 1:
            how += f"; {strength:.0%} of the change applied" if strength else "; left as it is"
        return FoundLevel(nearest, how, strength)


def check_level(task: Task, level: Level) -> Level:
    """Return ``auto``, ``unknown`` or a number in the task's range.

    Raises :class:`UsageError` for anything else, and for a level where the task has none.
    """
    if level in ("auto", "unknown"):
        return level
    if task.scale is None:
        raise UsageError(f"{task.name} has no level; leave --level away.")
    try:
        number = float(level)
    except (ValueError, TypeError):
        raise UsageError(f"{level!r} is no level; give auto, unknown or a number.") from None
    return task.scale.check(number)


def check_strength(task: Task | None, strength: float) -> float:
    """Return ``strength``, or raise :class:`UsageError` where it is not in 0..1 or makes no sense for the task."""
    if not 0 <= strength <= 1:
        raise UsageError(f"strength {strength:g} is out of range; give a number from 0 to 1.")
    if strength < 1 and task is not None and not task.blends:
        raise UsageError(f"the input of {task.name} is no picture yet, so it has no strength; leave it away.")
    return strength


def _advance(progress: Callable[[float], None], done: int, of: int, share: float) -> None:
    progress((done + share) / of)


def photo_of(array: NDArray[Any]) -> Photo:
    """Wrap an array ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)`` of uint8, uint16 or floats 0..1.

    Raises :class:`UsageError` for other shapes and types and for values that are not finite.
    """
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3) or not array.size:
        raise UsageError(f"an array must be (H, W) or (H, W, 3), not {array.shape}.")
    if array.dtype in (np.float64, np.float16):
        array = array.astype(np.float32)
    if array.dtype not in (np.uint8, np.uint16, np.float32):
        raise UsageError(f"an array must hold uint8, uint16 or floats, not {array.dtype}.")
    if array.dtype == np.float32 and not np.isfinite(array).all():
        raise UsageError("the array holds values that are not finite; clean it first.")
    return Photo(array, None, Metadata(), None, "array")
