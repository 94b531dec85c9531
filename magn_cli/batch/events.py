"""Events of a run, one or more for each picture."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from magn_cli.batch.targets import Job
from magn_cli.errors import MagnError
from magn_cli.images import Photo
from magn_cli.inference.restored_photo import RestoredPhoto

picture: ContextVar[Path | None] = ContextVar("picture", default=None)
"""The file that this thread is working on, for handlers that show the library's log messages."""

worker: ContextVar[str | None] = ContextVar("worker", default=None)
"""The worker of a cluster that a log message comes from."""


@dataclass(frozen=True)
class Working:
    """The network is working on a picture."""

    job: Job
    megapixels: float
    share: float
    """Share that is done, 0..1."""


@dataclass(frozen=True)
class Done:
    """A result was written."""

    job: Job
    before: Photo | None
    """The photo as it was read; None if it stayed on a worker."""

    restored: RestoredPhoto
    """Its pixels are empty if they stayed on a worker."""

    megapixels: float
    seconds: float
    """Time for reading, restoring and writing. It can include work on other pictures."""

    worker: str | None = None
    """The worker of a cluster that did it; None without a cluster."""


@dataclass(frozen=True)
class Failed:
    """A picture could not be restored."""

    source: Path
    error: MagnError
    job: Job | None = None
    """None if the input was not found."""

    worker: str | None = None
    """The worker of a cluster that tried; None without a cluster."""


@dataclass(frozen=True)
class Kept:
    """A result existed already."""

    job: Job


Event = Working | Done | Failed | Kept
