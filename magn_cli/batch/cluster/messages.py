"""What a driver and its workers tell each other. Pictures are not among it: they stay on the workers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from magn_cli.batch.journal import Origin
from magn_cli.errors import MagnError
from magn_cli.files import LOCAL, Store
from magn_cli.images import WriteOptions
from magn_cli.inference.options import Level
from magn_cli.inference.restored_photo import PhotoNetwork, RestoredPhoto
from magn_cli.weights.resolve import ResolvedWeights


class NetworkLoader(Protocol):
    """What a worker gets its network from: :class:`~magn_cli.api.loading.Loader`."""

    @property
    def weights(self) -> Mapping[str, ResolvedWeights]:
        """The weights by task."""

    def load(self) -> PhotoNetwork:
        """Load the network."""


def _log_level() -> int:
    return logging.getLogger("magn_cli").getEffectiveLevel()


@dataclass(frozen=True, kw_only=True)
class WorkerSetup:
    """All that a worker needs to know once; made on the driver."""

    store: Store = LOCAL
    folder: Path = field(default_factory=Path.cwd)
    """The driver's working folder, to which relative paths refer."""

    log_level: int = field(default_factory=_log_level)
    """Of the messages that the driver shows."""


@dataclass(frozen=True, kw_only=True)
class RestoreSetup(WorkerSetup):
    """The same for a worker that restores."""

    loader: Callable[[], NetworkLoader]
    """Finds the weights on the machine of the worker. Raises :class:`MagnError`."""

    level: Level
    options: WriteOptions
    max_pixels: int | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Told:
    """A message of the library."""

    level: int
    text: str
    source: Path | None
    """The picture that it is about."""


@dataclass(frozen=True)
class Answer:
    """What every answer has."""

    told: list[Told] = field(kw_only=True, default_factory=list)


@dataclass(frozen=True)
class Started(Answer):
    """A worker is ready to work: a network is loaded."""

    name: str
    """Name of its machine and number of its process."""

    magn: str
    """Its version."""

    weights: dict[str, str]
    """Their sha256 by task."""

    facts: Any = None
    """What the driver has to know of what was loaded."""


@dataclass(frozen=True)
class Restored(Answer):
    """A result waits on its worker to be written."""

    bytes: int
    sha256: str
    origin: Origin
    restored: RestoredPhoto
    """Without its pixels."""

    megapixels: float
    seconds: float


@dataclass(frozen=True)
class Written(Answer):
    """A result has its name."""

    seconds: float


@dataclass(frozen=True)
class Refused(Answer):
    """Something went wrong, and the worker goes on."""

    error: MagnError
    ends_run: bool = False
    """Everything else would fail in the same way."""
