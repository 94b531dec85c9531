"""The learning rate of a step."""

from __future__ import annotations

import math

from magn_cli.training.options import TrainingOptions


def learning_rate(options: TrainingOptions, step: int, length: int | None) -> float:
    """Return the learning rate of step 0, 1, ...; ``length``: steps in all, None while that is not known."""
    factor = min(1.0, (step + 1) / max(options.warmup, 1))
    if length is None or options.schedule == "constant":
        return options.learning_rate * factor
    if options.schedule == "steps":
        passed = sum(step >= share * length for share in options.milestones)
        return options.learning_rate * factor * options.gamma**passed
    fall = options.decay * length
    into = (step - (length - fall)) / max(fall, 1)
    if into > 0:
        factor *= 0.5 * (1 + math.cos(math.pi * min(into, 1.0)))
    return options.learning_rate * factor
