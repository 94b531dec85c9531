"""What a restoration task is: training, ``degrade``, ``eval`` and ``restore`` all ask the same object."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias, TypeVar

from magn_cli.errors import ImageError, UsageError
from magn_cli.runtime.lazy import LazyModule
from magn_cli.tasks.levels import FoundLevel, LevelScale, level_text
from magn_cli.tasks.options import Option, PairOptions, Use

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from magn_cli import images
else:
    # magn --help reads what all tasks declare, and is quick.
    np, images = LazyModule("numpy"), LazyModule("magn_cli.images")

Pixels: TypeAlias = "NDArray[np.float32]"
"""``(H, W)`` gray or ``(H, W, 3)`` RGB, 0..1; not clipped where noise was added."""

Baseline: TypeAlias = "Callable[[Pixels, float | None], Pixels]"
"""Takes what was degraded and its level; gives back a picture, 0..1."""

Sample = TypeVar("Sample", bound="np.generic")


def as_rgb(pixels: NDArray[Sample]) -> NDArray[Sample]:
    """Return ``(H, W, 3)``: gray as three equal channels (a view, not to be written to), colour as it is."""
    return np.broadcast_to(pixels[..., None], (*pixels.shape, 3)) if pixels.ndim == 2 else pixels


@dataclass(frozen=True)
class PaperTable:
    """The paper's table for a task and how its figures are measured (protocol ``paper``)."""

    number: str
    """Roman."""

    sets: tuple[str, ...]
    """Names of the test sets, by which their folders are found."""

    levels: tuple[float | None, ...] = (None,)
    gray: Literal["luma", "gray"] | None = None
    """How gray is made of colour, see :mod:`magn_cli.images.gray`; None: colour stays."""

    input_name: str = ""
    """What the table calls the degraded input; empty: it does not print it."""

    rounded: bool = True
    """Whether results are rounded to 8 bit before they are measured; else they are clipped only."""

    ssim: Literal["ssim_uniform", "ssim_gaussian"] = "ssim_gaussian"


class Need(IntEnum):
    """How much a photo needs a task."""

    NONE = 0
    PRESENT = 1
    """What the task removes is there."""

    DOMINANT = 2
    """It is there, and covers what other tasks would remove."""


@dataclass(frozen=True)
class Claim:
    """What a task says to a photo under ``--task auto``."""

    need: Need
    found: FoundLevel
    """The level for the task. Where there is no need, ``how`` says what was seen instead, if anything."""


@dataclass(frozen=True)
class ValidationCase:
    """Something that training validates on beside :attr:`Task.validation_levels`."""

    name: str
    """Its column in the log is ``psnr_<name>``."""

    level: float
    """Told to the network, in the task's units."""

    degrade: Callable[[Pixels, np.random.Generator], Pixels]
    """From a clean picture ``(H, W, 3)``, 0..1, to a degraded one of the same shape."""


class Projection(Protocol):
    """Moves a restored picture to the nearest one that its file does not contradict."""

    rows: int
    """Strips begin at multiples of this many rows."""

    def rounded(self, values: Pixels, first_row: int) -> NDArray[np.uint8]:
        """Return 8-bit pixels from a strip of the picture as its file stores it, 0..1, not clipped."""


@dataclass(frozen=True)
class TrainingPair:
    """What a network learns from: a degraded picture and what it should become."""

    clean: Pixels
    degraded: Pixels
    level: float | None
    """In the task's units; None where it has none."""

    options: dict[str, Any]
    """That :meth:`Task.network_input` needs to know of it."""


