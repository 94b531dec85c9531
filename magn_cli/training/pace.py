"""How fast a run goes: sums between two lines of the log, and the speed that turns minutes into steps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from magn_cli.training.record import Progress
from magn_cli.training.validation import Quality

MEASURED_STEPS = 40
"""Steps whose speed turns ``max_minutes`` into a number of steps."""


class Interval:
    """Sums between two lines of the log."""

    def __init__(self, minutes: float) -> None:
        self._start = time.monotonic() - minutes * 60
        self.open()

    def open(self) -> None:
        """Begin again; what was between the last :meth:`add` and now does not count as training."""
        self._began = self._ended = time.monotonic()
        self._patches, self._waited = 0, 0.0
        self._losses: list[float] = []
        self._gradients: list[float] = []

    def minutes(self) -> float:
        """Return minutes of training so far, those before a resume included."""
        return (time.monotonic() - self._start) / 60

    def wait_for(self, batches: Iterator[Any] | None) -> Any:
        """Return the next batch, and note how long it took to come."""
        assert batches is not None
        began = time.monotonic()
        batch = next(batches)
        self._waited += time.monotonic() - began
        return batch

    def add(self, loss: float, gradient: float, patches: int) -> None:
        """Take note of a step."""
        self._losses.append(loss)
        self._gradients.append(gradient)
        self._patches += patches
        self._ended = time.monotonic()

    def close(
        self, step: int, rate: float, largest: float, quality: Quality | None, length: int | None
    ) -> Progress:
        """Return the line of the log for the steps since :meth:`open`."""
        measured: dict[str, Any] = {}
        if quality is not None:
            measured = {
                "psnr": quality.psnr, "ssim": quality.ssim, "gain": quality.gain, "figures": quality.figures
            }  # fmt: skip
        seconds = self._ended - self._began
        return Progress(
            step=step,
            minutes=self.minutes(),
            loss=float(np.mean(self._losses)),
            learning_rate=rate,
            gradient=float(np.mean(self._gradients)),
            largest_score=largest,
            patches_a_second=self._patches / seconds,
            waiting=self._waited / seconds,
            length=length,
            seconds_left=None if length is None else (length - step) * seconds / len(self._losses),
            **measured,
        )


class Speed:
    """Seconds a step, once enough steps were made; the very first ones are slower and do not count."""

    def __init__(self, step: int) -> None:
        self._from = step + 2
        self._began = 0.0

    def elapsed(self, step: int) -> float:
        """Seconds since the first step that counts."""
        if step <= self._from:
            self._began = time.monotonic()
        return time.monotonic() - self._began

    def seconds_a_step(self, step: int, elapsed: float, whole: float) -> float | None:
        """Return it after 40 steps, or after three that took a tenth of the whole time; before that None."""
        done = step - self._from
        enough = done >= MEASURED_STEPS or (done >= 3 and elapsed > 0.1 * whole)
        return elapsed / done if enough else None
