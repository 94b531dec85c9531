"""Where a run computes: one process, or several under ``torchrun``."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from magn_cli.runtime.device import choose_device
from magn_cli.runtime.precision import compute_exactly

PATIENCE = timedelta(hours=2)
"""How long processes wait for the first one, which looks through the photographs and validates."""


class Engine:
    """Torch's own data parallelism behind a face that one process has as well.

    ``torchrun`` says by environment variables how many processes there are and which one this is; without it
    there is one.
    """

    def __init__(self, device: str = "auto") -> None:
        """Join the other processes. Raises :class:`UsageError` where the device is not there."""
        self.world, self.rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
        local = os.environ.get("LOCAL_RANK")
        many_gpus = self.world > 1 and device in ("auto", "cuda") and torch.cuda.is_available()
        self.device = choose_device(f"cuda:{local}" if many_gpus and local else device)
        if self.device.type == "cuda":
            compute_exactly()
        if self.world > 1:
            if self.device.type == "cuda":
                torch.cuda.set_device(self.device)
            backend = "nccl" if self.device.type == "cuda" else "gloo"
            distributed.init_process_group(backend, timeout=PATIENCE)

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and reports."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the network to train with: its gradients are means over the processes.

        Batch norm sees the crops of all processes on GPUs; SyncBatchNorm takes no CPU tensors.
        """
        if self.world == 1:
            return model
        devices = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(model, device_ids=devices, broadcast_buffers=devices is None)

    def prepare(self, model: nn.Module) -> nn.Module:
        """Return the model with the batch norms that this engine needs."""
        if self.world > 1 and self.device.type == "cuda":
            return nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return model

    def without_exchange(self, model: nn.Module) -> AbstractContextManager[None]:
        """Leave gradients to this process for now: more parts of the step follow."""
        if isinstance(model, DistributedDataParallel):
            return model.no_sync()
        return nullcontext()

    def mean(self, *values: float) -> list[float]:
        """Return the means of numbers over the processes."""
        if self.world == 1:
            return list(values)
        together = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(together)
        return [value / self.world for value in together.tolist()]

    def wait(self) -> None:
        """Wait for all processes."""
        if self.world > 1:
            distributed.barrier()

    def close(self) -> None:
        """Leave the others, who do the same. Not after an error: they would be waited for."""
        if self.world > 1:
            distributed.destroy_process_group()

    def to_device(self, tensor: Tensor) -> Tensor:
        """Move a batch ``(B, C, H, W)`` to where it is computed, channels last."""
        tensor = tensor.to(self.device, non_blocking=True)
        return tensor.to(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
