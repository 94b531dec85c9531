"""Muon for matrices and AdamW for everything else, behind one face."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from magn_cli.training.muon import Muon

MIN_SIDE = 32
"""Weights with fewer rows or columns than this, such as the tail's, are left to AdamW with biases and slopes."""


class Optimizer:
    """What the training loop steps.

    ``muon``: Muon (Jordan et al. 2024), which makes each update of a matrix orthogonal, for the convolutions
    and linear layers as matrices of (outputs, inputs x kernel); updates are scaled to the size of AdamW's (Liu
    et al. 2025), so that one learning rate serves both. ``adamw`` and ``adam``: for everything, betas 0.9 and
    0.999, with a weight decay of 1e-4 and none.
    """

    def __init__(self, model: nn.Module, kind: str, learning_rate: float) -> None:
        """Take a model that already lies where it is trained: matrices are views of its memory."""
        matrices = [p for p in model.parameters() if kind == "muon" and _is_matrix(p)]
        taken = {id(p) for p in matrices}
        rest = [p for p in model.parameters() if id(p) not in taken]
        self._pairs = [(p, nn.Parameter(_as_matrix(p.detach(), p), requires_grad=False)) for p in matrices]
        self._rest = rest
        for parameter, view in self._pairs:
            if view.data_ptr() != parameter.data_ptr():
                raise ValueError("a weight lies in memory in an order that no matrix has")
        decay = 0.0 if kind == "adam" else 1e-4
        self.parts: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(rest, learning_rate, betas=(0.9, 0.999), weight_decay=decay, fused=True)
        ]
        if self._pairs:
            views = [view for _, view in self._pairs]
            self.parts.append(Muon(views, learning_rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"))

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the next step."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = rate

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self.parts[0].zero_grad(set_to_none=True)
        for parameter, view in self._pairs:
            parameter.grad = view.grad = None

    def gather(self, scaler: torch.amp.GradScaler) -> Tensor:
        """Take over the model's gradients, out of the scale of ``scaler``; return their norm."""
        for parameter, view in self._pairs:
            view.grad = None if parameter.grad is None else _as_matrix(parameter.grad, parameter)
        for part in self.parts:
            scaler.unscale_(part)
        return torch.nn.utils.get_total_norm(t.grad for t in self.tensors() if t.grad is not None)

    def clip(self, most: float, norm: Tensor) -> None:
        """Shorten the gathered gradients, of this norm, to one of at most ``most``."""
        torch.nn.utils.clip_grads_with_norm_(self.tensors(), most, norm)

    def step(self, scaler: torch.amp.GradScaler, finite: bool = True) -> None:
        """Change the model by one step, from the gathered gradients.

        Where they are not all ``finite`` nothing changes but the scale: a scaler alone would leave out only the
        part of the optimizer that holds the overflow.
        """
        if finite:
            for part in self.parts:
                scaler.step(part)
        scaler.update()

    def tensors(self) -> list[nn.Parameter]:
        """Return what holds the gathered gradients."""
        return [*self._rest, *(view for _, view in self._pairs)]

    def state_dict(self) -> dict[str, Any]:
        """Return what resuming needs."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what :meth:`state_dict` gave. Raises ``ValueError`` for another kind's."""
        for part, own in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(own)


def _is_matrix(parameter: Tensor) -> bool:
    return parameter.ndim >= 2 and min(len(parameter), parameter[0].numel()) >= MIN_SIDE


def _as_matrix(tensor: Tensor, like: Tensor) -> Tensor:
    """``(O, I)`` or ``(O, I, k, k)`` as ``(O, ...)``, columns in the order that ``like`` has in memory."""
    if like.ndim == 4 and not like.is_contiguous():
        tensor = tensor.permute(0, 2, 3, 1)
    return tensor.flatten(1)
