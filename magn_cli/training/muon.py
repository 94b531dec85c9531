"""Muon (Jordan et al. 2024), with the matrices of one shape made orthogonal together."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor


class Muon(torch.optim.Muon):
    """``torch.optim.Muon``, in fewer and larger products.

    Torch's takes one matrix after the other, a hundred small products for each: a tenth of the time of a
    training step of ``magn-s`` on a CPU. Products are bf16 as there, but float32 on a CPU, where bf16 gains
    nothing for matrices this small. State and settings are torch's, and the rate may be a tensor, for CUDA graphs.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Change the parameters by one step; ``closure``, if given, computes the loss first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            alike: dict[tuple[int, int], list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[tuple(parameter.shape)].append(parameter)
            for shape, parameters in alike.items():
                self._step(group, shape, parameters)
        return loss

    def _step(self, group: dict[str, Any], shape: tuple[int, int], parameters: list[Tensor]) -> None:
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        for parameter in parameters:
            if "momentum_buffer" not in self.state[parameter]:
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        buffers = [self.state[parameter]["momentum_buffer"] for parameter in parameters]
        torch._foreach_lerp_(buffers, gradients, 1 - group["momentum"])
        updates = torch._foreach_lerp(gradients, buffers, group["momentum"]) if group["nesterov"] else buffers
        orthogonal = orthogonalized(
            torch.stack(updates), group["ns_coefficients"], group["ns_steps"], group["eps"]
        )
        rows, columns = shape
        if group["adjust_lr_fn"] == "match_rms_adamw":
            factor = 0.2 * math.sqrt(max(rows, columns))
        else:
            factor = math.sqrt(max(1, rows / columns))
        rate, orthogonal = group["lr"], orthogonal.to(parameters[0].dtype)
        if group["weight_decay"]:
            torch._foreach_mul_(parameters, 1 - rate * group["weight_decay"])
        if isinstance(rate, Tensor):
            torch._foreach_add_(parameters, (orthogonal * (-factor * rate)).unbind())
        else:
            torch._foreach_add_(parameters, orthogonal.unbind(), alpha=-rate * factor)


def orthogonalized(matrices: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """Bring the singular values of each matrix near one, by Newton-Schulz iterations.

    Args:
        matrices: ``(K, rows, columns)``.
        coefficients: of the quintic polynomial that each iteration applies to the singular values.
        steps: how many iterations.
        eps: the least norm that a matrix is divided by.

    Returns:
        ``(K, rows, columns)``, float32 on a CPU, else bf16.
    """
    a, b, c = coefficients
    x = matrices.float() if matrices.device.type == "cpu" else matrices.bfloat16()
    tall = x.shape[1] > x.shape[2]
    x = x.transpose(1, 2) if tall else x
    x = x / x.flatten(1).norm(dim=1).clamp(min=eps)[:, None, None]
    for _ in range(steps):
        gram = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.transpose(1, 2) if tall else x
