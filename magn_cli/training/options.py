"""Everything that decides a training run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args

from magn_cli.errors import UsageError

Kind = Literal["muon", "adamw", "adam"]
Loss = Literal["mse", "balanced"]
Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class TrainingOptions:
    """Settings of the loop. The defaults are ours for ``magn-s`` on a CPU; the paper's are in its section IV-A."""

    max_steps: int = 20_000
    """Optimizer steps in all."""

    batch: int = 8
    """Crops a step."""

    optimizer: str = "muon"
    """``muon`` (ours), ``adamw``, or ``adam`` (the paper's), see :class:`Optimizer`."""

    learning_rate: float = 1e-3
    """In the constant phase."""

    warmup: int = 500
    """Steps of linear warm-up."""

    decay: float = 0.35
    """Last share of the steps over which the learning rate falls to zero in a half cosine. What comes before
    does not depend on ``max_steps``, so a run may be resumed with another length until the fall begins."""

    clip: float = 2.0
    """Largest norm of the gradient, as a multiple of its running mean over about 100 steps."""

    ema: float = 0.999
    """Decay of the running mean of weights and batch statistics, which is what gets saved."""

    loss: str = "balanced"
    """``mse`` is the paper's (eq. 14). ``balanced`` (ours) divides each crop's MSE by the root of its
    input's, so that light degradations are not drowned by heavy ones where one network learns all levels."""

    precision: str = "bf16"
    """bf16: autocast; attention scores, norms and the loss stay in float32."""

    seed: int = 0
    """Of the first weights and of the pairs."""

    save_every: int = 250
    """Steps between two states on disk."""

    validate_every: int = 1000
    """Steps between two validations."""

    def __post_init__(self) -> None:
        for name, known in (
            ("optimizer", get_args(Kind)),
            ("loss", get_args(Loss)),
            ("precision", get_args(Precision)),
        ):
            if getattr(self, name) not in known:
                raise UsageError(f"{name} {getattr(self, name)!r} is unknown; use {' or '.join(known)}.")
        if self.seed < 0:
            raise UsageError(f"seed {self.seed} makes no sense; give 0 or more.")
        for name in ("max_steps", "batch", "learning_rate", "save_every", "validate_every"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} {getattr(self, name)!r} makes no sense; give a number above 0.")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return dataclasses.asdict(self)
