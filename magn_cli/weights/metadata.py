"""Metadata of checkpoints, read without torch and without the weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from magn_cli.errors import WeightsError
from magn_cli.model import MagnConfig
from magn_cli.tasks import LevelScale

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Checkpoint:
    """Metadata of a checkpoint."""

    task: str
    preset: str
    config: MagnConfig
    scale: LevelScale | None
    training: dict[str, Any]
    """Training record: data, steps, seed, minutes, command and more."""

    licence: str


def read_metadata(path: Path) -> Checkpoint:
    """Read the metadata of a checkpoint.

    Raises:
        WeightsError: the file is missing, damaged, not made by magn, or of a newer format.
    """
    if not path.is_file():
        raise WeightsError(f"the weights file {path} does not exist; check the path.")
    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            f"{path} is not a complete safetensors file ({error}); download it again, or use another checkpoint."
        ) from error
    return parse(path, metadata)


def parse(path: Path, metadata: dict[str, str]) -> Checkpoint:
    """Parse the metadata of the file ``path``; errors as for :func:`read_metadata`."""
    version = metadata.get("format_version")
    if version is None:
        raise WeightsError(f"{path} has no magn metadata; use a checkpoint made by magn train.")
    if version != str(FORMAT_VERSION):
        raise WeightsError(f"{path} has format {version}, but this magn reads {FORMAT_VERSION}; update magn.")
    try:
        scale, training = json.loads(metadata["level_scale"]), json.loads(metadata["training"])
        if not isinstance(training, dict):
            raise ValueError("the training record is not a table")
        return Checkpoint(
            task=metadata["task"],
            preset=metadata["preset"],
            config=_config(path, json.loads(metadata["config"])),
            scale=LevelScale.from_dict(scale) if scale else None,
            training=training,
            licence=metadata["licence"],
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"the metadata of {path} cannot be read ({error}); download it again.") from error


def _config(path: Path, values: dict[str, Any]) -> MagnConfig:
    try:
        return MagnConfig.from_dict(values)
    except ValueError as error:
        raise WeightsError(f"{path} describes an invalid network ({error}); download it again.") from error
