"""Levels of a degradation: the scale of a task, and a level found in a picture."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from magn_cli.errors import UsageError


@dataclass(frozen=True)
class LevelScale:
    """Range of a task's levels, and their conversion for the network: ``offset + factor * level``.

    The metadata of each checkpoint contains its scale.
    """

    name: str
    """Name of the level, such as ``sigma``."""

    low: float
    high: float
    offset: float
    factor: float

    def to_network(self, level: float) -> float:
        """Return the value of the level channel for a level."""
        return self.offset + self.factor * level

    def check(self, level: float) -> float:
        """Return ``level``, or raise :class:`UsageError` if it is outside ``low..high``."""
        if not self.low <= level <= self.high:
            raise UsageError(
                f"{self.name} {level:g} is out of range; give a number from {self.low:g} to {self.high:g}."
            )
        return level

    def nearest(self, level: float) -> float:
        """Return the nearest level within ``low..high``."""
        return min(max(level, self.low), self.high)

    def to_dict(self) -> dict[str, Any]:
        """Return the scale as plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> LevelScale:
        """Create a scale from the result of :meth:`to_dict`.

        Raises:
            KeyError, TypeError, ValueError: the values are anything else.
        """
        name, *numbers = (values[key] for key in ("name", "low", "high", "offset", "factor"))
        return cls(str(name), *(float(number) for number in numbers))


@dataclass(frozen=True)
class FoundLevel:
    """A level that was read from a file, estimated from a picture, or given."""

    level: float | None
    """In the task's units; None if unknown."""

    how: str
    """Where the level comes from, in words for the user: ``"estimated from the picture"``."""

    strength: float = 1.0
    """Share of the network's change to apply, 0..1; below 1 for pictures that are hardly degraded."""


def level_text(level: float | None) -> str:
    """Return the shortest text for a level, such as ``25`` or ``12.5``; empty for None."""
    if level is None:
        return ""
    return str(int(level)) if float(level).is_integer() else repr(float(level))