class Task(ABC):
    """One way in which photographs are degraded, and all that any command needs to know of it."""

    name: ClassVar[str]
    """For ``--task``, folders and checkpoints: small letters, digits and hyphens."""

    title: ClassVar[str]
    """In words, for headings: ``"Denoising"``."""

    summary: ClassVar[str]
    """What its networks do, to follow their name: ``"removes noise from photographs"``."""

    # Levels.

    scale: ClassVar[LevelScale | None] = None
    """None: the task has no level."""

    whole_levels: ClassVar[bool] = False
    """Whether only whole numbers are levels."""

    levels: ClassVar[tuple[float, ...]] = ()
    """On which training validates; empty: those of the paper's table, else the middle of the scale."""

    control_levels: ClassVar[tuple[float, ...]] = ()
    """Levels told to the network at validation, to see how its change grows with them; empty where a level is a
    property of the picture and no control."""

    control_degraded_at: ClassVar[float] = 0.0
    """Level of the picture on which that is measured."""

    paper: ClassVar[PaperTable | None] = None
    """None: the paper has no table for it."""

    # Its own options.

    degrade_options: ClassVar[tuple[Option, ...]] = ()
    """Keyword arguments of :meth:`degrade`, and options of ``magn degrade`` and ``magn eval``."""

    pair_options: ClassVar[tuple[Option, ...]] = ()
    """Settings of ``[pairs]`` in a recipe; :attr:`PairOptions.own` holds them."""

    restore_options: ClassVar[tuple[Option, ...]] = ()
    """Keyword arguments of :meth:`network_input` and :meth:`margin`, and options of ``magn restore``."""

    # Pictures.

    alignment: ClassVar[int] = 1
    """Grid of the degradation in pixels: crops and windows start at multiples of it."""

    keeps_bayer_phase: ClassVar[bool] = False
    """Whether the input is a Bayer mosaic: neighbours have other colours, so borders are continued by reflection
    alone and nothing is filled in."""

    mosaics: ClassVar[bool] = False
    """Whether it is done to the mosaics of sensors, which others refuse."""

    blends: ClassVar[bool] = True
    """Whether a share of the change can be applied (``--strength``); not where the input is no picture yet."""

    needs_colour: ClassVar[bool] = False
    """Whether a gray picture cannot be degraded in a meaningful way."""

    # Degraded sets.

    suffix: ClassVar[str] = ".png"
    """Of a degraded set's files, with its dot."""

    random: ClassVar[bool] = False
    """Whether the seed decides anything."""

    # Training, evaluation and use.

    gray_share: ClassVar[float] = 0.25
    """Share of training pairs that are gray, unless told otherwise."""

    baselines: ClassVar[Mapping[str, Baseline]] = {}
    """Methods to compare with, by name; run by :meth:`run_baseline`."""

    blocking: ClassVar[bool] = False
    """Whether PSNR-B, which counts blocks, is measured."""

    bf16: ClassVar[bool] = True
    """Whether computing in bf16 moves results by less than 0.01 dB, so that it may be chosen unasked."""

    joins_auto: ClassVar[bool] = False
    """Whether ``--task auto`` asks its :meth:`claim`."""

    @abstractmethod
    def degrade(self, clean: Pixels, level: float | None, rng: np.random.Generator, **options: Any) -> Pixels:
        """Degrade a clean picture of any size; ``level`` in the task's own units, None where it has none."""

    @abstractmethod
    def find_level(self, photo: images.Photo) -> FoundLevel:
        """Read or estimate the level of a picture as it came from its file."""

    def strength(self, level: float) -> float:
        """Return the share of the change to apply for a found level, 0..1; below 1 for hardly degraded ones."""
        return 1.0

    def claim(self, photo: images.Photo) -> Claim:
        """Return how much a photo needs this task; asked where :attr:`joins_auto`.

        What :mod:`magn_cli.analysis.findings` sees in a photo is computed once for all tasks.
        """
        return Claim(Need.NONE, FoundLevel(None, ""))

    # Levels in words.

    def level_text(self, level: float | None) -> str:
        """Return the number as in folders and tables: ``25`` or ``12.5``; nothing for None."""
        return level_text(level)

    def level_words(self, level: float | None) -> str:
        """Return the level with the field's word for it: ``sigma 25``; nothing for None."""
        return "" if self.scale is None or level is None else f"{self.scale.name} {level:g}"

    @property
    def validation_levels(self) -> tuple[float | None, ...]:
        """The levels on which training validates."""
        if self.levels:
            return self.levels
        if self.paper is not None:
            return self.paper.levels
        return (None,) if self.scale is None else ((self.scale.low + self.scale.high) / 2,)

    def card_rows(self, scale: LevelScale | None, pairs: Mapping[str, Any]) -> dict[str, str]:
        """Return what a model card says of the task, as rows of its table.

        Args:
            scale: of the checkpoint; None: its network takes no level.
            pairs: the recipe's ``[pairs]``, empty where it is not recorded.
        """
        given = "given" if not pairs.get("unknown", 1.0) else "given or unknown"
        return {"level": "none" if scale is None else f"{scale.name} {scale.low:g}-{scale.high:g}, {given}"}

    # Options.

    def options(self, use: Use) -> tuple[Option, ...]:
        """Return the options that the task declares for a use."""
        return {"degrade": self.degrade_options, "pairs": self.pair_options, "restore": self.restore_options}[use]

    def settings(self, use: Use, given: Mapping[str, Any], complete: bool = True) -> dict[str, Any]:
        """Check options and return them, with the defaults of the others unless ``complete`` is False.

        Raises :class:`UsageError` for an unknown name or a value that makes no sense.
        """
        known = {option.name: option for option in self.options(use)}
        for name, value in given.items():
            if name not in known:
                raise UsageError(f"there is no setting {name!r} for {self.name}; check its spelling.")
            known[name].check(value)
        defaults = {name: option.default for name, option in known.items()} if complete else {}
        return {**defaults, **given}

    def pairs(self, **values: Any) -> PairOptions:
        """Return how training pairs are drawn, with this task's defaults where nothing is given.

        Args:
            values: fields of :class:`PairOptions` and options of the task.

        Raises:
            UsageError: an unknown name or a value that makes no sense.
        """
        common = {field.name for field in fields(PairOptions)} - {"own"}
        own = self.settings("pairs", {name: v for name, v in values.items() if name not in common})
        chosen = {name: v for name, v in values.items() if name in common}
        return PairOptions(**{"gray": self.gray_share, **chosen}, own=own)

    # Degraded sets and evaluation.

    def degraded_file(
        self,
        clean: Pixels,
        level: float | None,
        rng: np.random.Generator,
        dtype: np.dtype[Any],
        **options: Any,
    ) -> bytes | images.Array:
        """Return what goes into a degraded set's file: its bytes, or samples for a file of :attr:`suffix`.

        ``dtype``: the clean file's samples. Raises :class:`ImageError` for a picture larger than the format can
        hold.
        """
        return images.from_float(self.degrade(clean, level, rng, **options), dtype)

    def run_baseline(self, baseline: Baseline, degraded: Pixels, level: float | None, **options: Any) -> Pixels:
        """Run a baseline on what was degraded with ``options``."""
        return baseline(degraded, level)

    # What the network sees and gives.

    def photo_options(self, photo: images.Photo, **options: Any) -> dict[str, Any]:
        """Return the options for one photo, with what its file says.

        Raises :class:`ImageError` where it holds the mosaic of a sensor and this task wants a picture, or where
        an option contradicts it.
        """
        if photo.mosaic is not None:
            raise ImageError(f"the picture is the mosaic of a sensor; {images.NEEDS_DEMOSAIC}.")
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

    def projection(self, photo: images.Photo, level: float | None) -> Projection | None:
        """Return what makes a restored photo agree with its file; None: the file says nothing beyond its pixels.

        ``level``: what the network is told.
        """
        return None

    # Training pairs.

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
        shown = {option.name for option in self.restore_options}
        known = {name: value for name, value in options.items() if name in shown}
        return TrainingPair(clean, self.degrade(clean, level, rng, **options), level, known)

    def validation_cases(self, pairs: PairOptions) -> tuple[ValidationCase, ...]:
        """Return what to validate on beside :attr:`validation_levels`, for a network trained on such pairs."""
        return ()

    def training_options(self, rng: np.random.Generator, pairs: PairOptions) -> dict[str, Any]:
        """Draw the options of :meth:`degrade` for a training pair."""
        return {}
