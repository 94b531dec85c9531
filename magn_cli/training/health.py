"""Whether a run still learns: a loss that runs away is noticed before it has spoilt the state."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

STEPS = 100
"""Losses are medians over as many steps: a rare pattern that the network cannot restore yet is no divergence."""

SETTLING = 200
"""First steps of a run, while the learning rate warms up, that nothing is concluded from."""

SUSPICIOUS = 2.0
DIVERGED = 3.0
"""How many times the lowest median so far."""


@dataclass(frozen=True)
class Vitals:
    """Medians over the last steps."""

    step: int
    loss: float
    gradient: float
    largest_score: float


class Health:
    """Looks at every step; made anew on a resume, from the best that there was."""

    def __init__(self, best: Vitals | None = None) -> None:
        self.best = best
        self._last: deque[tuple[float, float]] = deque(maxlen=STEPS)
        self._bad = 0

    def look(self, step: int, loss: float, gradient: float, largest_score: float) -> str | None:
        """Take note of a step; return what grew, as part of a sentence, where the run diverged, else None."""
        self._last.append((loss, gradient))
        if len(self._last) < STEPS or step < SETTLING:
            return None
        now = self._now(step, largest_score)
        if self.best is None or now.loss < self.best.loss:
            self.best = now
        self._bad = self._bad + 1 if now.loss > DIVERGED * self.best.loss else 0
        # A burst of few steps stays in the means for as many.
        return self.grown(now) if self._bad >= 2 * STEPS else None

    @property
    def times_the_best(self) -> float:
        """The median loss over its lowest so far; 1 where nothing is known yet."""
        if self.best is None or not self._last:
            return 1.0
        return float(np.median([loss for loss, _ in self._last])) / max(self.best.loss, 1e-12)

    @property
    def may_save(self) -> bool:
        """Whether what there is now is better than the last state on disk; not where the loss is running away."""
        return self.times_the_best < SUSPICIOUS

    def _now(self, step: int, largest_score: float) -> Vitals:
        loss, gradient = (float(value) for value in np.median(self._last, axis=0))
        return Vitals(step, loss, gradient, largest_score)

    def grown(self, now: Vitals) -> str:
        """Return what grew since the best steps."""
        best = self.best or now
        parts = []
        for name, before, after in (
            ("the loss", best.loss, now.loss),
            ("the gradient", best.gradient, now.gradient),
            ("the largest attention score", best.largest_score, now.largest_score),
        ):
            if not math.isfinite(after) or after > 1.2 * before:
                parts.append(f"{name} from {before:.3g} to {after:.3g}")
        return f"{', '.join(parts)} since step {best.step}"
