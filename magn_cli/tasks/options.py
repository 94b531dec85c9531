"""Options that tasks declare, and the settings of training pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from magn_cli.errors import UsageError, any_of

Use = Literal["degrade", "pairs", "restore"]
"""Purpose of an option: making degraded sets, drawing training pairs, or restoring."""


@dataclass(frozen=True)
class Option:
    """An option of a task: its name, default, help text and allowed values.

    >>> Option("size", 1.0, "Size of the grain in pixels.", low=0.3, high=3).check(2)
    2
    """

    name: str
    """A Python identifier; ``_`` becomes ``-`` on the command line."""

    default: bool | int | float | str | tuple[Any, ...] | None
    """Default, which also determines the type. None stands for optional text."""

    help: str
    choices: tuple[Any, ...] = ()
    """Allowed values, or allowed items of a list; empty allows any."""

    low: float | None = None
    high: float | None = None
    """Range of a number, ends included; give both or neither."""

    listed: bool = True
    """Offer the option on the command line. False if only photos supply it."""

    @property
    def kind(self) -> type:
        """Type of the value, or of the items of a list."""
        if isinstance(self.default, tuple):
            return type(self.default[0]) if self.default else str
        return str if self.default is None else type(self.default)

    @property
    def is_list(self) -> bool:
        """True if the value is a list."""
        return isinstance(self.default, tuple)

    def check(self, value: Any) -> Any:
        """Return ``value``, or raise :class:`UsageError` if its type is wrong or it is not allowed."""
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
        words = {bool: "true or false", int: "a whole number", float: "a number"}.get(self.kind, "text")
        return f"a list, each {words}" if self.is_list else words


@dataclass(frozen=True)
class PairOptions:
    """Settings for drawing training pairs, made by :meth:`Task.pairs`.

    Raises:
        UsageError: a setting is invalid.
    """

    gray: float = 0.25
    """Share of gray pairs."""

    unknown: float = 0.0
    """Share of pairs whose level is hidden from the network."""

    patterns: float = 0.05
    """Share of pairs whose clean crop is a pattern such as a halftone or stripes of one pixel."""

    levels: tuple[float, ...] = ()
    """Lowest and highest level; empty for the whole range of the task."""

    own: Mapping[str, Any] = field(default_factory=dict)
    """All options of the task itself."""

    def __post_init__(self) -> None:
        for name in ("gray", "unknown", "patterns"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"invalid {name} {getattr(self, name)}: give a share from 0 to 1.")
        if len(self.levels) not in (0, 2) or (self.levels and self.levels[0] > self.levels[1]):
            raise UsageError(f"invalid levels {list(self.levels)}: give a lowest and a highest level.")

    def to_values(self) -> dict[str, Any]:
        """Return all settings by name, as in ``[pairs]`` of a recipe."""
        common = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "own"}
        return {**common, **self.own}
