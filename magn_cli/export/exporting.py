"""From a checkpoint to an ONNX network that has been compared with torch."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from magn_cli.errors import UsageError, WeightsError
from magn_cli.inference.options import check_level
from magn_cli.limits import check_range
from magn_cli.runtime.extras import check_extra
from magn_cli.runtime.threads import check_threads
from magn_cli.tasks import get_task
from magn_cli.weights.resolve import ResolvedWeights

if TYPE_CHECKING:
    from magn_cli.export.check import Comparison

log = logging.getLogger(__name__)

BuiltIn: TypeAlias = float | Literal["input", "unknown"]
"""A level to build into the network, in the task's units; or ``input`` to make it an input."""

MIN_OPSET, MAX_OPSET, OPSET = 17, 22, 17
"""Oldest, newest and default version of ONNX's operators. 17 is from 2022, and ONNX Runtime 1.12 knows it."""


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """How a network is exported. Raises :class:`UsageError` for a number that is out of range."""

    opset: int = OPSET
    """Version of ONNX's operators."""

    level: BuiltIn = "input"
    """Level to build in; ``input`` makes it an input."""

    check: bool = True
    """Compare the result with torch."""

    threads: int | None = None
    """CPU threads for that; None for all cores."""

    def __post_init__(self) -> None:
        check_range("--opset", self.opset, MIN_OPSET, MAX_OPSET)
        check_threads(self.threads)


@dataclass(frozen=True)
class Exported:
    """A network as ONNX."""

    data: bytes
    """The file, weights included."""

    weights: ResolvedWeights
    """What it was made from."""

    settings: ExportSettings
    comparison: Comparison | None
    """How it compares with torch; None if that was not asked for."""


def built_in(task: str, given: str) -> BuiltIn:
    """Read ``input``, ``unknown`` or a level.

    Raises:
        UsageError: it is none of them, or out of range.
    """
    if given == "input":
        return "input"
    if given == "auto":
        raise UsageError("an exported network finds no levels: give --level input, unknown or a number.")
    level = check_level(get_task(task), given)
    assert level != "auto"
    return level


def export(weights: ResolvedWeights, settings: ExportSettings | None = None) -> Exported:
    """Export a network as ONNX, and compare it with torch.

    The network computes what ``magn restore`` computes: pictures of any size, padded at their borders, the graphs
    on windows of the size used in training, which are blended.

    Args:
        weights: the checkpoint, as ``magn_cli.weights.resolve.resolve`` finds it.
        settings: how to export it.

    Raises:
        UsageError: the extra ``export`` is missing, or the level does not suit the network.
        WeightsError: the checkpoint is damaged, or the result differs from torch.

    Example:

        >>> from magn_cli.export import ExportSettings, export
        >>> from magn_cli.weights.resolve import resolve
        >>> exported = export(resolve("denoise", "magn-s"), ExportSettings(check=False))
        >>> len(exported.data) > 1_000_000
        True
    """
    settings = settings or ExportSettings()
    check_extra("magn export", "export", "onnx", "onnxruntime")
    if weights.about.scale is None and settings.level != "input":
        raise UsageError(f"{weights.path.name} takes no level: omit --level.")
    if settings.level == "unknown" and not weights.about.takes_unknown:
        raise UsageError(f"{weights.path.name} was never trained without a level: give --level a number.")
    from magn_cli.export.check import TOLERANCE, compare
    from magn_cli.export.metadata import add_metadata
    from magn_cli.export.network import onnx_network
    from magn_cli.inference.onnx.session import OnnxError
    from magn_cli.model import UNKNOWN_LEVEL
    from magn_cli.weights.checkpoint import load_checkpoint

    model, about = load_checkpoint(weights.path)
    level: float | None = None
    if about.scale is not None and settings.level != "input":
        level = UNKNOWN_LEVEL if settings.level == "unknown" else about.scale.to_network(settings.level)
    model.fold()
    keeps_bayer = get_task(about.task).keeps_bayer_phase
    network = onnx_network(model, settings.opset, keeps_bayer, level)
    add_metadata(network, weights, settings)
    data = network.SerializeToString()
    comparison = None
    if settings.check:
        try:
            levels = [level] * 2 if level is not None else [0.3, UNKNOWN_LEVEL if about.takes_unknown else 0.7]
            comparison = compare(model, data, keeps_bayer, levels, settings.threads)
        except OnnxError as error:
            raise WeightsError(
                f"ONNX Runtime cannot run the exported network ({error}); update it or give an older --opset."
            ) from error
        if not comparison.difference <= TOLERANCE:
            raise WeightsError(
                f"the exported network differs from torch by {comparison.difference:.1e} on "
                f"{comparison.worst[1]} x {comparison.worst[0]} pixels, where {TOLERANCE:g} is allowed; report it."
            )
    return Exported(data, weights, settings, comparison)
