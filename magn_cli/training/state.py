"""What a resumed run needs: written whole or not at all, read without unpickling code."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from magn_cli.errors import TrainingError
from magn_cli.files import atomic


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values to ``path``, atomically."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    try:
        atomic.write_bytes(path, buffer.getvalue())
    except OSError as error:
        raise TrainingError(
            f"the training state {path} cannot be written ({error.strerror}); free some space."
        ) from error


def load_state(path: Path) -> dict[str, Any]:
    """Read what :func:`save_state` wrote. Raises :class:`TrainingError` where it is missing or damaged."""
    if not path.is_file():
        raise TrainingError(f"no training state {path}: start without --resume.")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise TrainingError(f"the training state {path} is damaged: start again without --resume.") from error
    return state
