"""The interface of a restoration task, shared by training, ``degrade``, ``eval`` and ``restore``."""

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
    # magn --help reads the declarations of all tasks, so importing them must be fast.
    np, images = LazyModule("numpy"), LazyModule("magn_cli.images")

Pixels: TypeAlias = "NDArray[np.float32]"
"""``(H, W)`` gray or ``(H, W, 3)`` RGB, 0..1; not clipped where noise was added."""

Baseline: TypeAlias = "Callable[[Pixels, float | None], Pixels]"
"""Function from a degraded picture and its level to a restored picture, 0..1."""

Sample = TypeVar("Sample", bound="np.generic")


def as_rgb(pixels: NDArray[Sample]) -> NDArray[Sample]:
    """Return ``(H, W, 3)``: gray as three equal channels (a read-only view), colour unchanged."""
    return np.broadcast_to(pixels[..., None], (*pixels.shape, 3)) if pixels.ndim == 2 else pixels


@dataclass(frozen=True)
class PaperTable:
    """The paper's table for a task, and how its figures are measured (protocol ``paper``)."""

    number: str
    """Number of the table in Roman numerals."""

    sets: tuple[str, ...]
    """Names of the test sets, which are also the names of their folders."""

    levels: tuple[float | None, ...] = (None,)
    gray: Literal["luma", "gray"] | None = None
    """Conversion of colour to gray, see :mod:`magn_cli.images.gray`; None keeps colour."""

    input_name: str = ""
    """Name of the degraded input in the table; empty if the table does not have it."""

    rounded: bool = True
    """Round results to 8 bit before measuring; otherwise they are only clipped."""

    ssim: Literal["ssim_uniform", "ssim_gaussian"] = "ssim_gaussian"


@dataclass(frozen=True)
class Published:
    """A figure that somebody else has published for a test set."""

    method: str
    psnr: float
    """dB."""

    source: str
    """Where it is printed."""


@dataclass(frozen=True)
class PairSet:
    """A test set of real pictures, each with a clean picture of the same scene beside it."""

    name: str
    """Name of its folder."""

    degraded: str
    """How the name of a degraded picture ends, before the suffix; a clean one has ``clean`` in its place."""

    clean: str
    published: tuple[Published, ...] = ()


class Need(IntEnum):
    """How much a photo needs a task."""

    NONE = 0
    PRESENT = 1
    """The photo has the degradation that the task removes."""

    DOMINANT = 2
    """The photo has this degradation, and it hides those of other tasks."""


@dataclass(frozen=True)
class Claim:
    """Answer of a task to a photo under ``--task auto``."""

    need: Need
    found: FoundLevel
    """Level for the task. Without a need, its ``how`` says what was found instead, if anything."""


@dataclass(frozen=True)
class ValidationCase:
    """An additional degradation to validate on, besides :attr:`Task.validation_levels`."""

    name: str
    """Name of the column in the log: ``psnr_<name>``."""

    level: float
    """Level given to the network, in the task's units."""

    degrade: Callable[[Pixels, np.random.Generator], Pixels]
    """Function from a clean picture ``(H, W, 3)``, 0..1, to a degraded one of the same shape."""


class Projection(Protocol):
    """Moves a restored picture to the nearest one that its file does not contradict."""

    rows: int
    """Strips begin at multiples of this many rows."""

    def rounded(self, values: Pixels, first_row: int) -> NDArray[np.uint8]:
        """Return 8-bit pixels from a strip of the picture as its file stores it, 0..1, not clipped."""


@dataclass(frozen=True)
class TrainingPair:
    """A degraded picture and its clean original, to train on."""

    clean: Pixels
    degraded: Pixels
    level: float | None
    """In the task's units; None if it has none."""

    options: dict[str, Any]
    """Options for :meth:`Task.network_input`."""

    noisier: Pixels | None = None
    """Where ``level`` is more than was done to ``degraded``: the picture degraded more. What the network makes of
    it is then the target."""

    noisier_level: float | None = None
    """What the network is told with :attr:`noisier`; None where there is none."""


