"""Packages for the neural restore of darktable 5.6 and later: one network with its manifest in a zip archive.

The format is documented by darktable's SDK for such packages (``docs/dtmodel-format.md`` in
github.com/andriiryzhkov/darktable-ai-sdk), and read by ``src/ai/backend_common.c`` of darktable.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import Any

from magn_cli.errors import UsageError
from magn_cli.export.exporting import Exported
from magn_cli.tasks import get_task
from magn_cli.version import __version__
from magn_cli.weights.card import trained

SUFFIX = ".dtmodel"

TILES = (768, 512, 256)
"""Sides of tiles. darktable takes the first that its memory allows."""

UNTRIED = ("CoreML", "CUDA", "DirectML", "MIGraphX", "OpenVINO")
"""darktable's ways of computing that the network was never tried with; it is kept on the CPU instead."""

PAPER = "https://arxiv.org/abs/2502.19181"

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TIME = (1980, 1, 1, 0, 0, 0)


def slot(task: str) -> str:
    """Return where darktable uses networks of a task.

    Raises:
        UsageError: it has no use for them.
    """
    found = get_task(task).darktable
    if found is None:
        raise UsageError(f"darktable cannot use networks for {task}: export this one with --format onnx.")
    return found


def default_name(task: str, preset: str) -> str:
    """Return the name of a package, which is also that of its file."""
    return f"{slot(task)}-{preset}"


def check_name(name: str) -> str:
    """Return the name of a package, or raise :class:`UsageError` where darktable would refuse it."""
    if len(name) > 64 or not _NAME.fullmatch(name):
        raise UsageError(
            f"darktable takes the name of the file for the name of the network, and {name!r} is not a valid name: "
            "use lower-case letters, digits and hyphens."
        )
    return name


def package(exported: Exported, name: str) -> bytes:
    """Return the archive; the same network gives the same bytes."""
    files: dict[str, str | bytes] = {
        "README.md": _readme(exported, name),
        "config.json": json.dumps(manifest(exported, name), indent=4, ensure_ascii=False) + "\n",
        "model.onnx": exported.data,
    }
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for file, content in files.items():
            entry = zipfile.ZipInfo(f"{name}/{file}", _TIME)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            out.writestr(entry, content)
    return archive.getvalue()


def manifest(exported: Exported, name: str) -> dict[str, Any]:
    """Return the content of ``config.json``."""
    about = exported.weights.about
    task = get_task(about.task)
    return {
        "id": name,
        "name": f"{about.preset} {about.task}",
        "description": f"MAGN, {task.summary}",
        "task": slot(about.task),
        "arch": "magn",
        "backend": "onnx",
        "version": f"{__version__} {exported.weights.sha256[:8]}",
        "tiling": True,
        "model_card": {
            "long_description": f"A graph network that {task.summary} (MAGN). {_level(exported)}",
            "scope": task.title.lower(),
            "author": "magn",
            "paper": PAPER,
            "license": about.licence or "not stated",
            "training_data": ", ".join(str(data) for data in about.training.get("data", [])) or "not recorded",
            "notes": f"Trained for {trained(about.training)}. Made by magn {__version__} from the checkpoint with "
            f"sha256 {exported.weights.sha256}.",
        },
        "attributes": {"input_sizes": list(TILES)},
        "cpu_only": list(UNTRIED),
    }


def _level(exported: Exported) -> str:
    scale, level = exported.weights.about.scale, exported.settings.level
    if scale is None:
        return "It takes no level."
    if isinstance(level, str):
        return f"It is not told the level ({scale.name}) and judges by the picture."
    return f"It is told the level {scale.name} {level:g}."


def _readme(exported: Exported, name: str) -> str:
    card = manifest(exported, name)["model_card"]
    return f"""# {name}

{card["long_description"]}

Install it in darktable: preferences, AI, *import from file*.

Licence of the weights: {card["license"]}. {card["notes"]}

Paper: {PAPER}
"""
