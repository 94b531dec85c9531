"""What a driver and its workers tell each other. Pictures are not among it: they stay on the workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from magn_cli.batch.journal import Origin
from magn_cli.errors import MagnError
from magn_cli.files import Store
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


@dataclass(frozen=True)
class WorkerSetup:
    """All that a worker needs to know once."""

    loader: Callable[[], NetworkLoader]
    """Finds the weights on the machine of the worker. Raises :class:`MagnError`."""

    level: Level
    options: WriteOptions
    store: Store
    folder: Path
    """The driver's working folder, to which relative paths refer."""

    log_level: int
    """Of the messages that the driver shows."""

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
    """A worker has loaded its network."""

    name: str
    """Name of its machine and number of its process."""

    magn: str
    """Its version."""

    weights: dict[str, str]
    """Their sha256 by task."""


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
