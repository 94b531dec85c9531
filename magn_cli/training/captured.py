"""A training step as one CUDA graph, replayed as a whole: without a launch for each of its operations."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from magn_cli.model.graph import ScoreScale
from magn_cli.training import statistics
from magn_cli.training.patches import Crops

if TYPE_CHECKING:
    from magn_cli.training.loop import Trainer

log = logging.getLogger(__name__)

STEPS_BEFORE = 12
"""Steps that are made one operation after the other first: libraries choose their kernels meanwhile, and the
optimizer makes its buffers."""


def can_capture(trainer: Trainer) -> bool:
    """Return whether the steps of a run can become a graph: on one GPU, with nothing decided on the host."""
    options = trainer.options
    return (
        trainer.engine.device.type == "cuda"
        and trainer.engine.world == 1
        and options.accumulate == 1
        and not options.compile
        and not trainer.scaler.is_enabled()
    )


class CapturedStep:
    """The training step of a run, with all that changes between two steps in tensors on the device.

    It does what the loop's own step does. A loss that is not finite is noticed one step later, and a gradient that
    is left out counts as zero.
    """

    MOST_TAUGHT = 0.5
    """Share of a batch that is restored for its targets. Further crops of that kind are left out of the loss."""

    def __init__(self, trainer: Trainer, teaches: bool, outlier: float) -> None:
        """Prepare steps of ``trainer``.

        Args:
            teaches: whether pairs may hold a noisier crop, whose restoration is the target.
            outlier: multiple of the usual gradient from which a step is left out.
        """
        self.trainer, self.teaches, self.outlier = trainer, teaches, outlier
        device = trainer.engine.device
        self.rate, self.share, self.usual = (torch.zeros((), device=device) for _ in range(3))
        self.usual.fill_(trainer.state.usual_gradient)
        self.seen = torch.zeros(3, device=device)
        """Loss, gradient and its running mean after a step."""

        self._crops: Crops | None = None
        self._graph: torch.cuda.CUDAGraph | None = None
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._capturable = self._stream is not None
        self._made = 0
        self._read: list[tuple[Tensor, torch.cuda.Event | None]] = []
        if self._stream is not None:
            self._stream.wait_stream(torch.cuda.current_stream(device))

    def __call__(self, crops: Crops, rate: float) -> None:
        """Make a step from a batch of crops on the host."""
        self._made += 1
        if self._stream is None:
            self._step(crops, rate)
            return
        with torch.cuda.stream(self._stream):
            self._step(crops, rate)

    def values(self, latest: bool) -> tuple[float, float]:
        """Return loss and gradient of the step before the last one, or of the last one, which is waited for.

        The GPU works on a step while the host prepares the next one, so the host reads what is finished.
        """
        while len(self._read) > 1 + (not latest):
            self._read.pop(0)
        seen, event = self._read[0]
        if event is not None:
            event.synchronize()
        loss, gradient, usual = seen.tolist()
        self.trainer.state.usual_gradient = usual
        return loss, gradient

    def _step(self, crops: Crops, rate: float) -> None:
        self._take(crops)
        averaged = self.trainer.averaged
        count = int(averaged.n_averaged)
        self.rate.fill_(rate)
        self.share.fill_(1 - min(self.trainer.options.ema, (1 + count) / (10 + count)) if count else 1.0)
        averaged.n_averaged += 1
        if self._made > STEPS_BEFORE and self._graph is None and self._capturable:
            self._capture()
        if self._graph is None:
            self._body()
        else:
            self._graph.replay()
        self._note()

    def _note(self) -> None:
        event = None
        if self._stream is not None:
            kept = torch.empty(3, pin_memory=True)
            kept.copy_(self.seen, non_blocking=True)
            event = torch.cuda.Event()
            event.record()
        else:
            kept = self.seen.clone()
        self._read.append((kept, event))

    def _take(self, crops: Crops) -> None:
        if self._crops is None:
            self._crops = Crops(*(torch.empty_like(t, device=self.rate.device) for t in crops))
        for own, given in zip(self._crops, crops, strict=True):
            own.copy_(given, non_blocking=True)

    def _capture(self) -> None:
        """Make the graph; where that fails, steps go on one operation after the other."""
        self._capturable = False
        for module in self.trainer.model.modules():
            if isinstance(module, ScoreScale):
                module.watch = True
        graph = torch.cuda.CUDAGraph()
        try:
            # Workers that pin memory call CUDA meanwhile, so only this thread's calls may not break the capture.
            with (
                self._rate_on_device(),
                torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"),
            ):
                self._body()
        except RuntimeError as error:
            log.warning("training steps cannot be replayed as one CUDA graph, so they are slower: %s", error)
            return
        self._graph = graph
        log.info("training steps are replayed as one CUDA graph")

    @contextmanager
    def _rate_on_device(self) -> Iterator[None]:
        """Let the optimizers read their rate from the device meanwhile; what is saved of them stays the same."""
        groups = [group for part in self.trainer.optimizer.parts for group in part.param_groups]
        kept = [(group, group["lr"], group.get("capturable")) for group in groups]
        for group in groups:
            group.update({"lr": self.rate, **({"capturable": True} if "capturable" in group else {})})
        try:
            yield
        finally:
            for group, rate, capturable in kept:
                group.update({"lr": rate, **({"capturable": capturable} if "capturable" in group else {})})

    def _body(self) -> None:
        """Change the weights by one step, without reading anything back."""
        trainer = self.trainer
        assert self._crops is not None
        degraded, clean, noisier = (
            t.to(memory_format=torch.channels_last)
            for t in (self._crops.degraded, self._crops.clean, self._crops.noisier)
        )
        level, noisier_level = self._crops.level, self._crops.noisier_level
        if not torch.is_tensor(trainer.optimizer.parts[0].param_groups[0]["lr"]):
            trainer.optimizer.set_rate(float(self.rate))
        trainer.optimizer.zero_grad()
        before = statistics.kept(trainer.model)
        device = trainer.engine.device.type
        with torch.autocast(device, trainer.dtype, enabled=trainer.dtype != torch.float32):
            target, left_out = self._target(Crops(degraded, clean, level, noisier, noisier_level))
            restored = trainer.model(degraded, level).float()
        if left_out is not None:
            target = torch.where(left_out, restored.detach(), target)
        loss = trainer.loss(restored, noisier, target)
        loss.backward()
        norm = trainer.optimizer.gather(trainer.scaler)
        usable = self._clip(norm)
        with torch.no_grad():
            for buffer, was in before:
                buffer.copy_(torch.where(usable, buffer, was))
        trainer.optimizer.step(trainer.scaler)
        self._average()
        self.seen.copy_(torch.stack([loss.detach(), norm, self.usual]))

    @torch.no_grad()
    def _clip(self, norm: Tensor) -> Tensor:
        """Shorten the gradient as the loop does; return whether the step counts."""
        clip = self.trainer.options.clip
        usual = torch.where(self.usual > 0, self.usual, norm)
        usable = norm.isfinite()
        most = torch.full_like(norm, math.inf)
        if clip:
            usable &= norm <= self.outlier * usual
            most = clip * usual
        factor = torch.where(usable, (most / (norm + 1e-6)).clamp(max=1.0), torch.zeros_like(norm))
        gradients = [t.grad for t in self.trainer.optimizer.tensors() if t.grad is not None]
        torch._foreach_mul_(gradients, factor)
        smaller = torch.minimum(norm, most)
        self.usual.copy_(torch.where(usable, 0.99 * usual + 0.01 * smaller, usual))
        return usable

    @torch.no_grad()
    def _target(self, crops: Crops) -> tuple[Tensor, Tensor | None]:
        """Return targets, and ``(B, 1, 1, 1)`` true for crops that are to be left out of the loss.

        The number of noisier crops varies and the shapes in a graph cannot.
        """
        if not self.teaches:
            return crops.clean, None
        more = (crops.noisier != crops.degraded).flatten(1).any(1)
        most = math.ceil(self.MOST_TAUGHT * len(more))
        order = more.int().argsort(descending=True, stable=True)
        first = order[:most]
        restored = self.trainer.averaged(crops.noisier[first], crops.noisier_level[first]).float().clamp(0, 1)
        taught = more[first][:, None, None, None]
        target = crops.clean.index_copy(0, first, torch.where(taught, restored, crops.clean[first]))
        left_out = more.index_fill(0, first, False)
        return target, left_out[:, None, None, None]

    @torch.no_grad()
    def _average(self) -> None:
        """Let the running mean follow the weights, as :class:`~magn_cli.training.loop._Average` does."""
        own, now = ([*m.parameters(), *m.buffers()] for m in (self.trainer.averaged.module, self.trainer.model))
        floats = [(a, c) for a, c in zip(own, now, strict=True) if a.is_floating_point()]
        steps = torch._foreach_sub([c.detach() for _, c in floats], [a for a, _ in floats])
        torch._foreach_mul_(steps, self.share)
        torch._foreach_add_([a for a, _ in floats], steps)
        for a, c in zip(own, now, strict=True):
            if not a.is_floating_point():
                a.copy_(c)
