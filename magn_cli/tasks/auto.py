"""``--task auto``: chooses a task for each photo by comparing the claims of the tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from magn_cli.analysis.drawing import is_drawing
from magn_cli.images import Photo, is_beyond_range
from magn_cli.tasks.base import Claim, Need
from magn_cli.tasks.levels import FoundLevel
from magn_cli.tasks.registry import TASKS


@dataclass(frozen=True)
class Choice:
    """The choice for a photo."""

    task: str | None
    """Name of the task; None if the photo is clean."""

    found: FoundLevel
    """Level for the task; without a task, the reason why the photo counts as clean."""

    claims: Mapping[str, Claim] = field(default_factory=dict)
    """The claims that were compared, by task; empty if none was asked."""


def candidates() -> list[str]:
    """Return the names of the tasks to choose from."""
    return [name for name, task in TASKS.items() if task.joins_auto]


def choose(photo: Photo) -> Choice:
    """Choose the task for the strongest degradation of a photo.

    The task with the greatest need wins; among equals, the first. Only files that say so count as mosaics: raw
    files of cameras and CFA TIFF.
    """
    if photo.mosaic is None and is_beyond_range(photo.pixels):
        return _nothing("values outside 0..1, on which the networks were not trained")
    if photo.mosaic is None and photo.quantization is None and is_drawing(photo.pixels):
        return _nothing("few colours, so a drawing or text, not a photo")
    tasks = [TASKS[name] for name in candidates()]
    claims = {t.name: t.claim(photo) for t in tasks if t.mosaics == (photo.mosaic is not None)}
    name = max(claims, key=lambda name: claims[name].need, default=None)
    if name is None or claims[name].need == Need.NONE:
        return _nothing(", ".join(sorted(claim.found.how for claim in claims.values() if claim.found.how)), claims)
    return Choice(name, claims[name].found, claims)


def _nothing(reason: str, claims: Mapping[str, Claim] | None = None) -> Choice:
    return Choice(None, FoundLevel(None, f"nothing to restore ({reason}), left as it is", 0.0), claims or {})
