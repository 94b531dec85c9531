"""How strong a degradation is: the scale of a task's levels, and a level found in a picture."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from magn_cli.errors import UsageError


@dataclass(frozen=True)
class LevelScale:
    """The range of a task's level and how a network is told it: ``offset + factor * level``.

    It travels in each checkpoint's metadata, so that weights say themselves what their level channel holds.
    """

    name: str
    """The field's word for it, such as ``sigma``."""

    low: float
    high: float
    offset: float
    factor: float

    def to_network(self, level: float) -> float:
        """Return the number for the level channel."""
        return self.offset + self.factor * level

    def check(self, level: float) -> float:
        """Return ``level``, or raise :class:`UsageError` where it is outside ``low..high``."""
        if not self.low <= level <= self.high:
            raise UsageError(
                f"{self.name} {level:g} is out of range; give a number from {self.low:g} to {self.high:g}."
            )
        return level

    def nearest(self, level: float) -> float:
        """Return ``level`` moved into ``low..high``."""
        return min(max(level, self.low), self.high)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> LevelScale:
        """Read what :meth:`to_dict` wrote. Raises ``ValueError`` or ``TypeError`` for anything else."""
        name, *numbers = (values[key] for key in ("name", "low", "high", "offset", "factor"))
        return cls(str(name), *(float(number) for number in numbers))


@dataclass(frozen=True)
class FoundLevel:
    """A level read or estimated from a picture."""

    level: float | None
    """None: nothing could be found, the network is told "unknown"."""

    how: str
    """Where it comes from, in words for the user: ``"estimated from the picture"``."""

    strength: float = 1.0
    """Share of the network's change that is applied, 0..1: less where a picture is hardly degraded at all."""


def level_text(level: float | None) -> str:
    """Return ``25`` or ``12.5``, the shortest text that stands for the number; nothing for None."""
    if level is None:
        return ""
    return str(int(level)) if float(level).is_integer() else repr(float(level))
