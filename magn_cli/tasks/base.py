"""What a restoration task is: training, ``degrade``, ``eval`` and ``restore`` all ask the same object."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from magn_cli.errors import ImageError, UsageError
from magn_cli.images import NEEDS_DEMOSAIC, Photo

Pixels = NDArray[np.float32]
"""``(H, W)`` gray or ``(H, W, 3)`` RGB, 0..1; not clipped where noise was added."""

Sample = TypeVar("Sample", bound=np.generic)


def as_rgb(pixels: NDArray[Sample]) -> NDArray[Sample]:
    """Return ``(H, W, 3)``: gray as three equal channels (a view, not to be written to), colour as it is."""
    return np.broadcast_to(pixels[..., None], (*pixels.shape, 3)) if pixels.ndim == 2 else pixels


@dataclass(frozen=True)
class LevelScale:
    """The range of a task's level and how a network is told it: ``offset + factor * level``.

    It travels in each checkpoint's metadata, so that weights say themselves what their level channel holds.
    """

    name: str
    """The field's word for it: ``sigma`` (of 255) or ``quality`` (of Pillow's JPEG encoder)."""

    low: float
    high: float
    offset: float
    factor: float

    def to_network(self, level: float) -> float:
        """Return the number for the level channel."""
        return self.offset + self.factor * level

    def check(self, level: float) -> float:
        """Return ``level``, or raise :class:`UsageError` where it is outside ``low..high``."""
        if not self.low <= level <= self.high:
            raise UsageError(
                f"{self.name} {level:g} is out of range; give a number from {self.low:g} to {self.high:g}."
            )
        return level

    def nearest(self, level: float) -> float:
        """Return ``level`` moved into ``low..high``."""
        return min(max(level, self.low), self.high)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> LevelScale:
        """Read what :meth:`to_dict` wrote. Raises ``ValueError`` or ``TypeError`` for anything else."""
        name, *numbers = (values[key] for key in ("name", "low", "high", "offset", "factor"))
        return cls(str(name), *(float(number) for number in numbers))


@dataclass(frozen=True)
class FoundLevel:
    """A level read or estimated from a picture."""

    level: float | None
    """None: nothing could be found, the network is told "unknown"."""

    how: str
    """Where it comes from, in words for the user: ``"from the file's quantization tables"``."""

    strength: float = 1.0
    """Share of the network's change that is applied, 0..1: less where a picture is hardly degraded at all."""


@dataclass(frozen=True)
class PairOptions:
    """How training pairs are drawn. Raises :class:`UsageError` where a setting makes no sense."""

    gray: float = 0.25
    """Share of pairs made gray."""

    unknown: float = 0.0
    """Share of pairs whose level the network is not told."""

    camera: float = 0.5
    """Share of noisy pairs with the noise of a camera, not white noise."""

    levels: tuple[float, ...] = ()
    """Lowest and highest level (sigma, or JPEG quality); empty: the whole range of the task."""

    subsampling: tuple[str, ...] = (*["4:2:0"] * 5, *["4:4:4"] * 4, "4:2:2")
    """Of JPEG's colour: drawn from this list, so what stands in it more often comes more often."""

    twice: float = 0.0
    """Share of JPEG pairs that were a JPEG of another quality before, on another 8x8 grid half of the time."""

    def __post_init__(self) -> None:
        for name in ("gray", "unknown", "camera", "twice"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} {getattr(self, name)} makes no sense; give a share from 0 to 1.")
        if len(self.levels) not in (0, 2) or (self.levels and self.levels[0] > self.levels[1]):
            raise UsageError(f"levels {list(self.levels)} makes no sense; give a lowest and a highest level.")
        if not self.subsampling:
            raise UsageError("subsampling is an empty list; name at least one, such as 4:2:0.")


@dataclass(frozen=True)
class TrainingPair:
    """What a network learns from: a degraded picture and what it should become."""

    clean: Pixels
    degraded: Pixels
    level: float | None
    """In the task's units; None where it has none."""

    options: dict[str, Any]
    """That it was degraded with."""


@dataclass(frozen=True)
class ValidationCase:
    """Something that training validates on beside the levels of the paper's table."""

    name: str
    """Its column in the log is ``psnr_<name>``."""

    level: float
    """Told to the network, in the task's units."""

    degrade: Callable[[Pixels, np.random.Generator], Pixels]
    """From a clean picture ``(H, W, 3)``, 0..1, to a degraded one of the same shape."""


