"""``--task auto``: which task a photo needs, if any, by what the tasks claim."""

from __future__ import annotations

from dataclasses import dataclass

from magn_cli.analysis.drawing import is_drawing
from magn_cli.images import Photo, is_beyond_range
from magn_cli.tasks.base import Need
from magn_cli.tasks.levels import FoundLevel
from magn_cli.tasks.registry import TASKS


@dataclass(frozen=True)
class Choice:
    """What to do with a photo."""

    task: str | None
    """None: nothing; the photo is clean."""

    found: FoundLevel
    """The level, for the task; without one, why the photo counts as clean."""


def candidates() -> list[str]:
    """Return the names of the tasks that are chosen from."""
    return [name for name, task in TASKS.items() if task.joins_auto]


def choose(photo: Photo) -> Choice:
    """Look at a photo, and at the file it came from, for what degrades it most.

    The task with the greatest need wins, of equal ones the first. A mosaic is known only where the file says that
    it is one: raw files of cameras, and CFA TIFF.
    """
    if photo.mosaic is None and is_beyond_range(photo.pixels):
        return _nothing("values go beyond 0..1, which networks do not know")
    if photo.mosaic is None and photo.quantization is None and is_drawing(photo.pixels):
        return _nothing("few colours, so a drawing or text and no photo")
    tasks = [TASKS[name] for name in candidates()]
    claims = {t.name: t.claim(photo) for t in tasks if t.mosaics == (photo.mosaic is not None)}
    name = max(claims, key=lambda name: claims[name].need, default=None)
    if name is None or claims[name].need == Need.NONE:
        return _nothing(", ".join(sorted(claim.found.how for claim in claims.values() if claim.found.how)))
    return Choice(name, claims[name].found)


def _nothing(seen: str) -> Choice:
    return Choice(None, FoundLevel(None, f"nothing to restore ({seen}), left as it is", 0.0))
