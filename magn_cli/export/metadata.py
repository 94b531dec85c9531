"""What an exported network says of itself."""

from __future__ import annotations

import json

import onnx

from magn_cli.export.settings import ExportSettings
from magn_cli.inference.onnx.layout import METADATA
from magn_cli.model import UNKNOWN_LEVEL
from magn_cli.tasks import get_task
from magn_cli.version import __version__
from magn_cli.weights.resolve import ResolvedWeights


def add_metadata(network: onnx.ModelProto, weights: ResolvedWeights, settings: ExportSettings) -> None:
    """Add the metadata of a checkpoint, and how to call the network (``docs/export.md`` lists the keys)."""
    about = weights.about
    values = {
        "version": __version__,
        "task": about.task,
        "preset": about.preset,
        "licence": about.licence,
        "training": json.dumps(about.training),
        "config": json.dumps(about.config.to_dict()),
        "sha256": weights.sha256,
        "multiple": "1",
        "range": "1",
        "layout": "nchw",
    }
    if about.scale is not None:
        values["level_scale"] = json.dumps(about.scale.to_dict())
        if about.takes_unknown:
            values["unknown_level"] = f"{UNKNOWN_LEVEL:g}"
        values["level"] = settings.level if isinstance(settings.level, str) else f"{settings.level:g}"
    for key, value in values.items():
        network.metadata_props.add(key=f"{METADATA}{key}", value=value)
    network.doc_string = (
        f"MAGN, a multi-level attention-guided graph network: {get_task(about.task).summary}. "
        f"Weights: {about.licence or 'licence not stated'}. Pictures are (batch, 3, height, width), RGB, 0 to 1."
    )
