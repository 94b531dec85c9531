"""The training loop: pairs in, a checkpoint out; can be stopped and resumed at any time."""

from __future__ import annotations

import csv
import logging
import math
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from magn_cli import atomic
from magn_cli.errors import TrainingError
from magn_cli.model import Magn, MagnConfig
from magn_cli.model.graph import ScoreScale
from magn_cli.tasks import Task
from magn_cli.training.optimizer import Optimizer
from magn_cli.training.options import TrainingOptions
from magn_cli.training.patches import Pairs, PatchOptions
from magn_cli.training.state import load_state, save_state
from magn_cli.weights.checkpoint import Checkpoint, save_checkpoint

log = logging.getLogger(__name__)

VALIDATION_CROPS = 64
LOG_EVERY = 50


@dataclass(frozen=True)
class Progress:
    """One line of the log: means since the line before."""

    step: int
    loss: float
    learning_rate: float
    gradient: float
    largest_score: float
    patches_a_second: float
    validation_psnr: float | None
    """dB over validation crops of all levels, of the averaged weights; None between validations."""

    validation_gain: float | None
    """The same against the degraded crops."""


class Trainer:
    """One run in one folder: ``state.pt`` (for resuming), ``log.csv``, ``<preset>-<task>.safetensors``."""

    def __init__(
        self,
        out: Path,
        task: Task,
        preset: str,
        config: MagnConfig,
        options: TrainingOptions,
        record: dict[str, Any],
    ) -> None:
        """``record`` goes into the checkpoint beside steps and minutes: data, command."""
        self.out, self.task, self.preset, self.config, self.options = out, task, preset, config, options
        self.record = record
        self.step, self.minutes, self.usual_gradient = 0, 0.0, 0.0
        torch.manual_seed(options.seed)
        self.model = Magn(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = AveragedModel(
            self.model, multi_avg_fn=get_ema_multi_avg_fn(options.ema), use_buffers=True
        ).eval()
        self.optimizer = Optimizer(self.model, options.optimizer, options.learning_rate)

    @property
    def checkpoint_path(self) -> Path:
        """Where the network for use is written."""
        return self.out / f"{self.preset}-{self.task.name}.safetensors"

    @property
    def state_path(self) -> Path:
        """Where the state for resuming is written."""
        return self.out / "state.pt"

    def resume(self) -> None:
        """Continue from the state in the run's folder: weights, averages, optimizer, step."""
        state = load_state(self.state_path)
        if state["config"] != self.config.to_dict() or state["task"] != self.task.name:
            raise TrainingError(f"the state in {self.out} is of another network or task; give another --out.")
        for name in ("seed", "batch", "optimizer"):
            if state["options"].get(name) != getattr(self.options, name):
                raise TrainingError(
                    f"the state in {self.out} was made with {name} {state['options'].get(name)}; use that."
                )
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.minutes, self.usual_gradient = (
            state["step"],
            state["minutes"],
            state["usual_gradient"],
        )
        torch.set_rng_state(state["rng"])
        _Lines(self.out / "log.csv").forget_after(self.step)

    def run(
        self,
        train: Sequence[NDArray[np.uint8]],
        validate: Sequence[NDArray[np.uint8]],
        report: Callable[[Progress], None],
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Train until ``max_steps`` or until ``should_stop``; write state and checkpoint at the end.

        Raises :class:`TrainingError` where the loss is no longer finite; the last good state stays on disk.
        """
        options = self.options
        patches = PatchOptions(self.config.window)
        pairs = Pairs(train, self.task, patches, options.seed, options.max_steps * options.batch)
        held = Pairs(validate, self.task, PatchOptions(self.config.window, unknown=0.0), 1, VALIDATION_CROPS)
        held_batches = list(DataLoader(held, options.batch))
        loader = DataLoader(
            pairs,
            options.batch,
            sampler=range(self.step * options.batch, len(pairs)),
            num_workers=1,
            prefetch_factor=4,
            worker_init_fn=_leave_signals_to_the_loop,
        )
        began, lines, window = time.monotonic() - self.minutes * 60, _Lines(self.out / "log.csv"), _Window()
        scales = [m for m in self.model.modules() if isinstance(m, ScoreScale)]
        self.model.train()
        for degraded, clean, level in loader:
            for scale in scales:
                scale.watch = (self.step + 1) % LOG_EVERY == 0
            loss, gradient = self._step(degraded, clean, level.float())
            window.add(loss, gradient, len(degraded))
            self.step += 1
            self.minutes = (time.monotonic() - began) / 60
            stop = should_stop()
            last = stop or self.step == options.max_steps
            validates = last or self.step % options.validate_every == 0
            if validates or self.step % LOG_EVERY == 0:
                psnr = self._validate(held_batches) if validates else None
                largest = max((float(s.largest) for s in scales if s.largest is not None), default=0.0)
                progress = window.close(self.step, self.rate(self.step - 1), largest, psnr)
                window = _Window()
                lines.write(progress)
                report(progress)
            if last or self.step % options.save_every == 0:
                self.save()
            if stop:
                break

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, constant, half a cosine down to zero."""
        options = self.options
        fall = options.decay * options.max_steps
        into = (step - (options.max_steps - fall)) / max(fall, 1)
        factor = min(1.0, (step + 1) / options.warmup)
        if into > 0:
            factor *= 0.5 * (1 + math.cos(math.pi * min(into, 1.0)))
        return options.learning_rate * factor

    def save(self) -> None:
        """Write the state for resuming and the checkpoint for use."""
        state = {
            "task": self.task.name,
            "config": self.config.to_dict(),
            "options": self.options.to_dict(),
            "step": self.step,
            "minutes": self.minutes,
            "usual_gradient": self.usual_gradient,
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": torch.get_rng_state(),
        }
        save_state(self.state_path, state)
        training = {
            **self.record,
            "steps": self.step,
            "minutes": round(self.minutes, 1),
            "options": self.options.to_dict(),
        }
        about = Checkpoint(
            self.task.name,
            self.preset,
            self.config,
            self.task.scale if self.config.level_channel else None,
            training,
            self.record.get("licence", ""),
        )
        save_checkpoint(self.checkpoint_path, cast(Magn, self.averaged.module), about)

    def _step(self, degraded: Tensor, clean: Tensor, level: Tensor) -> tuple[float, float]:
        self.optimizer.set_rate(self.rate(self.step))
        degraded = degraded.to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.options.precision == "bf16"):
            restored = self.model(degraded, level)
        loss = self._loss(restored.float(), degraded, clean)
        self.optimizer.zero_grad()
        loss.backward()
        gradient = torch.nn.utils.get_total_norm(p.grad for p in self.model.parameters() if p.grad is not None)
        value, norm = loss.item(), gradient.item()
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise TrainingError(
                f"training diverged at step {self.step}: loss {value:g}, gradient {norm:g}; "
                f"{'resume the last good state with' if self.state_path.exists() else 'start with'} "
                "a smaller learning rate."
            )
        usual = self.usual_gradient or norm
        most = self.options.clip * usual
        torch.nn.utils.clip_grads_with_norm_(self.model.parameters(), most, gradient)
        self.usual_gradient = 0.99 * usual + 0.01 * min(norm, most)
        self.optimizer.step()
        self.averaged.update_parameters(self.model)
        return value, norm

    def _loss(self, restored: Tensor, degraded: Tensor, clean: Tensor) -> Tensor:
        errors = (restored - clean).square().mean((1, 2, 3))
        if self.options.loss == "balanced":
            errors = errors / ((degraded - clean).square().mean((1, 2, 3)) + 1e-4).sqrt()
        return errors.mean()

    def _validate(self, batches: Sequence[Any]) -> tuple[float, float]:
        """Mean PSNR of the averaged network over the held-out crops, and its gain over the input."""
        restored, before = [], []
        with torch.inference_mode():
            for degraded, clean, level in batches:
                out = self.averaged(degraded.to(memory_format=torch.channels_last), level.float()).clamp(0, 1)
                restored.append(_psnr(out, clean))
                before.append(_psnr(degraded, clean))
        after = torch.cat(restored).mean().item()
        return after, after - torch.cat(before).mean().item()


def _psnr(a: Tensor, b: Tensor) -> Tensor:
    # Crops of plain sky can be restored to the last bit: the floor keeps one of them from being the mean.
    return -10 * ((a.double() - b.double()).square().mean((1, 2, 3)) + 1e-6).log10()


def _leave_signals_to_the_loop(worker: int) -> None:
    """Ctrl-C reaches every process of the terminal: the loop must find its worker alive to stop in order."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)


class _Window:
    """Sums between two lines of the log."""

    def __init__(self) -> None:
        self.began, self.patches = time.monotonic(), 0
        self.losses: list[float] = []
        self.gradients: list[float] = []

    def add(self, loss: float, gradient: float, patches: int) -> None:
        self.losses.append(loss)
        self.gradients.append(gradient)
        self.patches += patches

    def close(self, step: int, rate: float, largest: float, psnr: tuple[float, float] | None) -> Progress:
        seconds = time.monotonic() - self.began
        return Progress(
            step,
            float(np.mean(self.losses)),
            rate,
            float(np.mean(self.gradients)),
            largest,
            self.patches / seconds,
            psnr[0] if psnr else None,
            psnr[1] if psnr else None,
        )


class _Lines:
    """The log as CSV, appended to."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def forget_after(self, step: int) -> None:
        """Drop the lines of steps that a resumed run does again."""
        if self.path.exists():
            header, *lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if int(line.partition(",")[0]) <= step]
            atomic.write_bytes(self.path, "".join([header, *kept]).encode())

    def write(self, progress: Progress) -> None:
        new = not self.path.exists()
        with self.path.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(vars(progress))
            writer.writerow("" if value is None else f"{value:.6g}" for value in vars(progress).values())
