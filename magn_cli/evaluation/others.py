"""Networks of others as methods of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from magn_cli.errors import UsageError
from magn_cli.evaluation.request import Request
from magn_cli.evaluation.run import Float, LoadedPair
from magn_cli.tasks import Task

if TYPE_CHECKING:
    from magn_cli.inference.onnx import OnnxNetwork


class Others:
    """The networks of one evaluation, each loaded once."""

    def __init__(self, request: Request) -> None:
        """Load the networks that a request names.

        Raises:
            UsageError: two files have one name, a level is needed and must not be told, or the extra ``export`` is
                not installed.
            WeightsError: a file is no network for pictures.
        """
        from magn_cli.inference.onnx import OnnxNetwork

        names = [path.name for path in request.against]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UsageError(f"two networks are named {twice}, and tables name them by their files: rename one.")
        self.blind = request.blind
        self.networks = [OnnxNetwork(path, request.told, request.threads) for path in request.against]
        for network in self.networks:
            if request.blind and not network.takes_unknown:
                raise UsageError(f"{network.path} needs to know the level: omit --blind.")

    def level_input(self, network: OnnxNetwork, task: Task) -> str:
        """Return whether a network is told the level: ``given``, ``unknown``, or ``-`` if it takes none."""
        if not network.takes_level:
            return "-"
        if task.scale is None:
            raise UsageError(f"{network.path} takes a level, but {task.name} has none: export it without.")
        return "unknown" if self.blind else "given"

    def restored(self, network: OnnxNetwork, task: Task, options: Mapping[str, Any], pair: LoadedPair) -> Float:
        """Restore a degraded picture. Raises :class:`ImageError`."""
        pixels = pair.degraded
        above, beside = task.margin(**options)
        given = np.ascontiguousarray(task.network_input(pixels, **options))
        values = network.restore(given, None if self.blind else pair.level)
        return task.network_output(values[above:, beside:], gray=pixels.ndim == 2)


def settings(network: OnnxNetwork) -> dict[str, str]:
    """Return how a network is run, for a report."""
    import onnxruntime

    name = network.path.name
    return {
        name: network.described(),
        f"{name}, sha256": network.file.sha256,
        f"{name}, run by": f"ONNX Runtime {onnxruntime.__version__}, CPU",
    }
