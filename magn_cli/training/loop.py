"""The training loop: pairs in, a checkpoint out; can be stopped and resumed at any time."""

from __future__ import annotations

import copy
import itertools
import logging
import math
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, default_collate

from magn_cli.errors import TrainingError, WeightsError
from magn_cli.model import Magn
from magn_cli.model.graph import ScoreScale
from magn_cli.runtime.precision import choose_type
from magn_cli.tasks import get_task
from magn_cli.training import finetune, statistics
from magn_cli.training.captured import CapturedStep, can_capture
from magn_cli.training.engine import Engine
from magn_cli.training.finetune import Taken
from magn_cli.training.health import Health, Vitals
from magn_cli.training.optimizer import Optimizer
from magn_cli.training.pace import Interval, Speed
from magn_cli.training.patches import Crops, Order, Pairs
from magn_cli.training.recipe import FREE_ON_RESUME, TrainingRecipe, differences, own
from magn_cli.training.record import Progress, Record
from magn_cli.training.schedule import learning_rate
from magn_cli.training.state import damaged, load_state, save_state
from magn_cli.training.validation import Quality, Validation
from magn_cli.weights.checkpoint import save_checkpoint
from magn_cli.weights.metadata import Checkpoint

log = logging.getLogger(__name__)

LOG_EVERY = 50
PRECISIONS = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
SHARE_OF_STEPS = 0.95
"""What of the time goes to steps; the rest to validation and to writing states."""

OUTLIER = 10_000
"""Multiple of the usual gradient from which a step is left out, as its direction cannot be trusted. Patterns that
a network amplifies have up to some thousand times the usual one, and are learnt from."""

UNREACHED = 10**9
"""A step that no run reaches."""

MAX_OVERFLOWS = 20
"""Steps in a row that half precision may skip while it looks for its scale."""


@dataclass
class TrainerState:
    """How far a run is: all that changes but tensors."""

    step: int = 0
    minutes: float = 0.0
    usual_gradient: float = 0.0
    length: int | None = None
    """Steps in all; None until ``max_minutes`` has been turned into steps."""

    best_psnr: float = -math.inf
    best_vitals: tuple[int, float, float, float] | None = None
    """See :class:`Vitals`."""

    overflows: int = 0


TABLES = ("recipe", "model", "averaged", "optimizer", "scaler", "stand", "random")
"""Parts of a state that hold values by their names."""