class Task(ABC):
    """One way in which photographs are degraded, and what restoring them needs to know."""

    name: ClassVar[str]
    scale: ClassVar[LevelScale | None] = None
    """None: the task has no level."""

    alignment: ClassVar[int] = 1
    """Grid of the degradation in pixels: crops and windows start at multiples of it (Bayer 2, JPEG 8)."""

    paper_levels: ClassVar[tuple[float | None, ...]] = (None,)
    """The levels of the paper's table, on which training validates."""

    control_levels: ClassVar[tuple[float, ...]] = ()
    """Levels told to the network at validation, to see how its change grows with them; empty where a level is a
    property of the picture and no control."""

    control_degraded_at: ClassVar[float] = 0.0
    """Level of the picture on which that is measured."""

    gray_share: ClassVar[float] = 0.25
    """Share of training pairs that are gray, unless told otherwise."""

    bf16: ClassVar[bool] = True
    """Whether computing in bf16 moves results by less than 0.01 dB, so that it may be chosen unasked."""

    mosaics: ClassVar[bool] = False
    """Whether it is done to the mosaics of sensors, which others refuse."""

    options: ClassVar[frozenset[str]] = frozenset()
    """Names of the options of :meth:`network_input` and :meth:`margin`."""

    @abstractmethod
    def degrade(self, clean: Pixels, level: float | None, rng: np.random.Generator, **options: Any) -> Pixels:
        """Degrade a clean picture of any size; ``level`` in the task's own units, None where it has none."""

    def strength(self, level: float) -> float:
        """Return the share of the change to apply for a found level, 0..1; below 1 for hardly degraded ones."""
        return 1.0

    @abstractmethod
    def find_level(self, photo: Photo) -> FoundLevel:
        """Read or estimate the level of a picture as it came from its file."""

    def photo_options(self, photo: Photo, **options: Any) -> dict[str, Any]:
        """Return the options for one photo, with what its file says.

        Raises :class:`ImageError` where it holds the mosaic of a sensor and this task wants a picture, or where
        an option contradicts it.
        """
        if photo.mosaic is not None:
            raise ImageError(f"the picture is the mosaic of a sensor; {NEEDS_DEMOSAIC}.")
        return options

    def network_input(self, pixels: NDArray[Sample], **options: Any) -> NDArray[Sample]:
        """Return what the network sees, ``(H, W, 3)``, of the same type; gray enters as three equal channels."""
        return as_rgb(pixels)

    def margin(self, **options: Any) -> tuple[int, int]:
        """Return how many rows on top and columns on the left :meth:`network_input` adds."""
        return 0, 0

    def turned(self, turn: Callable[[NDArray[Any]], NDArray[Any]], **options: Any) -> dict[str, Any]:
        """Return the options for a picture that ``turn`` was done to; its sides are multiples of the grid."""
        return options

    def network_output(self, restored: Pixels, gray: bool) -> Pixels:
        """Return rows of the result from what the network made of them, ``(H, W, 3)``.

        ``gray``: whether the picture came in as ``(H, W)``; if so it leaves as the mean of the three channels.
        """
        return restored.mean(axis=-1) if gray else restored

    def training_level(self, rng: np.random.Generator, pairs: PairOptions) -> float | None:
        """Draw a level for a training pair, uniform over the range.

        Raises :class:`UsageError` where that is outside the task's.
        """
        if self.scale is None:
            return None
        low, high = (self.scale.check(level) for level in pairs.levels or (self.scale.low, self.scale.high))
        return float(rng.uniform(low, high))

    def training_pair(self, clean: Pixels, rng: np.random.Generator, pairs: PairOptions) -> TrainingPair:
        """Degrade a clean crop as training wants it, all drawn from ``rng``."""
        level = self.training_level(rng, pairs)
        options = self.training_options(rng, pairs)
        return TrainingPair(clean, self.degrade(clean, level, rng, **options), level, options)

    def validation_cases(self, pairs: PairOptions) -> tuple[ValidationCase, ...]:
        """Return what to validate on beside :attr:`paper_levels`, for a network trained on such pairs."""
        return ()

    def training_options(self, rng: np.random.Generator, pairs: PairOptions) -> dict[str, Any]:
        """Draw the other options of :meth:`degrade` for a training pair."""
        return {}
