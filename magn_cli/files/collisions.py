"""When two names are one: on disks that ignore case, and on those that compose accents."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path, PurePath
from typing import TypeVar

from magn_cli.errors import UsageError
from magn_cli.files.store import Store

T = TypeVar("T")


def collision_key(name: str | PurePath) -> str:
    """Return what two names have in common that some file system takes for one.

    >>> collision_key("Photo.png") == collision_key("photo.PNG")
    True
    >>> collision_key("caf\\u00e9.png") == collision_key("cafe\\u0301.png")
    True
    """
    # As in Unicode's canonical caseless matching: folding can undo a normalization.
    folded = unicodedata.normalize("NFD", os.path.normpath(name)).casefold()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", folded).casefold())


def first_collision(named: Iterable[tuple[T, str | PurePath]]) -> tuple[T, T] | None:
    """Return the first two things, of pairs of a thing and its name, that would have one name; None: no two."""
    first: dict[str, T] = {}
    for thing, name in named:
        key = collision_key(name)
        if key in first:
            return first[key], thing
        first[key] = thing
    return None


def check_collisions(named: Iterable[tuple[PurePath, PurePath]]) -> None:
    """Raise UsageError if, of pairs of an input and its output, two outputs would have one name."""
    # One output may be named from here and from the root.
    two = first_collision((pair, os.path.abspath(pair[1])) for pair in named)  # noqa: PTH100
    if two is None:
        return
    (one, first), (other, second) = two
    names = f"{first}" if first == second else f"{first} and {second}, one name on some disks"
    raise UsageError(f"{one} and {other} would both become {names}; rename one of them.")


def replaced(inputs: Mapping[Hashable, T], target: Path, store: Store) -> T | None:
    """Return which of the inputs a file of that name would replace, under another name or through a link.

    ``inputs``: by :meth:`Store.identity`. What cannot be looked up replaces nothing.
    """
    try:
        return inputs.get(store.identity(target))
    except (OSError, RuntimeError):
        return None
