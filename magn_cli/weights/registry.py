"""Which checkpoints there are: ``weights.toml``, read by hand and by this module."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from magn_cli.errors import NoSuchWeightsError, WeightsError

PACKAGED = Path(__file__).with_name("weights.toml")
IN_REPOSITORY = Path(__file__).parents[2] / "weights.toml"
BUNDLED = Path(__file__).with_name("bundled")


@dataclass(frozen=True)
class Entry:
    """One checkpoint of the registry."""

    task: str
    preset: str
    file: str
    """Name of the safetensors file in the package."""

    sha256: str
    size: int
    """Bytes."""

    licence: str
    trained: str
    """How far it was trained, in words."""

    figures: dict[str, Any]
    """Measured figures: name to dB."""

    @property
    def path(self) -> Path:
        """Where the bundled file lies."""
        return BUNDLED / self.file


@cache
def entries() -> tuple[Entry, ...]:
    """Read the registry. Raises :class:`WeightsError` naming file, line or key where it is broken."""
    path = PACKAGED if PACKAGED.is_file() else IN_REPOSITORY
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WeightsError(
            f"the registry {path} cannot be read ({error.strerror}); install magn again."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise WeightsError(f"the registry {path} is broken: {error}; mend that line.") from error
    return tuple(_entry(path, number, values) for number, values in enumerate(document.get("checkpoint", []), 1))


def _entry(path: Path, number: int, values: dict[str, Any]) -> Entry:
    types = {field.name: field.type for field in fields(Entry)}
    for key in types.keys() - values.keys():
        raise WeightsError(f"the registry {path} lacks the key {key!r} in checkpoint {number}; add it.")
    for key in values.keys() - types.keys():
        raise WeightsError(f"the registry {path} has an unknown key {key!r} in checkpoint {number}; remove it.")
    return Entry(**values)


def find(task: str, preset: str) -> Entry:
    """Return the entry for a task and preset. Raises :class:`NoSuchWeightsError` where there is none (yet)."""
    for entry in entries():
        if (entry.task, entry.preset) == (task, preset):
            return entry
    there = ", ".join(f"{e.task} with {e.preset}" for e in entries()) or "none"
    raise NoSuchWeightsError(
        f"there are no {preset} weights for {task} yet (there are: {there}); "
        f"give your own with --weights FILE, made by magn train --task {task}."
    )


def verified(entry: Entry) -> Path:
    """Return the path of a bundled checkpoint after comparing its sha256 with the registry's.

    Raises :class:`WeightsError` where the file is missing or another.
    """
    if not entry.path.is_file():
        raise WeightsError(f"the bundled weights {entry.path} are missing; install magn again.")
    with entry.path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != entry.sha256:
        raise WeightsError(
            f"the weights {entry.path} are damaged: sha256 {found} instead of {entry.sha256}; install magn again."
        )
    return entry.path
