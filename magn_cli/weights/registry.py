"""The registries of checkpoints (``weights.toml``)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import tomli_w

from magn_cli.errors import NoSuchWeightsError, WeightsError, any_of
from magn_cli.files import structured
from magn_cli.tasks import TASKS
from magn_cli.weights import paths

REQUIRED = {"task": str, "preset": str}
OPTIONAL = {
    "licence": str,
    "trained": str,
    "figures": dict,
    "sha256": str,
    "size": int,
    "file": str,
    "repo_id": str,
    "revision": str,
    "filename": str,
    "missing": str,
}
REPOSITORY = re.compile(r"(?!.*(--|\.\.))[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*(?<![.-])", re.ASCII)
COMMIT = re.compile("[0-9a-f]{40}")
SHA256 = re.compile("[0-9a-fA-F]{64}")
TASK = re.compile("|".join(TASKS))
SOURCES = ("file", "repo_id", "missing")


@dataclass(frozen=True)
class RegistryEntry:
    """A checkpoint in a registry, with either ``file``, ``repo_id`` or ``missing``."""

    task: str
    preset: str
    folder: Path
    """Folder that contains ``file``."""

    licence: str = ""
    trained: str = ""
    """Training history in words."""

    figures: dict[str, float] = field(default_factory=dict)
    """Measured PSNR in dB, by test set and level."""

    sha256: str = ""
    size: int = 0
    """Size of the file in bytes."""

    file: str = ""
    """Name of a file in :attr:`folder`."""

    repo_id: str = ""
    """``user/name`` on the Hugging Face Hub."""

    revision: str = ""
    """Commit in that repository."""

    filename: str = ""
    """Name of the file in that repository."""

    missing: str = ""
    """Why there is no file yet, and how to get one; the end of a sentence."""

    @property
    def path(self) -> Path | None:
        """Path of ``file``; None if the checkpoint is on the Hub or missing."""
        return self.folder / self.file if self.file else None

    @property
    def name(self) -> str:
        """Name for messages."""
        return f"the {self.preset} weights for {self.task}"


def entries() -> tuple[RegistryEntry, ...]:
    """Read the registries. The user's adds to the shipped one and overrides it by task and preset.

    Raises:
        WeightsError: a registry is broken; the message names the file and the line or key.
    """
    shipped, own = paths.shipped_registry(), paths.own_registry()
    found = {(e.task, e.preset): e for e in read(shipped, paths.BUNDLED)}
    if own is not None and own.is_file():
        found.update({(e.task, e.preset): e for e in read(own, own.parent)})
    return tuple(found.values())


def read(path: Path, folder: Path) -> Iterator[RegistryEntry]:
    """Yield the entries of one registry, whose files are in ``folder``; errors as for :func:`entries`."""
    try:
        document = structured.toml_of(structured.read_bytes(path).decode("utf-8-sig"))
    except OSError as error:
        raise WeightsError(
            f"the registry {path} cannot be read ({error.strerror}); check the file, or reinstall magn."
        ) from error
    except UnicodeDecodeError as error:
        raise WeightsError(f"the registry {path} is not UTF-8 text; save it as UTF-8.") from error
    except ValueError as error:
        raise WeightsError(f"the registry {path} is not valid TOML: {error}; correct that line.") from error
    for key in document.keys() - {"checkpoint"}:
        raise WeightsError(f"the registry {path} has an unknown key {key!r}; it holds [[checkpoint]] tables only.")
    tables = document.get("checkpoint", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise WeightsError(
            f"the registry {path} has an invalid 'checkpoint'; write [[checkpoint]] above each entry."
        )
    seen: set[tuple[str, str]] = set()
    for number, values in enumerate(tables, 1):
        entry = _entry(f"the registry {path}", f"checkpoint {number}", values, folder)
        if (entry.task, entry.preset) in seen:
            raise WeightsError(
                f"the registry {path} has {entry.name} twice, again in checkpoint {number}; remove one."
            )
        seen.add((entry.task, entry.preset))
        yield entry


def _entry(where: str, which: str, values: dict[str, Any], folder: Path) -> RegistryEntry:
    kinds = REQUIRED | OPTIONAL
    for key in values.keys() - kinds.keys():
        raise WeightsError(f"{where} has an unknown key {key!r} in {which}; remove it.")
    for key, value in values.items():
        if not isinstance(value, kinds[key]) or isinstance(value, bool):
            raise WeightsError(f"{where} has an invalid {key!r} in {which}: {value!r}; see magn's weights.toml.")
    sources = [key for key in SOURCES if values.get(key)]
    if len(sources) != 1:
        raise WeightsError(f"{where} needs exactly one of 'file', 'repo_id' and 'missing' in {which}.")
    needed = {"file": ("sha256", "size"), "repo_id": ("sha256", "size", "revision", "filename"), "missing": ()}
    for key in (*REQUIRED, *needed[sources[0]]):
        if not values.get(key):
            raise WeightsError(f"{where} lacks the key {key!r} in {which}; add it.")
    patterns = {"repo_id": (REPOSITORY, "user/name"), "revision": (COMMIT, "the 40 digits of a commit"),
                "sha256": (SHA256, "its 64 digits"), "task": (TASK, any_of(TASKS))}  # fmt: skip
    for key, (pattern, meant) in patterns.items():
        if values.get(key) and not pattern.fullmatch(values[key]):
            raise WeightsError(f"{where} has an invalid {key!r} in {which}: {values[key]!r}; write {meant}.")
    if any(type(value) not in (int, float) for value in values.get("figures", {}).values()):
        raise WeightsError(f"{where} has a figure in {which} that is not a number; write dB.")
    for key in ("file", "filename"):
        check_inside(values.get(key, ""), f"{where}, {key!r} in {which}")
    return RegistryEntry(folder=folder, **values)


def check_inside(name: str, where: str) -> None:
    """Raise :class:`WeightsError` if a file name leads out of its folder or is no safetensors file."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts or name.startswith(("/", "\\", "~")) or ":" in name or not name.isprintable():
        raise WeightsError(f"{where}: {name} leads out of its folder; give the name of a file inside it.")
    if name and not name.endswith(".safetensors"):
        raise WeightsError(f"{where}: {name} is not a .safetensors file; other formats are not supported.")