@dataclass
class Trainer:
    """One run in one folder: ``state.pt`` (for resuming), ``log.csv``, ``<preset>-<task>.safetensors``."""

    recipe: TrainingRecipe
    out: Path
    engine: Engine
    about: dict[str, Any] = field(default_factory=dict)
    """Goes into the checkpoint beside what the trainer knows itself: data, command."""

    fingerprints: tuple[str, str] = ("", "")
    """Of the photographs to train on and to validate on."""

    tensorboard: bool = False

    def __post_init__(self) -> None:
        options = self.recipe.training
        self.options, self.task, self.config = options, get_task(self.recipe.task), self.recipe.config()
        if options.batch % (options.accumulate * self.engine.world):
            raise TrainingError(
                f"batch {options.batch} cannot be split among {self.engine.world} processes in "
                f"{options.accumulate} parts: make --batch a multiple of {options.accumulate * self.engine.world}."
            )
        self.dtype = choose_type(options.precision, self.engine.device)
        # What goes into files is what was used, so that a resume on another machine stays the same run.
        self.options = options = replace(options, precision=PRECISIONS[self.dtype])
        self.recipe = replace(self.recipe, training=options)
        torch.manual_seed(options.seed)
        plain = Magn(self.config)
        self._batches: Iterator[Any] | None = None
        self.origin: dict[str, Any] | None = None
        self._cases: list[str] | None = None
        self._captured: CapturedStep | None = None
        plain.to(self.engine.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._final: Magn | None = None
        self.averaged = AveragedModel(plain, multi_avg_fn=_Average(options.ema), use_buffers=True).eval()
        self.model = cast(Magn, self.engine.prepare(plain))
        self.optimizer = Optimizer(self.model, options.optimizer, options.learning_rate)
        self.scaler = torch.amp.GradScaler(self.engine.device.type, enabled=self.dtype == torch.float16)
        self.state = TrainerState(length=None if options.max_minutes else options.max_steps)
        self._wrapped = self.engine.wrap(self.model)
        self._forward: Callable[[Tensor, Tensor], Tensor] = self._wrapped
        if options.compile:
            self._forward = torch.compile(self._wrapped)

    @property
    def checkpoint_path(self) -> Path:
        """Where the network for use is written."""
        return self.out / f"{self.recipe.preset}-{self.task.name}.safetensors"

    @property
    def best_path(self) -> Path:
        """Where the network of the best validation is written."""
        return self.out / f"{self.recipe.preset}-{self.task.name}-best.safetensors"

    @property
    def state_path(self) -> Path:
        """Where the state for resuming is written."""
        return self.out / "state.pt"

    def start_from(self, path: Path) -> Taken:
        """Take over what fits of a checkpoint; errors as of :func:`finetune.start_from`."""
        taken = finetune.start_from(path, self.model, self.task.name)
        self._averaged().load_state_dict(self.model.state_dict())
        self.origin = taken.source
        return taken

    def resume(self) -> list[str]:
        """Continue from the state in the run's folder; return a sentence for each setting that differs.

        Raises :class:`TrainingError` where the state is missing or damaged, or where a setting differs that
        would make it another run.
        """
        state = load_state(self.state_path)
        try:
            return self._take(state)
        except (
            KeyError,
            ValueError,
            TypeError,
            AttributeError,
            IndexError,
            RuntimeError,
            RecursionError,
        ) as error:
            raise damaged(self.state_path) from error

    def _take(self, state: dict[str, Any]) -> list[str]:
        if not all(isinstance(state[name], dict) for name in TABLES):
            raise TypeError("a part of the state has no names")
        changed = differences(own(state["recipe"]), self._recipe_values())
        for key, then, now in changed:
            if key not in FREE_ON_RESUME:
                raise TrainingError(
                    f"the state in {self.out} was made with {key} {_shown(then)}, not {_shown(now)}: use the same "
                    "value, or give another --out."
                )
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._check_optimizer()
        self.scaler.load_state_dict(state["scaler"])
        self.state, self.origin = TrainerState(**state["stand"]), state["origin"]
        _check_types(self.state)
        if not isinstance(self.origin, dict | None):
            raise TypeError("an origin has names")
        self._cases = state.get("validation", [])
        if state.get("command"):
            self.about = {**self.about, "command": state["command"], "resumed": self.about.get("command")}
        for name, generator in _generators(self.engine.device):
            if name in state["random"]:
                generator.set_state(state["random"][name])
        if any(key in ("training.max_steps", "training.max_minutes") for key, _, _ in changed):
            self.state.length = None if self.options.max_minutes else self.options.max_steps
        said = [f"{key.rpartition('.')[2]} is now {_shown(now)}, was {_shown(then)}" for key, then, now in changed]
        before, now = state["fingerprints"], self.fingerprints
        if before[0] != now[0]:
            said.append("the training photographs have changed, so the result differs from an uninterrupted run")
        if before[1] != now[1]:
            said.append("the validation photographs have changed, so the best checkpoint starts over")
            self.state.best_psnr = -math.inf
        return said

    def _check_optimizer(self) -> None:
        """Raise ``ValueError`` where it has taken over tensors that do not fit: it looks at none itself."""
        for optimizer in self.optimizer.parts:
            for parameter, kept in optimizer.state.items():
                for value in kept.values():
                    if isinstance(value, torch.Tensor) and value.numel() != 1 and value.shape != parameter.shape:
                        raise ValueError("a tensor of the optimizer has another shape than its parameter")

    def run(
        self,
        train: Sequence[NDArray[np.uint8]],
        validate: Sequence[NDArray[np.uint8]],
        report: Callable[[Progress], None],
        should_stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Train to the end, or until ``should_stop`` of any process; write state and checkpoint at the end.

        Returns whether it was stopped.

        Raises :class:`TrainingError` where the loss runs away or a file cannot be written; the last good state
        stays on disk.
        """
        validation = Validation(validate, self.task, self.recipe.pairs) if self.engine.first else None
        record = None
        if validation is not None:
            record = Record(self.out, self.state.step, self.tensorboard, validation.columns)
            self._compare_cases(validation.cases)
        pairs = Pairs(train, self.task, self.config.window, self.recipe.pairs, self.options.seed)
        with _one_opencv_thread():
            self._batches = iter(self._loader(pairs))
        self.model.train()
        if self.options.fixed_statistics:
            self._fix_statistics(pairs)
        if can_capture(self):
            self._captured = CapturedStep(self, self.task.tells_more(self.recipe.pairs), OUTLIER)
        try:
            stopped = self._steps(validation, record, report, should_stop)
        finally:
            # Its processes end with it, now: a traceback would keep it, and they take no signals.
            self._batches = None
            if record:
                record.close()
        self.engine.wait()
        return stopped

    def _steps(
        self,
        validation: Validation | None,
        record: Record | None,
        report: Callable[[Progress], None],
        should_stop: Callable[[], bool],
    ) -> bool:
        known = self.state.best_vitals
        health, interval = Health(Vitals(*known) if known else None), Interval(self.state.minutes)
        largest = 0.0
        scales = [m for m in self.model.modules() if isinstance(m, ScoreScale)]
        speed = Speed(self.state.step)
        if self._finished():
            self._measure_statistics()
            if record:
                self._write(self.checkpoint_path)
        stop = False
        while not (stop or self._finished()):
            for scale in scales:
                scale.watch = (self.state.step + 1) % LOG_EVERY == 0
            loss, gradient, stop = self._step(interval, should_stop())
            self.state.step += 1
            self.state.minutes = interval.minutes()
            self._measure_length(speed)
            interval.add(loss, gradient, self.options.batch)
            if (grown := health.look(self.state.step, loss, gradient, largest)) is not None:
                raise TrainingError(self._diverged(grown))
            self.state.best_vitals = astuple(health.best) if health.best else None
            if self._finished():
                self._measure_statistics()
            # Whoever asks to stop may not wait long: no validation then.
            validates = self._finished() or self.state.step % self.options.validate_every == 0
            logs = stop or validates or self.state.step % LOG_EVERY == 0
            if logs:
                largest = max((float(s.largest) for s in scales if s.largest is not None), default=0.0)
            if logs and record:
                quality = self._validate(validation) if validates else None
                rate = learning_rate(self.options, self.state.step - 1, self.state.length)
                progress = interval.close(self.state.step, rate, largest, quality, self.state.length)
                record.add(progress)
                report(progress)
                self._keep_best(quality)
            if record and (stop or self._finished() or self.state.step % self.options.save_every == 0):
                self._save_if_healthy(health, stop or self._finished())
            if logs:
                interval.open()
        return stop

    def _validate(self, validation: Validation | None) -> Quality | None:
        return validation.measure(self._averaged(), self.engine.device, self.dtype) if validation else None

    def _save_if_healthy(self, health: Health, last: bool) -> None:
        if health.may_save:
            self.save()
        elif last:
            log.warning(
                "the loss is %.1f times its lowest value: the previous state is kept and this one discarded",
                health.times_the_best,
            )

    def save(self) -> None:
        """Write the state for resuming and the checkpoint for use."""
        state = {
            "recipe": self._recipe_values(),
            "fingerprints": list(self.fingerprints),
            "origin": self.origin,
            "command": self.about.get("command"),
            "validation": self._cases,
            "stand": vars(self.state).copy(),
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "random": {name: generator.get_state() for name, generator in _generators(self.engine.device)},
        }
        # In this order: a resume goes on from the state, and nothing but the next save would mend the checkpoint.
        self._write(self.checkpoint_path)
        save_state(self.state_path, state)

    def _recipe_values(self) -> dict[str, Any]:
        return self.recipe.to_values(folders=False)

    def _compare_cases(self, cases: list[str]) -> None:
        """Let the best begin anew where it was chosen by other cases: its PSNR says nothing about these."""
        if self._cases is not None and self._cases != cases:
            log.info("validation has other cases than before, so the best checkpoint starts over")
            self.state.best_psnr = -math.inf
        self._cases = cases

    def _averaged(self) -> Magn:
        return self._final or cast(Magn, self.averaged.module)

    def _fix_statistics(self, pairs: Pairs) -> None:
        """Measure the batch statistics at the start of a run, and train with them from then on."""
        if self.state.step == 0:
            # Of pairs that no run reaches, as a resumed one must see the same pairs.
            order = iter(Order(UNREACHED, self.options.batch))
            indices = itertools.islice(order, statistics.batches(self.options.batch))
            self._measure(self.model, (default_collate([pairs[i] for i in batch]) for batch in indices))
            self._averaged().load_state_dict(self.model.state_dict())
        statistics.fix(self.model)

    def _measure_statistics(self) -> None:
        """Measure the batch statistics of the finished weights on the next batches.

        This is done in a copy: a longer run goes on from the statistics before.
        """
        if self.options.fixed_statistics:
            return
        assert self._batches is not None
        batches = itertools.islice(self._batches, min(statistics.batches(self.options.batch), self.state.step))
        self._final = copy.deepcopy(self._averaged())
        self._measure(self._final, batches)

    def _measure(self, model: nn.Module, batches: Iterable[Sequence[Tensor]]) -> None:
        def forward(model: nn.Module, batch: Sequence[Tensor]) -> None:
            crops = Crops(*(self.engine.to_device(t) for t in batch))
            with torch.autocast(self.engine.device.type, self.dtype, enabled=self.dtype != torch.float32):
                model(crops.degraded, crops.level)

        statistics.measure(model, batches, forward)

    def _keep_best(self, quality: Quality | None) -> None:
        if quality is not None and quality.overall > self.state.best_psnr:
            self.state.best_psnr = quality.overall
            self._write(self.best_path)

    def _write(self, path: Path) -> None:
        training = {
            **self.about,
            "steps": self.state.step,
            "minutes": round(self.state.minutes, 1),
            "device": str(self.engine.device.type),
            "recipe": self._recipe_values(),
            **({"init": self.origin} if self.origin else {}),
        }
        scale = self.task.scale if self.config.level_channel else None
        recipe = self.recipe
        about = Checkpoint(self.task.name, recipe.preset, self.config, scale, training, recipe.licence)
        try:
            save_checkpoint(path, self._averaged(), about)
        except WeightsError as error:
            raise TrainingError(str(error)) from error

    def _finished(self) -> bool:
        return self.state.length is not None and self.state.step >= self.state.length

    def _loader(self, pairs: Pairs) -> DataLoader[Any]:
        engine, options = self.engine, self.options
        workers = options.workers
        if workers < 0:
            # A CPU that trains has no core to spare: there a process of its own costs more than what it does.
            share = (os.cpu_count() or 1) // 2 // engine.world
            workers = 0 if engine.device.type == "cpu" else max(1, min(8, share))
        order = Order(self.state.step, options.batch, options.accumulate, engine.rank, engine.world)
        return DataLoader(
            pairs,
            batch_sampler=order,
            num_workers=workers,
            prefetch_factor=4 if workers else None,
            pin_memory=engine.device.type == "cuda",
            # Else it would take a number from the generator that the state holds, at each start anew.
            generator=torch.Generator(),
            worker_init_fn=_start_worker,
        )

    def _step(self, interval: Interval, stop: bool) -> tuple[float, float, bool]:
        """One optimizer step: mean loss over all processes, norm of the gradient, whether any wants to stop."""
        options, engine = self.options, self.engine
        if self._captured is not None:
            return *self._step_on_device(self._captured, interval, stop), stop
        self.optimizer.set_rate(learning_rate(options, self.state.step, self.state.length))
        self.optimizer.zero_grad()
        total, before = 0.0, statistics.kept(self.model)
        for part in range(options.accumulate):
            crops = Crops(*(engine.to_device(t) for t in interval.wait_for(self._batches)))
            rest = part + 1 < options.accumulate
            with engine.without_exchange(self._wrapped) if rest else nullcontext():
                with torch.autocast(engine.device.type, self.dtype, enabled=self.dtype != torch.float32):
                    target = self._target(crops)
                    restored = self._forward(crops.degraded, crops.level)
                loss = self.loss(restored.float(), crops.noisier, target) / options.accumulate
                self.scaler.scale(loss).backward()
            total += loss.item()
        norm = self.optimizer.gather(self.scaler)
        value, asked = engine.mean(total, float(stop))
        gradient = norm.item()
        self._check(value, gradient)
        usable = math.isfinite(gradient)
        if usable and options.clip and gradient > OUTLIER * (self.state.usual_gradient or gradient):
            log.debug("step %d left out: its gradient is %g", self.state.step + 1, gradient)
            usable = False
        if not usable:
            statistics.put_back(before)
        if usable:
            usual = self.state.usual_gradient or gradient
            most = options.clip * usual if options.clip else math.inf
            self.optimizer.clip(most, norm)
            self.state.usual_gradient = 0.99 * usual + 0.01 * min(gradient, most)
        self.optimizer.step(self.scaler, usable)
        if usable:
            self.averaged.update_parameters(self.model)
        return value, gradient, asked > 0

    def loss(self, restored: Tensor, degraded: Tensor, target: Tensor) -> Tensor:
        """Return the loss of a batch ``(B, C, H, W)``."""
        return loss_of(self.options.loss, restored, degraded, target)

    def _step_on_device(self, step: CapturedStep, interval: Interval, stop: bool) -> tuple[float, float]:
        """One step without waiting for the device; loss and gradient are those of the step before, mostly."""
        done, options = self.state.step + 1, self.options
        step(
            Crops(*interval.wait_for(self._batches)),
            learning_rate(options, self.state.step, self.state.length),
        )
        # Nothing is written before it is known that the last step was sound.
        latest = stop or done % LOG_EVERY == 0 or done % options.save_every == 0
        latest = latest or done % options.validate_every == 0 or done == self.state.length
        loss, gradient = step.values(latest)
        self._check(loss, gradient)
        return loss, gradient

    @torch.no_grad()
    def _target(self, crops: Crops) -> Tensor:
        """Return the clean crops, but what the network makes of the noisier ones where there are any.

        That is the mean of its weights, which is steadier. A value beyond black or white would be learned, too.
        """
        more = (crops.noisier != crops.degraded).flatten(1).any(1)
        if not more.any():
            return crops.clean
        target = crops.clean.clone()
        target[more] = self.averaged(crops.noisier[more], crops.noisier_level[more]).float().clamp(0, 1)
        return target

    def _check(self, loss: float, gradient: float) -> None:
        if math.isfinite(loss) and math.isfinite(gradient):
            self.state.overflows = 0
            return
        self.state.overflows += 1
        if not (self.scaler.is_enabled() and math.isfinite(loss) and self.state.overflows <= MAX_OVERFLOWS):
            raise TrainingError(self._diverged(f"the loss is {loss:g}, the gradient {gradient:g}"))

    def _diverged(self, grown: str) -> str:
        what = f"training diverged at step {self.state.step}: {grown}; "
        if self.state_path.exists():
            return what + "the last good state is kept: use --resume and a smaller --learning-rate."
        return what + "start again with a smaller --learning-rate."

    def _measure_length(self, speed: Speed) -> None:
        """Turn ``max_minutes`` into steps, in all processes into the same number.

        Again and again, as the machine may be used by others for a part of the time.
        """
        known = self.state.length is not None
        if not self.options.max_minutes or (known and self.state.step % LOG_EVERY):
            return
        elapsed, minutes = self.engine.mean(speed.elapsed(self.state.step), self.state.minutes)
        seconds = speed.seconds_a_step(self.state.step, elapsed, self.options.max_minutes * 60)
        if seconds is not None:
            left = max(0.0, self.options.max_minutes - minutes) * 60 * SHARE_OF_STEPS
            self.state.length = self.state.step + max(1, int(left / seconds))
            if not known:
                log.info("%g minutes come to %d steps", self.options.max_minutes, self.state.length)


def loss_of(kind: str, restored: Tensor, degraded: Tensor, clean: Tensor) -> Tensor:
    """Return the loss of a batch ``(B, C, H, W)``: see :attr:`TrainingOptions.loss`."""
    if kind == "mse":
        return (restored - clean).square().mean()
    size = (restored - clean).abs()
    # Errors above white grow with their logarithm: a network that amplifies a rare pattern by thousands can only
    # be taught otherwise by a gradient that is not thousands of times the usual one.
    errors = torch.where(size <= 1, size.square(), 1 + 2 * size.clamp(min=1).log()).mean((1, 2, 3))
    if kind == "psnr":
        # Above zero, as a run is watched by how its loss grows.
        return 60 + 10 * (errors + 1e-5).log10().mean()
    return (errors / ((degraded - clean).square().mean((1, 2, 3)) + 1e-4).sqrt()).mean()


class _Average:
    """Running mean of the weights: ``decay`` in the end, a mean over all steps so far at first.

    Without the slow start it would hold a share of the random first weights for thousands of steps.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay

    @torch.no_grad()
    def __call__(self, averaged: Any, current: Any, steps: Any) -> None:
        decay = min(self.decay, float((1 + steps) / (10 + steps)))
        floats = [(a, c) for a, c in zip(averaged, current, strict=True) if a.is_floating_point()]
        if floats:
            torch._foreach_lerp_([a for a, _ in floats], [c for _, c in floats], 1 - decay)
        for a, c in zip(averaged, current, strict=True):
            if not a.is_floating_point():
                a.copy_(c)


def _generators(device: torch.device) -> list[tuple[str, torch.Generator]]:
    generators = [("cpu", torch.default_generator)]
    if device.type == "cuda":
        generators.append(("cuda", torch.cuda.default_generators[device.index or 0]))
    return generators


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """Let the workers that are forked meanwhile use one core each, as torch sees to for its own threads.

    It has to be set before the fork: a worker that inherits OpenCV's pool of threads without the threads
    waits for them without end.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def _start_worker(worker: int) -> None:
    # Ctrl-C reaches every process of the terminal: the loop must find its worker alive to stop in order.
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)


def _check_types(state: TrainerState) -> None:
    """Raise ``ValueError`` where a state that was read has other types than the run counts with."""
    whole = [state.step, state.overflows, 0 if state.length is None else state.length]
    numbers = [state.minutes, state.usual_gradient, state.best_psnr, *(state.best_vitals or ())]
    if not all(type(number) is int and 0 <= number < 2**63 for number in whole):
        raise ValueError("a number of steps")
    if not all(type(number) in (int, float) and not math.isnan(number) for number in numbers):
        raise ValueError("a number")
    if state.best_vitals is not None and len(state.best_vitals) != 4:
        raise ValueError("vitals")


def _shown(value: Any) -> str:
    return "nothing" if value in (None, "", [], {}) else str(value)
