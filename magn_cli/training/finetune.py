"""Starting from another checkpoint: fine-tuning, another task, another form of the network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from magn_cli.errors import TrainingError
from magn_cli.files import checksum
from magn_cli.model import Magn
from magn_cli.weights.checkpoint import load_checkpoint

KEPT = ("steps", "minutes", "device", "share_of_init", "runs_back", "sibling", "init")
"""What the record of a new checkpoint says of how the one was made that it starts from."""


@dataclass(frozen=True)
class Taken:
    """What a network took over."""

    taken: int
    """Parameters."""

    total: int
    left: tuple[str, ...]
    """Names of tensors that start as they would without ``--init``: missing in the file, or of another shape."""

    source: dict[str, Any]
    """For the record of the new checkpoint: file, sha256, and how that file was made."""

    def sentence(self) -> str:
        """Return it for the user."""
        text = f"{self.taken:,} of {self.total:,} parameters taken from {self.source['file']}"
        if self.left:
            more = f" and {len(self.left) - 3} more" if len(self.left) > 3 else ""
            text += f"; new: {', '.join(self.left[:3])}{more}"
        return text


def start_from(path: Path, model: Magn, task: str) -> Taken:
    """Copy every tensor of a checkpoint that ``model`` has in the same shape.

    Between two tasks the level starts without effect: a quality is no sigma, and a network that never had an
    unknown level (-1) answers it with values of any size. Where the first layer is new, the last one starts at
    zero, as in a new network: what lies between makes values of any size of features it does not know.

    Raises :class:`WeightsError` where the file is no checkpoint, :class:`TrainingError` where nothing fits.
    """
    source, about = load_checkpoint(path)
    theirs, own = source.state_dict(), model.state_dict()
    fits: dict[str, Tensor] = {
        name: theirs[name] for name, tensor in own.items() if name in theirs and theirs[name].shape == tensor.shape
    }
    names = {name for name, _ in model.named_parameters()}
    if not fits.keys() & names:
        raise TrainingError(f"nothing in {path} fits this network: give --init a checkpoint of the same preset.")
    model.load_state_dict(fits, strict=False)
    with torch.no_grad():
        if "head.weight" not in fits:
            for parameter in model.tail.parameters():
                parameter.zero_()
        elif about.task != task and model.config.level_channel:
            model.head.weight[:, -1] = 0
    made: dict[str, Any] = {key: about.training[key] for key in KEPT if key in about.training}
    return Taken(
        taken=sum(own[name].numel() for name in fits.keys() & names),
        total=sum(own[name].numel() for name in names),
        left=tuple(sorted(names - fits.keys())),
        source={
            "file": path.name,
            "sha256": checksum.of_file(path),
            "task": about.task,
            **made,
        },
    )
