"""From a checkpoint to an ONNX network that has been compared with torch."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from magn_cli.errors import UsageError, WeightsError
from magn_cli.export.settings import ExportSettings
from magn_cli.runtime.extras import check_extra
from magn_cli.tasks import get_task
from magn_cli.weights.resolve import ResolvedWeights

if TYPE_CHECKING:
    from magn_cli.export.check import Comparison

log = logging.getLogger(__name__)


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
