"""What happens in a run, one picture after the other."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from magn_cli.batch.targets import Job
from magn_cli.errors import MagnError
from magn_cli.images import Photo
from magn_cli.inference.restored_photo import RestoredPhoto

picture: ContextVar[Path | None] = ContextVar("picture", default=None)
"""The file that this thread is at work on, for whoever shows what the library logs."""


@dataclass(frozen=True)
class Working:
    """The network is at work on a picture."""

    job: Job
    megapixels: float
    share: float
    """What is done of it, 0..1."""


@dataclass(frozen=True)
class Done:
    """A result has its name."""

    job: Job
    before: Photo
    """As it was read."""

    restored: RestoredPhoto
    megapixels: float
    seconds: float
    """Of reading, network and writing together; parts of other pictures may have been done meanwhile."""


@dataclass(frozen=True)
class Failed:
    """There is no result of a picture."""

    source: Path
    error: MagnError
    job: Job | None = None
    """None: it was not found in the first place."""


@dataclass(frozen=True)
class Kept:
    """A result was there already."""

    job: Job


Event = Working | Done | Failed | Kept
