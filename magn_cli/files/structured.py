"""JSON and TOML of strangers: read within bounds on size, depth and numbers."""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path
from typing import Any

from magn_cli.files.local import LOCAL
from magn_cli.files.store import Store

MAX_DEPTH = 32
"""Of tables and lists in each other; the deepest that magn writes has 6, and one more for each fine-tuning."""

MAX_NUMBER = 2**63
"""Whole numbers must be smaller."""

MAX_BYTES = 1 << 20
"""Of a file that people write, unless told otherwise."""


def read_bytes(path: Path, max_bytes: int = MAX_BYTES, store: Store = LOCAL) -> bytes:
    """Return the bytes of an ordinary file. Raises OSError; ``ValueError`` for more than ``max_bytes``."""
    with store.open(path) as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise ValueError(f"it is larger than {max_bytes:,} bytes")
    return data


def json_of(text: str | bytes) -> Any:
    """Return what a JSON document says.

    Raises ``ValueError`` for what is none, and for more than :data:`MAX_DEPTH` levels, infinite numbers, whole
    numbers beyond 64 bits.

    >>> json_of('{"sigma": [15, 25]}')
    {'sigma': [15, 25]}
    >>> json_of('{"sigma": 1e400}')
    Traceback (most recent call last):
    ValueError: sigma inf is out of range
    """
    try:
        return checked(json.loads(text))
    except RecursionError:
        raise _too_deep() from None


def toml_of(text: str) -> dict[str, Any]:
    """Return what a TOML document says; raises as :func:`json_of`.

    >>> toml_of("sigma = 25")
    {'sigma': 25}
    """
    try:
        document: dict[str, Any] = checked(tomllib.loads(text))
    except RecursionError:
        raise _too_deep() from None
    return document


def checked(document: Any) -> Any:
    """Return plain values within the bounds of :func:`json_of`, or raise ``ValueError``."""
    level, depth = [("a number", document)], 0
    while level:
        if depth > MAX_DEPTH:
            raise _too_deep()
        below: list[tuple[str, Any]] = []
        for name, value in level:
            if isinstance(value, dict):
                below += value.items()
            elif isinstance(value, list):
                below += ((name, one) for one in value)
            elif not _is_in_range(value):
                shown = f" {value}" if isinstance(value, float) else ""
                raise ValueError(f"{name}{shown} is out of range")
        level, depth = below, depth + 1
    return document


def _is_in_range(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or -MAX_NUMBER <= value < MAX_NUMBER


def _too_deep() -> ValueError:
    return ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
