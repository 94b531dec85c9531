"""Reads and writes checkpoints: a network and its metadata in one safetensors file."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from magn_cli.errors import WeightsError
from magn_cli.files import atomic
from magn_cli.model import Magn
from magn_cli.weights import metadata as about_files
from magn_cli.weights.metadata import FORMAT_VERSION, Checkpoint

DTYPES = frozenset({torch.float16, torch.bfloat16, torch.float32, torch.float64})
"""Types of the tensors that are read."""


def save_checkpoint(path: Path, model: Magn, about: Checkpoint) -> None:
    """Write a network as safetensors: weights in fp16, batch statistics in fp32, ``about`` as metadata.

    The file gets its name only when it is complete.

    Raises:
        WeightsError: the file cannot be written.
    """
    statistics = {name for name, _ in model.named_buffers()}
    tensors = {
        name: tensor.detach().cpu().contiguous().to(torch.float32 if name in statistics else torch.float16)
        for name, tensor in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    metadata = {
        "format_version": str(FORMAT_VERSION),
        "task": about.task,
        "preset": about.preset,
        "config": json.dumps(about.config.to_dict()),
        "level_scale": json.dumps(about.scale.to_dict() if about.scale else None),
        "training": json.dumps(about.training),
        "licence": about.licence,
    }
    try:
        atomic.write_bytes(path, save(tensors, metadata))
    except OSError as error:
        raise WeightsError(f"{path} cannot be written ({error.strerror}); free some space.") from error


def load_checkpoint(path: Path) -> tuple[Magn, Checkpoint]:
    """Read a checkpoint.

    Returns:
        The network in eval mode, float32, on the CPU; and the metadata.

    Raises:
        WeightsError: the file is missing, damaged, not made by magn or of a newer format, or its tensors do not
            match the network in its metadata.
    """
    with about_files.opened(path, "pt") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    about = about_files.parse(path, metadata)
    try:
        with torch.device("meta"):
            model = Magn(about.config)
    except RuntimeError as error:
        raise WeightsError(f"{path} describes an invalid network ({error}); download it again.") from error
    # Check before allocating memory, because the metadata could describe a network too large for any memory.
    _check(path, model, tensors)
    # Assigned, because filling an empty network makes torch import sympy, a fifth of the start.
    counters = {name: torch.tensor(0) for name, _ in model.named_buffers() if name.endswith("num_batches_tracked")}
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()} | counters, assign=True)
    return model.eval().requires_grad_(False), about


def _check(path: Path, model: Magn, tensors: dict[str, Tensor]) -> None:
    own = {name: t for name, t in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    wrong = sorted(
        (own.keys() ^ tensors.keys())
        | {n for n in own.keys() & tensors.keys() if own[n].shape != tensors[n].shape}
    )
    if wrong:
        raise WeightsError(
            f"{path} does not match the network in its metadata ({len(wrong)} tensors differ, "
            f"first {wrong[0]!r}); download it again."
        )
    if odd := [name for name, tensor in tensors.items() if tensor.dtype not in DTYPES]:
        raise WeightsError(
            f"{path} has numbers of type {str(tensors[odd[0]].dtype).removeprefix('torch.')} in {odd[0]!r}, which "
            "weights are not stored in; download it again."
        )
    if broken := [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]:
        raise WeightsError(f"{path} has values that are not finite in {broken[0]!r}; download it again.")
