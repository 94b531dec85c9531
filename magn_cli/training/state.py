"""What a resumed run needs: written whole or not at all, read without unpickling code."""

from __future__ import annotations

import io
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from magn_cli.errors import TrainingError
from magn_cli.files import atomic

MAX_TENSORS = 100_000
MAX_BYTES = 16 << 30
"""Of a state: weights, their mean and the optimizer's two means, in float32."""


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
        _check_container(path)
        with warnings.catch_warnings():
            # What torch thinks of a damaged file is none of the user's business.
            warnings.simplefilter("ignore")
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise damaged(path) from error
    if not isinstance(state, dict):
        raise damaged(path)
    return state


def damaged(path: Path) -> TrainingError:
    """Return the error for a state that is not as :func:`save_state` writes it."""
    return TrainingError(f"the training state {path} is damaged: start again without --resume.")


def _check_container(path: Path) -> None:
    """What is written is neither compressed nor sparse: a small file cannot fill the memory."""
    with zipfile.ZipFile(path) as container:
        entries = container.infolist()
    if any(e.compress_type != zipfile.ZIP_STORED for e in entries) or len(entries) > MAX_TENSORS:
        raise ValueError("a compressed state")
    if sum(e.file_size for e in entries) > path.stat().st_size or path.stat().st_size > MAX_BYTES:
        raise ValueError("a state larger than its file")
