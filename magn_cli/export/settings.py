"""How a network is exported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from magn_cli.errors import UsageError
from magn_cli.inference.options import check_level
from magn_cli.limits import check_range
from magn_cli.runtime.threads import check_threads
from magn_cli.tasks import get_task

BuiltIn: TypeAlias = float | Literal["input", "unknown"]
"""A level to build into the network, in the task's units; or ``input`` to make it an input."""

MIN_OPSET, MAX_OPSET, OPSET = 17, 22, 17
"""Oldest, newest and default version of ONNX's operators. 17 is from 2022, and ONNX Runtime 1.12 knows it."""


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """How a network is exported. Raises :class:`UsageError` for a number that is out of range."""

    opset: int = OPSET
    """Version of ONNX's operators."""

    level: BuiltIn = "input"
    """Level to build in; ``input`` makes it an input."""

    check: bool = True
    """Compare the result with torch."""

    threads: int | None = None
    """CPU threads for that; None for all cores."""

    def __post_init__(self) -> None:
        check_range("--opset", self.opset, MIN_OPSET, MAX_OPSET)
        check_threads(self.threads)


def built_in(task: str, given: str) -> BuiltIn:
    """Read ``input``, ``unknown`` or a level.

    Raises:
        UsageError: it is none of them, or out of range.
    """
    if given == "input":
        return "input"
    if given == "auto":
        raise UsageError("an exported network finds no levels: give --level input, unknown or a number.")
    level = check_level(get_task(task), given)
    assert level != "auto"
    return level
