"""Keeps a report from taking the place of what it reports on."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path

from magn_cli.cli.console import STANDARD_OUTPUT
from magn_cli.errors import UsageError
from magn_cli.files import UrlPath


def check_apart(
    outputs: Mapping[str, Path | None], inputs: Iterable[Path | None], what: str = "one of the pictures"
) -> None:
    """Raise :class:`UsageError` for an output that is one of the inputs, also by another name or through a link.

    Args:
        outputs: by the option that names each; only those that exist could replace anything.
        inputs: files, and folders, of which every picture counts.
        what: what an input is, for the sentence.
    """
    there = {}
    for option, path in outputs.items():
        if path is not None and path != STANDARD_OUTPUT and (same := _identity(path)) is not None:
            there[option] = path, same
    if not there:
        return
    known, folders = set[Hashable](), list[Path]()
    for source in inputs:
        if source is not None and (same := _identity(source)) is not None:
            known.add(same)
            folders.append(_real(source))
    for option, (path, same) in there.items():
        if same in known or _is_picture_below(path, folders):
            raise UsageError(f"{option} {path} is {what}; give it another name.")


def _identity(path: Path) -> Hashable | None:
    """Return what is the same for two names of one file; None where there is none."""
    if isinstance(path, UrlPath):
        return path
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _real(path: Path) -> Path:
    return path if isinstance(path, UrlPath) else path.resolve()


def _is_picture_below(path: Path, folders: Iterable[Path]) -> bool:
    from magn_cli.images import INPUT_SUFFIXES, RAW_SUFFIXES

    real = _real(path)
    return real.suffix.lower() in INPUT_SUFFIXES | RAW_SUFFIXES and any(map(real.is_relative_to, folders))
