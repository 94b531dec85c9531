"""Options that tasks declare, and how training pairs are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from magn_cli.errors import UsageError, any_of

Use = Literal["degrade", "pairs", "restore"]
"""What an option is for: making a degraded set, drawing training pairs, restoring."""


@dataclass(frozen=True)
class Option:
    """An option of one task: its name, default, help text and what it may be.

    >>> Option("size", 1.0, "Size of the grain in pixels.", low=0.3, high=3).check(2)
    2
    """

    name: str
    """A Python identifier; on the command line ``_`` becomes ``-``."""

    default: bool | int | float | str | tuple[Any, ...] | None
    """Its type is the option's. None: text that need not be given."""

    help: str
    choices: tuple[Any, ...] = ()
    """All values that it may have, or the items of a list; empty: any."""

    low: float | None = None
    high: float | None = None
    """The range of a number, ends included; both or neither."""

    listed: bool = True
    """Whether the command line offers it; False: a photo tells it."""

    @property
    def kind(self) -> type:
        """The type of a value; of a list's items for a list."""
        if isinstance(self.default, tuple):
            return type(self.default[0]) if self.default else str
        return str if self.default is None else type(self.default)

    @property
    def is_list(self) -> bool:
        """Whether the value is a list."""
        return isinstance(self.default, tuple)

    def check(self, value: Any) -> Any:
        """Return ``value``, or raise :class:`UsageError` where it is of another type or not allowed."""
        items = value if self.is_list else (value,)
        number = (int, float) if self.kind is float else self.kind
        if not isinstance(items, tuple) or not all(
            isinstance(item, number) and (self.kind is bool or not isinstance(item, bool)) for item in items
        ):
            raise UsageError(f"invalid {self.name} {value!r}: give {self._expected()}.")
        if not items:
            raise UsageError(f"{self.name} is an empty list; name at least one, such as {self.default[0]}.")  # type: ignore[index]
        for item in items:
            if self.choices and item not in self.choices:
                raise UsageError(f"invalid {self.name} {item!r}: choose {any_of(self.choices)}.")
            if self.low is not None and self.high is not None and not self.low <= item <= self.high:
                raise UsageError(
                    f"{self.name} {item} is out of range; give a number from {self.low:g} to {self.high:g}."
                )
        return value

    def _expected(self) -> str:
        words = {bool: "true or false", int: "a whole number", float: "a number"}.get(self.kind, "a text")
        return f"a list, each {words}" if self.is_list else words


@dataclass(frozen=True)
class PairOptions:
    """How training pairs are drawn; :meth:`Task.pairs` makes one with the task's own options.

    Raises :class:`UsageError` where a setting makes no sense.
    """

    gray: float = 0.25
    """Share of pairs made gray."""

    unknown: float = 0.0
    """Share of pairs whose level the network is not told."""

    levels: tuple[float, ...] = ()
    """Lowest and highest level; empty: the whole range of the task."""

    own: Mapping[str, Any] = field(default_factory=dict)
    """The task's own options, all of them."""

    def __post_init__(self) -> None:
        for name in ("gray", "unknown"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"invalid {name} {getattr(self, name)}: give a share from 0 to 1.")
        if len(self.levels) not in (0, 2) or (self.levels and self.levels[0] > self.levels[1]):
            raise UsageError(f"invalid levels {list(self.levels)}: give a lowest and a highest level.")

    def to_values(self) -> dict[str, Any]:
        """Return all settings by name, as they stand in a recipe's ``[pairs]``."""
        return {"gray": self.gray, "unknown": self.unknown, "levels": self.levels, **self.own}
