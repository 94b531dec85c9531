"""Everything that decides a training run but its photographs: the settings, their meaning, their defaults."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args

from magn_cli.errors import UsageError, any_of
from magn_cli.limits import MAX_SEED, MAX_WORKERS, check_range

Kind = Literal["muon", "adamw", "adam"]
Loss = Literal["mse", "balanced", "psnr"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Schedule = Literal["cosine", "steps", "constant"]

MAX_STEPS = 100_000_000
MAX_MINUTES = 525_600
"""A year."""

MAX_BATCH = 4096
MAX_MILESTONES = 100

RANGES: dict[str, tuple[float, float]] = {
    "max_steps": (1, MAX_STEPS),
    "max_minutes": (0, MAX_MINUTES),
    "batch": (1, MAX_BATCH),
    "accumulate": (1, MAX_BATCH),
    "learning_rate": (0, 10),
    "warmup": (0, MAX_STEPS),
    "decay": (0, 1),
    "gamma": (0, 1),
    "clip": (0, 1000),
    "ema": (0, 1),
    "seed": (0, MAX_SEED),
    "save_every": (1, MAX_STEPS),
    "validate_every": (1, MAX_STEPS),
    "workers": (-1, MAX_WORKERS),
}
"""Least and most of each number."""


@dataclass(frozen=True)
class TrainingOptions:
    """Settings of the loop. The defaults are ours for ``magn-s`` on a CPU; the paper's are in its section IV-A.

    Raises :class:`UsageError` for an unknown choice and for a number outside of :data:`RANGES`.
    """

    max_steps: int = 20_000
    """Optimizer steps in all."""

    max_minutes: float = 0.0
    """Where above 0: how long to train, in place of ``max_steps``. The speed so far turns it into a number of
    steps, which is corrected every 50 steps. Only with ``max_steps`` is a resumed run the same to the last bit."""

    batch: int = 8
    """Crops a step, over all processes and parts."""

    accumulate: int = 1
    """Parts that the crops of one process are worked through in: less memory, the same step (but for batch
    norm, which sees a part)."""

    optimizer: str = "muon"
    """``muon`` (ours), ``adamw``, or ``adam`` (the paper's), see :class:`Optimizer`."""

    learning_rate: float = 1e-3
    """After the warm-up."""

    warmup: int = 500
    """Steps of linear warm-up."""

    schedule: str = "cosine"
    """``cosine``: constant, then half a cosine down to zero over the last ``decay`` of the steps. ``steps``:
    times ``gamma`` at each of ``milestones``. ``constant``: the paper's."""

    decay: float = 0.35
    """Share of the steps over which ``cosine`` falls; 1 for a cosine from the start. What comes before does
    not depend on ``max_steps``, so a run may be resumed with another length until the fall begins."""

    milestones: tuple[float, ...] = (0.5, 0.75, 0.9)
    """Where ``steps`` falls, as shares of ``max_steps``."""

    gamma: float = 0.5
    """By what ``steps`` multiplies."""

    clip: float = 2.0
    """Largest norm of the gradient, as a multiple of its running mean over about 100 steps; 0: no clipping."""

    ema: float = 0.999
    """Decay of the running mean of weights and batch statistics, which is what gets saved; 0: the weights
    themselves."""

    fixed_statistics: bool = False
    """Measure the batch statistics at the start and then train with these, as inference does. Only for a run that
    starts from a checkpoint: for the end of a training, in which batches of a few crops are a disturbance."""

    loss: str = "balanced"
    """``mse`` is the paper's (eq. 14). ``balanced`` (ours) divides each crop's MSE by the root of its
    input's, so that light degradations are not drowned by heavy ones where one network learns all levels, and
    lets errors above 1 grow with their logarithm. ``psnr`` (ours) is 60 dB less the PSNR of each crop, up to
    50 dB, with the same errors: what the mean PSNR of a test set asks for."""

    precision: str = "auto"
    """Autocast to bf16 or fp16 (with loss scaling), or fp32; ``auto``: bf16 where the device has it natively.
    Attention scores, norms and the loss stay in float32."""

    compile: bool = False
    """Let ``torch.compile`` write the kernels."""

    seed: int = 0
    """Of the first weights and of the pairs."""

    save_every: int = 250
    """Steps between two states on disk: what a crash can lose at most."""

    validate_every: int = 1000
    """Steps between two validations."""

    workers: int = -1
    """Processes that prepare pairs, for each training process; 0: it does that itself; -1: 0 on a CPU, else by
    the number of cores."""

    def __post_init__(self) -> None:
        for name, known in (
            ("optimizer", get_args(Kind)),
            ("loss", get_args(Loss)),
            ("precision", get_args(Precision)),
            ("schedule", get_args(Schedule)),
        ):
            if getattr(self, name) not in known:
                raise UsageError(f"unknown {name} {getattr(self, name)!r}: choose {any_of(known)}.")
        for name, (low, high) in RANGES.items():
            check_range(name, getattr(self, name), low, high)
        for name in ("learning_rate", "gamma"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} {getattr(self, name)} is out of range: give a number above 0.")
        if len(self.milestones) > MAX_MILESTONES:
            raise UsageError(f"{len(self.milestones)} milestones are too many: give at most {MAX_MILESTONES}.")
        for milestone in self.milestones:
            check_range("milestones", milestone, 0, 1, advice="give shares from 0 to 1")
        if self.batch % self.accumulate:
            raise UsageError(
                f"batch {self.batch} cannot be split into accumulate {self.accumulate} equal parts: "
                "make batch a multiple of accumulate."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return dataclasses.asdict(self)
