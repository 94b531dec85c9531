"""Whether a run still learns: a loss that runs away is told before it has spoilt the state."""

from __future__ import annotations

import math

from magn_cli.training.record import Progress

SUSPICIOUS = 2.0
DIVERGED = 3.0
"""How many times the lowest loss of an interval so far."""

SETTLING = 4
"""First intervals, while the learning rate warms up, that are only looked at."""


class Health:
    """Looks at each line of the log."""

    def __init__(self) -> None:
        self.best: Progress | None = None
        self._seen = self._bad = 0
        self.may_save = True
        """False while the loss is much higher than it was: the last state on disk is better."""

    def look(self, progress: Progress) -> str | None:
        """Return a sentence part on what grew where the run diverged, else None."""
        self._seen += 1
        if self.best is None or progress.loss < self.best.loss:
            self.best = progress
        times = progress.loss / max(self.best.loss, 1e-12)
        self.may_save = self._seen <= SETTLING or times < SUSPICIOUS
        self._bad = self._bad + 1 if self._seen > SETTLING and times > DIVERGED else 0
        return self.grown(progress) if self._bad >= 2 else None

    def grown(self, now: Progress) -> str:
        """Return what grew since the best interval."""
        best = self.best or now
        parts = []
        for name, before, after in (
            ("the loss", best.loss, now.loss),
            ("the gradient", best.gradient, now.gradient),
            ("the largest attention score", best.largest_score, now.largest_score),
        ):
            if not math.isfinite(after) or after > 1.2 * before:
                parts.append(f"{name} from {before:.3g} to {after:.3g}")
        return ", ".join(parts) + f" since step {best.step}" if parts else "the loss is not finite"