def find(task: str, preset: str) -> RegistryEntry:
    """Return the entry for a task and preset.

    Raises:
        NoSuchWeightsError: there is no entry, or its checkpoint is missing.
    """
    known = entries()
    for entry in known:
        if (entry.task, entry.preset) == (task, preset):
            if entry.missing:
                raise NoSuchWeightsError(f"{entry.name} {entry.missing.rstrip('.')}.")
            return entry
    there = ", ".join(f"{e.task} with {e.preset}" for e in known if not e.missing) or "none"
    raise NoSuchWeightsError(
        f"there are no {preset} weights for {task} (available: {there}); "
        f"train your own with magn train --task {task} and pass them with --weights FILE."
    )


def variant(task: str, preset: str, name: str) -> str | None:
    """Return the preset of the network for a kind of photo, if the registry that has ``preset`` has one.

    Args:
        task: name of the task.
        preset: of the network for all other photos.
        name: of the variant, as in :attr:`magn_cli.tasks.Task.variants`.
    """
    there = {e.preset: e.folder for e in entries() if e.task == task and not e.missing}
    own = f"{preset}-{name}"
    return own if own in there and there[own] == there.get(preset) else None


def as_toml(values: dict[str, Any]) -> str:
    """Return a ``[[checkpoint]]`` table for a registry."""
    figures = values.get("figures") or {}
    lines = tomli_w.dumps({key: value for key, value in values.items() if key != "figures"})
    inner = ", ".join(f"{json.dumps(where)} = {value:.2f}" for where, value in figures.items())
    return f"[[checkpoint]]\n{lines}figures = {{ {inner} }}\n" if inner else f"[[checkpoint]]\n{lines}"
