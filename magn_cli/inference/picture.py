"""Restores a photo as it was read, and returns it in the same depth and shape."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from magn_cli import images
from magn_cli.analysis import findings
from magn_cli.errors import ImageError
from magn_cli.files.scratch import contiguous, let_go
from magn_cli.images import Photo, from_float, to_float
from magn_cli.inference.block_rows import block_rows
from magn_cli.inference.dihedral import dihedral_transforms, whole_cells
from magn_cli.inference.options import Level, check_level, check_strength, within_range
from magn_cli.inference.restored_photo import RestoredPhoto
from magn_cli.inference.tiled_network import TiledNetwork, joined
from magn_cli.inference.tiling import Span
from magn_cli.tasks import FoundLevel, LevelScale, Task

log = logging.getLogger(__name__)

BAND = 32
"""Rows that are bounded and rounded at once. Several steps pass over them, so they should fit a cache."""


class PhotoRestorer:
    """Restores photos with the network of one task: prepares its input and level, and keeps the file's type."""

    def __init__(
        self,
        task: Task,
        scale: LevelScale | None,
        tiled: TiledNetwork | Callable[[], TiledNetwork],
        strength: float = 1.0,
        ensemble: bool = False,
        network: str = "",
        takes_unknown: bool = True,
        variants: Mapping[str, Callable[[], PhotoRestorer]] | None = None,
        **options: Any,
    ) -> None:
        """Combine a task and its network.

        Args:
            task: the task that the network was trained for.
            scale: level scale of the checkpoint; None if the network takes no level.
            tiled: runs the network, or returns what does, always the same.
            strength: share of the network's change to apply, 0..1.
            ensemble: average the results for the eight rotated and mirrored forms of a picture. This is a little
                better, takes eight times as long, and holds the whole picture as floats.
            network: name of the network, recorded in results.
            takes_unknown: the network was trained to do without a level. Otherwise an unknown level is estimated.
            variants: by name of a variant of the task, returns what restores such photos instead.
            options: the task's own options.

        Raises:
            UsageError: the strength is out of range, or below 1 although the task needs its whole change.
        """
        self.task, self.scale, self._tiled, self.options = task, scale, tiled, options
        self.strength, self.ensemble, self.network = check_strength(task, strength), ensemble, network
        self.takes_unknown, self.mosaics = takes_unknown or scale is None, task.mosaics
        self.variants = variants or {}

    @property
    def tiled(self) -> TiledNetwork:
        """What runs the network, which is loaded when first needed where there are variants."""
        return self._tiled() if callable(self._tiled) else self._tiled

    def suited(self, photo: Photo) -> PhotoRestorer:
        """Return what restores a photo: this, or what has a network for such photos, which is loaded if needed."""
        if not self.variants:
            return self
        name = self.task.variant(findings.visible(photo))
        if name not in self.variants:
            return self
        chosen = self.variants[name]()
        log.info("%s noise: the network %s", name, chosen.network)
        return chosen

    def restore(
        self,
        photo: Photo,
        level: Level = "auto",
        progress: Callable[[float], None] = lambda done: None,
        known_level: FoundLevel | None = None,
    ) -> RestoredPhoto:
        """Restore one photo.

        Args:
            photo: the photo.
            level: a number in the task's units, ``auto`` or ``unknown``.
            progress: called with the share that is done, 0..1.
            known_level: the level found in the photo, if it is known already.

        Raises:
            UsageError: the level is invalid or out of range.
            ImageError: the task cannot be applied to this photo, or the result is not finite.
        """
        found = self.resolve(findings.visible(photo), level, known_level)
        strength = found.strength * self.strength
        if strength == 0 and photo.mosaic is None:
            return RestoredPhoto(self.task.name, photo.pixels, self.scale, found, self.network)
        if (chosen := self.suited(photo)) is not self:
            return chosen.restore(photo, level, progress, known_level)
        if images.is_beyond_range(photo.pixels):
            log.warning("the picture has values outside 0..1, on which the networks were not trained.")
        stored, options, hidden = self.prepare(photo)
        projection = self.task.projection(photo, found.level)

        def rounded(rows: Span, values: NDArray[np.float32]) -> tuple[Span, images.Array]:
            if strength < 1:
                before = to_float(stored[rows.slice])
                values = before + np.float32(strength) * (values - before)
            if photo.mosaic:
                values = images.developed(values, photo.mosaic)
            if projection is not None:
                return rows, projection.rounded(values, rows.start)
            return rows, from_float(values, stored.dtype)

        strips = self._strips(stored, found.level, progress, options)
        if projection is not None:
            strips = block_rows(strips, projection.rows, len(stored))
        out = joined((rounded(rows, values) for rows, values in strips), len(stored))
        pixels = contiguous(images.as_seen(out, photo.turned))
        if hidden is not None:
            pixels[hidden] = photo.pixels[hidden]
        return RestoredPhoto(self.task.name, pixels, self.scale, found, self.network)

    def prepare(self, photo: Photo) -> tuple[images.Array, dict[str, Any], NDArray[np.bool_] | None]:
        """Return what the network's input is made of.

        Returns:
            The pixels as stored in the file, ``(H, W)`` or ``(H, W, 3)``, filled where they are fully transparent;
            the task's options for this photo; and where pixels were filled, as displayed.

        Raises:
            ImageError: the task cannot be applied to this photo.
        """
        # Neighbours in a mosaic have other colours, so hidden pixels cannot be filled in from them.
        hidden = None if self.task.keeps_bayer_phase else images.hidden(photo)
        shown = photo if hidden is None else replace(photo, pixels=images.filled(photo.pixels, hidden))
        options = self.task.photo_options(shown, **self.options)
        return images.as_stored(shown.pixels, photo.turned), options, hidden

    def restore_values(
        self,
        pixels: NDArray[np.float32],
        level: float | None,
        progress: Callable[[float], None] = lambda done: None,
        photo: Photo | None = None,
    ) -> NDArray[np.float32]:
        """Restore ``(H, W)`` or ``(H, W, 3)``, 0..1.

        Args:
            pixels: the degraded picture.
            level: in the task's units; None if unknown, which a network that needs a level gets estimated.
            progress: called with the share that is done, 0..1.
            photo: what the pixels came from. Where its file says more than they do, the result agrees with it and
                is rounded to 8 bit.

        Returns:
            ``(H, W)`` or ``(H, W, 3)``, not clipped.

        Raises:
            ImageError: the network needs a level, and none can be estimated.
        """
        seen = images.photo_of(pixels) if photo is None else photo
        if (chosen := self.suited(seen)) is not self:
            return chosen.restore_values(pixels, level, progress, photo)
        if level is None and not self.takes_unknown:
            level = self._found(seen).level
        turned = 1 if photo is None else photo.turned
        projection = None if photo is None else self.task.projection(photo, level)
        stored = images.as_stored(pixels, turned)
        strips = self._strips(stored, level, progress, self.options)
        if projection is not None:
            cut = block_rows(strips, projection.rows, len(stored))
            strips = ((rows, to_float(projection.rounded(values, rows.start))) for rows, values in cut)
        return np.ascontiguousarray(images.as_seen(joined(strips, len(stored)), turned))

    def _strips(
        self,
        pixels: images.Array,
        level: float | None,
        progress: Callable[[float], None],
        options: dict[str, Any],
    ) -> Iterator[tuple[Span, NDArray[np.float32]]]:
        """Yield rows of the restored picture, ``(rows, W)`` or ``(rows, W, 3)``, not clipped.

        They can start again at the top, see :meth:`TiledNetwork.strips`.
        """
        if not self.ensemble:
            yield from self._once(pixels, level, options, progress)
            return
        cells, every, total = whole_cells(pixels, self.task.alignment), list(dihedral_transforms()), None
        for done, transform in enumerate(every):
            turned = self.task.turned(transform.apply, **options)
            given = np.ascontiguousarray(transform.apply(cells))
            strips = self._once(given, level, turned, partial(_advance, progress, done, len(every)))
            one = transform.invert(joined(strips, len(given)))
            total = one if total is None else np.add(total, one, out=total)
        assert total is not None
        yield Span(0, len(pixels)), total[: pixels.shape[0], : pixels.shape[1]] * np.float32(1 / len(every))

    def _once(
        self,
        pixels: images.Array,
        level: float | None,
        options: dict[str, Any],
        progress: Callable[[float], None],
    ) -> Iterator[tuple[Span, NDArray[np.float32]]]:
        level_input = self.scale.to_network(level) if self.scale and level is not None else None
        network_input = self.task.network_input(pixels, **options)
        above, beside = self.task.margin(**options)
        bayer = self.task.keeps_bayer_phase
        strips = self.tiled.strips(network_input, level_input, keeps_bayer=bayer, progress=progress)
        for rows, values in chain.from_iterable(map(_bands, _letting_go(strips, pixels))):
            values = self.task.bounded(values, network_input, rows.start, level)
            own = Span(max(rows.start - above, 0), rows.stop - above)
            if len(own) > 0:
                yield own, self.task.network_output(values[-len(own) :, beside:], gray=pixels.ndim == 2)

    def resolve(self, photo: Photo, level: Level, known_level: FoundLevel | None = None) -> FoundLevel:
        """Return the level to use for a photo: the given one, or the one found in it, moved into the range."""
        wanted = check_level(self.task, level)
        if self.task.scale is None or (wanted == "unknown" and self.takes_unknown):
            return FoundLevel(None, "not given to the network")
        if self.scale is None:
            if not isinstance(wanted, str):
                log.warning("this network takes no level; --level %g changes nothing.", wanted)
            return FoundLevel(None, "this network takes no level")
        if not isinstance(wanted, str):
            return FoundLevel(wanted, "as given")
        return self._found(photo, known_level)

    def _found(self, photo: Photo, known_level: FoundLevel | None = None) -> FoundLevel:
        found = within_range(self.task, known_level or self.task.find_level(photo))
        if found.level is None and found.strength > 0 and not self.takes_unknown:
            raise ImageError(f"the network {self.network} must be told a level, and none was found; give --level.")
        return found


def _letting_go(
    strips: Iterator[tuple[Span, NDArray[np.float32]]], pixels: images.Array
) -> Iterator[tuple[Span, NDArray[np.float32]]]:
    """Yield the strips; what was read of a picture in a temporary file leaves the memory after each."""
    for strip in strips:
        yield strip
        let_go(pixels)


def _bands(strip: tuple[Span, NDArray[np.float32]]) -> Iterator[tuple[Span, NDArray[np.float32]]]:
    rows, values = strip
    for start in range(0, len(rows), BAND):
        part = values[start : start + BAND]
        yield Span(rows.start + start, rows.start + start + len(part)), part


def _advance(progress: Callable[[float], None], done: int, of: int, share: float) -> None:
    progress((done + share) / of)
