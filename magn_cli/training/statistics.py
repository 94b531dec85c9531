"""Batch statistics: kept out of harm's way during training, and measured for the weights that are saved."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

MAX_CROPS = 800
"""Crops on which the statistics are measured, in batches of the size trained with."""

MIN_BATCHES = 9
"""Their medians need some batches."""


def batches(size: int) -> int:
    """Return how many batches of ``size`` crops to measure on."""
    return max(MIN_BATCHES, MAX_CROPS // size)


def kept(model: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Return each buffer of the batch norms with a copy of it, for :func:`put_back`."""
    return [(buffer, buffer.clone()) for norm in _norms(model) for buffer in norm.buffers()]


def put_back(buffers: list[tuple[Tensor, Tensor]]) -> None:
    """Undo what a forward pass in training did to the batch norms."""
    for buffer, before in buffers:
        buffer.copy_(before)


@torch.no_grad()
def measure(model: nn.Module, over: Iterable[Any], forward: Callable[[nn.Module, Any], Any]) -> None:
    """Replace the running statistics of a model by their medians over some batches.

    A running mean of statistics belongs to no weights in particular, and one bad batch stays in it for long. To
    measure them anew is the last step of stochastic weight averaging (Izmailov et al. 2018), which takes the mean.
    But a single pattern that the network amplifies can make the mean variance thousands of times the usual one,
    and the layer would then hardly see a photograph.

    Args:
        model: the network; remains in its mode of training or evaluation.
        over: batches, what ``forward`` takes.
        forward: runs the model on a batch.
    """
    norms, was_training = _norms(model), model.training
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        # The running statistics are then those of the last batch.
        norm.momentum = 1.0
    model.train()
    found: list[list[Tensor]] = []
    for batch in over:
        forward(model, batch)
        found.append([buffer.clone() for norm in norms for buffer in _measured(norm)])
    for buffer, seen in zip([b for norm in norms for b in _measured(norm)], zip(*found, strict=True), strict=True):
        buffer.copy_(torch.stack(seen).median(dim=0).values)
    model.train(was_training)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def fix(model: nn.Module) -> None:
    """Let the batch norms of a model in training use their running statistics, and leave these as they are."""
    for norm in _norms(model):
        norm.eval()


def _measured(norm: nn.modules.batchnorm._BatchNorm) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None and norm.running_var is not None
    return norm.running_mean, norm.running_var


def _norms(model: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    return [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
