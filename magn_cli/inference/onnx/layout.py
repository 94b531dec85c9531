"""What a network takes and gives: which input is the picture, its axes, its range, and how the level is fed."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from magn_cli.errors import UsageError, WeightsError
from magn_cli.files import structured
from magn_cli.inference.onnx.file import OnnxFile
from magn_cli.inference.onnx.session import Session
from magn_cli.limits import check_range
from magn_cli.tasks import LevelScale

Axes = Literal["nchw", "nhwc"]

TYPES: dict[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(double)": np.dtype(np.float64),
    "tensor(uint8)": np.dtype(np.uint8),
}
"""Types of pictures."""

MIN_TILE, MAX_TILE = 16, 4096
TILE, OVERLAP = 512, 64
"""Side and overlap of tiles, where nobody says otherwise."""

MAX_MULTIPLE = 256
METADATA = "magn."
"""Start of the keys under which ``magn export`` writes metadata."""

_FORMULA = re.compile(r"(?:(?P<start>\d+(?:\.\d+)?)-)?level(?:/(?P<by>\d+(?:\.\d+)?))?")


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the user says of networks; None where it is to be found out.

    Raises :class:`UsageError` for values that are out of range.
    """

    value_range: float | None = None
    """Value of white: 1 or 255, for example."""

    axes: str | None = None
    """``nchw`` or ``nhwc``."""

    level: str | None = None
    """What the level input takes, such as ``level/255`` or ``1-level/100``."""

    multiple: int | None = None
    """Number of pixels that must divide height and width."""

    tile: int | None = None
    """Side of the tiles that larger pictures are cut into."""

    overlap: int | None = None
    """Pixels that neighbouring tiles share."""

    def __post_init__(self) -> None:
        if self.value_range is not None:
            check_range("--against-range", self.value_range, 1e-3, 1e6)
        if self.axes not in (None, "nchw", "nhwc"):
            raise UsageError(f"invalid --against-layout {self.axes!r}: choose nchw or nhwc.")
        if self.multiple is not None:
            check_range("--against-multiple", self.multiple, 1, MAX_MULTIPLE)
        if self.tile is not None:
            check_range("--against-tile", self.tile, MIN_TILE, MAX_TILE)
        if self.overlap is not None:
            check_range("--against-overlap", self.overlap, 0, (self.tile or TILE) // 2)
        if self.level is not None:
            level_scale(self.level)


@dataclass(frozen=True)
class LevelInput:
    """The input that takes the level."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]
    """None on an axis that is as long as the picture's, or the batch."""

    scale: LevelScale
    unknown: float | None
    """What stands for an unknown level; None: it must be known."""

    def value(self, level: float | None, sides: dict[int, int]) -> NDArray[Any]:
        """Return what to feed for a level and a picture whose axes have these lengths."""
        number = self.unknown if level is None else self.scale.to_network(level)
        assert number is not None
        shape = [side or sides.get(axis, 1) for axis, side in enumerate(self.shape)]
        return np.full(shape, number, self.dtype)


@dataclass(frozen=True)
class Layout:
    """How to call a network."""

    input: str
    output: str
    dtype: np.dtype[Any]
    axes: Axes
    channels: int
    """1 or 3."""

    fixed: tuple[int | None, int | None]
    """Height and width, where the file fixes them."""

    white: float
    """Value of white."""

    level: LevelInput | None


def layout(file: OnnxFile, session: Session, told: Told) -> Layout:
    """Find out how to call a network.

    Raises:
        WeightsError: it takes or gives no pictures, or the file does not say how and the user has not told it.
    """
    picture, rest = _picture(file, session)
    axes, channels = _axes(file, picture.shape, told)
    height, width = (2, 3) if axes == "nchw" else (1, 2)
    if isinstance(picture.shape[0], int) and picture.shape[0] != 1:
        raise WeightsError(
            f"{file.path} takes {picture.shape[0]} pictures at once; export it for one, or for any number."
        )
    outputs = [output for output in session.outputs if len(output.shape) == 4 and output.type in TYPES]
    if not outputs:
        raise WeightsError(f"{file.path} returns no picture; give a network that turns pictures into pictures.")
    dtype = TYPES[picture.type]
    fixed = tuple(side if isinstance(side := picture.shape[axis], int) else None for axis in (height, width))
    for side in fixed:
        if side is not None and not MIN_TILE <= side <= MAX_TILE:
            raise WeightsError(
                f"{file.path} takes only sides of {side} pixels; tiles of {MIN_TILE} to {MAX_TILE} are possible."
            )
    white = told.value_range or (255.0 if dtype == np.uint8 else 1.0)
    level = _level(file, rest, told, (height, width)) if rest is not None else None
    if rest is None and told.level is not None:
        raise UsageError(f"{file.path} has no input for a level: omit --against-level.")
    return Layout(picture.name, outputs[0].name, dtype, axes, channels, (fixed[0], fixed[1]), white, level)


def level_scale(formula: str) -> LevelScale:
    """Read ``level/255``, ``1-level/100`` and the like.

    >>> level_scale("1-level/100").to_network(20)
    0.8

    Raises:
        UsageError: it is none.
    """
    match = _FORMULA.fullmatch(formula.replace(" ", ""))
    by = float(match["by"] or 1) if match else 0.0
    if match is None or by == 0 or len(formula) > 40:
        raise UsageError(
            f"invalid --against-level {formula!r}: write level, level/255 or 1-level/100, for example."
        )
    if match["start"] is None:
        return LevelScale("level", -math.inf, math.inf, 0.0, 1 / by)
    return LevelScale("level", -math.inf, math.inf, float(match["start"]), -1 / by)


def _picture(file: OnnxFile, session: Session) -> tuple[Any, Any | None]:
    """Return the input that takes the picture, and the other one."""
    inputs = list(session.inputs)
    pictures = [i for i in inputs if len(i.shape) == 4 and i.type in TYPES]
    if not pictures:
        shapes = ", ".join(f"{i.name} of {len(i.shape)} axes" for i in inputs) or "none"
        raise WeightsError(
            f"{file.path} has no input for a picture, which has 4 axes (its inputs: {shapes}); "
            "give a network that turns pictures into pictures."
        )
    if len(inputs) > 2:
        names = ", ".join(i.name for i in inputs)
        raise WeightsError(
            f"{file.path} has {len(inputs)} inputs ({names}), but only a picture and a level can be fed; "
            "export it with one or two inputs."
        )
    # A map of levels has one channel, often for every position the same.
    pictures.sort(key=lambda i: (1 in i.shape[1:], 3 not in i.shape[1:], i.shape[1:].count(1)))
    return pictures[0], next((i for i in inputs if i is not pictures[0]), None)


def _axes(file: OnnxFile, shape: Sequence[Any], told: Told) -> tuple[Axes, int]:
    first, last = shape[1], shape[3]
    if told.axes is None and (first in (1, 3)) == (last in (1, 3)):
        sides = ", ".join(str(side) for side in shape)
        raise WeightsError(
            f"{file.path} does not say which axis of its input ({sides}) holds the colours; "
            "give --against-layout nchw or nhwc."
        )
    axes: Axes = "nchw" if told.axes == "nchw" or (told.axes is None and first in (1, 3)) else "nhwc"
    channels = first if axes == "nchw" else last
    if isinstance(channels, int) and channels not in (1, 3):
        raise WeightsError(f"{file.path} takes {channels} channels; only networks for 1 or 3 can be compared.")
    return axes, channels if isinstance(channels, int) else 3


def _level(file: OnnxFile, given: Any, told: Told, sides: tuple[int, int]) -> LevelInput:
    if given.type not in TYPES or len(given.shape) > 4:
        raise WeightsError(
            f"{file.path} has a second input, {given.name!r} ({given.type}), that magn cannot feed; "
            "export it with a picture as its only input."
        )
    unknown = None
    if told.level is not None:
        scale = level_scale(told.level)
    else:
        try:
            document = structured.json_of(file.metadata[f"{METADATA}level_scale"])
            scale = LevelScale.from_dict(document)
            if (value := file.metadata.get(f"{METADATA}unknown_level")) is not None:
                unknown = float(value)
        except (KeyError, ValueError, TypeError) as error:
            raise WeightsError(
                f"{file.path} has a second input, {given.name!r}; say what it takes with --against-level, "
                "such as level/255."
            ) from error
    shape = tuple(side if isinstance(side, int) and side > 0 else None for side in given.shape)
    return LevelInput(given.name, TYPES[given.type], shape, scale, unknown)
