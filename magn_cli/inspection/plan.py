"""What ``magn restore`` would do with a photo, and what that takes."""

from __future__ import annotations

from functools import cache

from magn_cli.errors import WeightsError
from magn_cli.files.scratch import is_scratch
from magn_cli.images import Photo
from magn_cli.inference.forecast import Forecast, forecast
from magn_cli.inference.options import within_range
from magn_cli.inference.restored_photo import RestoredPhoto
from magn_cli.inspection.facts import Plan
from magn_cli.tasks import get_task
from magn_cli.tasks.auto import Choice
from magn_cli.weights.metadata import Checkpoint, read_metadata
from magn_cli.weights.registry import find
from magn_cli.weights.resolve import here


def plan_for(photo: Photo, choice: Choice, preset: str) -> Plan:
    """Return the plan for a photo whose task is chosen. Nothing is downloaded."""
    if choice.task is None:
        return Plan(None, choice.found, choice.found.how, choice.claims, None)
    task = get_task(choice.task)
    found = within_range(task, choice.found)
    scale = task.scale
    words = RestoredPhoto(task.name, photo.pixels, scale, found).describe_level() if scale else found.how
    expected, reason = None, None
    if found.strength > 0 or photo.mosaic is not None:
        about = _checkpoint(task.name, preset)
        if isinstance(about, str):
            reason = about
        else:
            expected = _forecast(about, photo, task.bf16)
    return Plan(task.name, found, words, choice.claims, expected, reason)


def _forecast(about: Checkpoint, photo: Photo, bf16: bool) -> Forecast:
    alpha = 0 if photo.alpha is None else photo.alpha.nbytes
    # Of a mosaic, three samples a pixel become.
    samples = photo.pixels.nbytes * (1 if photo.mosaic is None else 3)
    height, width = photo.pixels.shape[:2]
    return forecast(about.config, (height, width), samples + alpha, bf16, streams=is_scratch(photo.pixels))


@cache
def _checkpoint(task: str, preset: str) -> Checkpoint | str:
    """Return the metadata of a checkpoint on this machine, or the sentence why it is not there."""
    try:
        return read_metadata(here(find(task, preset))[0])
    except WeightsError as error:
        return str(error)