class Task(ABC):
    """One kind of degradation: how it is made, found and removed.

    Only ``name``, ``title``, ``summary``, :meth:`degrade` and :meth:`find_level` are required. CONTRIBUTING.md
    shows a complete example.
    """

    name: ClassVar[str]
    """Name for ``--task``, folders and checkpoints: lower-case letters, digits and hyphens."""

    title: ClassVar[str]
    """Title for headings, such as ``"Denoising"``."""

    summary: ClassVar[str]
    """What its networks do, as the end of a sentence: ``"removes noise from photographs"``."""

    # Levels.

    scale: ClassVar[LevelScale | None] = None
    """Range of the levels; None if the task has no level."""

    whole_levels: ClassVar[bool] = False
    """Allow only whole numbers as levels."""

    levels: ClassVar[tuple[float, ...]] = ()
    """Levels to validate on. If empty: those of the paper's table, or else the middle of the scale."""

    control_levels: ClassVar[tuple[float, ...]] = ()
    """Levels given to the network at validation to measure how its change grows with them. Empty if the level is a
    property of the picture and not a control."""

    control_degraded_at: ClassVar[float] = 0.0
    """Level of the degraded picture for that measurement."""

    paper: ClassVar[PaperTable | None] = None
    """The paper's table; None if there is none."""

    pair_sets: ClassVar[tuple[PairSet, ...]] = ()
    """Test sets of real pictures for ``magn eval --set``, measured in 8 bit."""

    # Its own options.

    degrade_options: ClassVar[tuple[Option, ...]] = ()
    """Keyword arguments of :meth:`degrade`, and options of ``magn degrade`` and ``magn eval``."""

    pair_options: ClassVar[tuple[Option, ...]] = ()
    """Settings in ``[pairs]`` of a recipe, available as :attr:`PairOptions.own`."""

    restore_options: ClassVar[tuple[Option, ...]] = ()
    """Keyword arguments of :meth:`network_input` and :meth:`margin`, and options of ``magn restore``."""

    # Pictures.

    alignment: ClassVar[int] = 1
    """Grid of the degradation in pixels. Crops and windows start at its multiples."""

    keeps_bayer_phase: ClassVar[bool] = False
    """The input is a Bayer mosaic. Neighbours have other colours, so borders are only padded by reflection, and
    transparent pixels are not filled in."""

    variants: ClassVar[tuple[str, ...]] = ()
    """Kinds of photo for which a registry can have a network of their own, as preset ``<preset>-<variant>``."""

    mosaics: ClassVar[bool] = False
    """Accept sensor mosaics, which other tasks refuse."""

    blends: ClassVar[bool] = True
    """Allow a share of the change to be applied (``--strength``). False if the input is not a picture yet."""

    needs_colour: ClassVar[bool] = False
    """Require colour pictures, because degrading gray ones would be meaningless."""

    # Degraded sets.

    suffix: ClassVar[str] = ".png"
    """Suffix of the files in a degraded set, with its dot."""

    random: ClassVar[bool] = False
    """The degradation is random, so that it depends on the seed."""

    # Training, evaluation and use.

    gray_share: ClassVar[float] = 0.25
    """Default share of gray training pairs."""

    baselines: ClassVar[Mapping[str, Baseline]] = {}
    """Other methods to compare with, by name; :meth:`run_baseline` runs them."""

    blocking: ClassVar[bool] = False
    """Measure PSNR-B, which takes blocking into account."""

    bf16: ClassVar[bool] = True
    """Computing in bf16 changes results by less than 0.01 dB, so ``--precision auto`` can choose it."""

    darktable: ClassVar[str | None] = None
    """Task of darktable's neural restore that its networks serve; None if there is none."""

    joins_auto: ClassVar[bool] = False
    """Take part in ``--task auto`` with :meth:`claim`."""

    @abstractmethod
    def degrade(self, clean: Pixels, level: float | None, rng: np.random.Generator, **options: Any) -> Pixels:
        """Degrade a clean picture.

        Args:
            clean: ``(H, W)`` or ``(H, W, 3)`` of any size, 0..1.
            level: in the task's units; None if the task has none.
            rng: random generator.
            options: the task's ``degrade_options``.
        """

    @abstractmethod
    def find_level(self, photo: images.Photo) -> FoundLevel:
        """Read the level of a photo from its file, or estimate it."""

    def strength(self, level: float) -> float:
        """Return the share of the change to apply at a found level, 0..1; below 1 for slight degradations."""
        return 1.0

    def variant(self, photo: images.Photo) -> str:
        """Return which of :attr:`variants` suits a photo, "" for none; called if there are any."""
        return ""

    def claim(self, photo: images.Photo) -> Claim:
        """Return how much a photo needs this task; called if :attr:`joins_auto` is True.

        :mod:`magn_cli.analysis.findings` computes each finding about a photo only once for all tasks.
        """
        return Claim(Need.NONE, FoundLevel(None, ""))

    # Levels in words.

    def level_text(self, level: float | None) -> str:
        """Return the level for names of folders and tables, such as ``25`` or ``12.5``; empty for None."""
        return level_text(level)

    def level_words(self, level: float | None) -> str:
        """Return the level with its name, such as ``sigma 25``; empty for None."""
        return "" if self.scale is None or level is None else f"{self.scale.name} {level:g}"

    @property
    def validation_levels(self) -> tuple[float | None, ...]:
        """Levels that training validates on."""
        if self.levels:
            return self.levels
        if self.paper is not None:
            return self.paper.levels
        return (None,) if self.scale is None else ((self.scale.low + self.scale.high) / 2,)

    def card_rows(self, scale: LevelScale | None, pairs: Mapping[str, Any]) -> dict[str, str]:
        """Return the task's rows for the table in a model card.

        Args:
            scale: level scale of the checkpoint; None if its network takes no level.
            pairs: ``[pairs]`` of the recipe; empty if not recorded.
        """
        given = "given" if not pairs.get("unknown", 1.0) else "given or unknown"
        return {"level": "none" if scale is None else f"{scale.name} {scale.low:g}-{scale.high:g}, {given}"}

    # Options.

    def options(self, use: Use) -> tuple[Option, ...]:
        """Return the options that the task declares for a use."""
        return {"degrade": self.degrade_options, "pairs": self.pair_options, "restore": self.restore_options}[use]

    def settings(self, use: Use, given: Mapping[str, Any], complete: bool = True) -> dict[str, Any]:
        """Check options and return them.

        Args:
            use: what the options are for.
            given: options by name.
            complete: add the defaults of all other options.

        Raises:
            UsageError: an option is unknown, or its value is invalid.
        """
        known = {option.name: option for option in self.options(use)}
        for name, value in given.items():
            if name not in known:
                raise UsageError(f"unknown setting {name!r} for {self.name}: check its spelling.")
            known[name].check(value)
        defaults = {name: option.default for name, option in known.items()} if complete else {}
        return {**defaults, **given}

    def pairs(self, **values: Any) -> PairOptions:
        """Return the settings for drawing training pairs, completed with the task's defaults.

        Args:
            values: fields of :class:`PairOptions` and the task's ``pair_options``.

        Raises:
            UsageError: a setting is unknown, or its value is invalid.
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
        """Return the content of a file in a degraded set: its bytes, or samples to encode as :attr:`suffix`.

        Args:
            clean: ``(H, W)`` or ``(H, W, 3)``, 0..1.
            level: in the task's units; None if the task has none.
            rng: random generator.
            dtype: sample type of the clean file.
            options: the task's ``degrade_options``.

        Raises:
            ImageError: the picture is too large for the format.
        """
        return images.from_float(self.degrade(clean, level, rng, **options), dtype)

    def run_baseline(self, baseline: Baseline, degraded: Pixels, level: float | None, **options: Any) -> Pixels:
        """Run a baseline on a picture that was degraded with ``options``."""
        return baseline(degraded, level)

    # What the network sees and gives.

    def photo_options(self, photo: images.Photo, **options: Any) -> dict[str, Any]:
        """Return the options for one photo, completed with information from its file.

        Raises:
            ImageError: the photo is a sensor mosaic, which this task does not accept, or an option contradicts the
                file.
        """
        if photo.mosaic is not None:
            raise ImageError(f"the picture is a sensor mosaic; {images.NEEDS_DEMOSAIC}.")
        return options

    def network_input(self, pixels: NDArray[Sample], **options: Any) -> NDArray[Sample]:
        """Return the input of the network, ``(H, W, 3)``, of the same type; gray becomes three equal channels."""
        return as_rgb(pixels)

    def margin(self, **options: Any) -> tuple[int, int]:
        """Return the number of rows on top and columns on the left that :meth:`network_input` adds."""
        return 0, 0

    def turned(self, turn: Callable[[NDArray[Any]], NDArray[Any]], **options: Any) -> dict[str, Any]:
        """Return the options for a picture after ``turn``, a dihedral transform.

        The sides of the picture are multiples of :attr:`alignment`.
        """
        return options

    def bounded(self, restored: Pixels, network_input: NDArray[Sample], start: int, level: float | None) -> Pixels:
        """Return rows of the network's output, without values that the input around them rules out.

        Args:
            restored: ``(rows, W, C)``, not clipped.
            network_input: the whole ``(H, W, C)`` that :meth:`network_input` returned.
            start: the first of the rows.
            level: what the network was told, in the task's units.
        """
        return restored

    def network_output(self, restored: Pixels, gray: bool) -> Pixels:
        """Convert rows of the network's output to rows of the result.

        Args:
            restored: ``(H, W, 3)``.
            gray: the picture was ``(H, W)``, so the result is the mean of the three channels.
        """
        return restored.mean(axis=-1) if gray else restored

    def projection(self, photo: images.Photo, level: float | None) -> Projection | None:
        """Return what makes a restored photo agree with its file; None: the file says nothing beyond its pixels.

        ``level``: what the network is told.
        """
        return None

    # Training pairs.

    def training_level(self, rng: np.random.Generator, pairs: PairOptions) -> float | None:
        """Draw a level for a training pair, uniformly from the range.

        Raises:
            UsageError: the range in ``pairs`` exceeds the task's.
        """
        if self.scale is None:
            return None
        low, high = (self.scale.check(level) for level in pairs.levels or (self.scale.low, self.scale.high))
        return float(rng.uniform(low, high))

    def training_pair(self, clean: Pixels, rng: np.random.Generator, pairs: PairOptions) -> TrainingPair:
        """Degrade a clean crop for training, with level and options drawn from ``rng``."""
        level = self.training_level(rng, pairs)
        options = self.training_options(rng, pairs)
        shown = {option.name for option in self.restore_options}
        known = {name: value for name, value in options.items() if name in shown}
        return TrainingPair(clean, self.degrade(clean, level, rng, **options), level, known)

    def tells_more(self, pairs: PairOptions) -> bool:
        """Return whether some of such training pairs have a :attr:`TrainingPair.noisier` picture."""
        return False

    def validation_cases(self, pairs: PairOptions) -> tuple[ValidationCase, ...]:
        """Return additional cases to validate on for networks trained on such pairs."""
        return ()

    def training_options(self, rng: np.random.Generator, pairs: PairOptions) -> dict[str, Any]:
        """Draw options of :meth:`degrade` for a training pair."""
        return {}
