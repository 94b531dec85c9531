"""The ``manifest.json`` of a degraded set, which ``degrade`` writes and ``eval`` reads."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from magn_cli.errors import ImageError, UsageError
from magn_cli.files import LOCAL, Store, StoreError, sentences, structured

NAME = "manifest.json"
SCHEMA = 1
MAX_BYTES = 256 << 20
"""Some 500,000 pictures."""


@dataclass(frozen=True)
class DegradedFile:
    """One degraded picture."""

    source: str
    """Path of the clean picture relative to its folder, with ``/`` as separator."""

    source_sha256: str
    level: float | None
    """In the task's units; None if the task has none."""

    result: str
    """Path relative to the folder of the set, with ``/`` as separator."""

    result_sha256: str


@dataclass(frozen=True)
class Manifest:
    """Settings and files of a set. It holds no times or absolute paths, so the same set has the same manifest."""

    task: str
    seed: int
    options: dict[str, Any]
    """Options of the task and the conversion to gray, as plain values."""

    versions: dict[str, str]
    """Versions of magn and of the libraries that affect the bytes."""

    results: dict[str, DegradedFile] = field(default_factory=dict)
    """Degraded files by :attr:`DegradedFile.result`."""

    def difference(self, other: Manifest) -> str | None:
        """Return the first setting that differs in another set, as ``"seed 0, not 1"``; None if there is none."""
        mine, theirs = (
            {"task": m.task, "seed": m.seed, **m.options, **{f"{n} version": v for n, v in m.versions.items()}}
            for m in (self, other)
        )
        for name in [*mine, *theirs]:
            if mine.get(name) != theirs.get(name):
                return f"{name} {_word(mine.get(name))}, not {_word(theirs.get(name))}"
        return None

    def to_bytes(self) -> bytes:
        """Return the content of the file: sorted JSON in ASCII."""
        listed = sorted(self.results.values(), key=lambda r: (r.source, r.level or 0, r.result))
        document = {
            "schema": SCHEMA,
            "versions": dict(sorted(self.versions.items())),
            "task": self.task,
            "levels": sorted({r.level for r in listed if r.level is not None}),
            "seed": self.seed,
            "options": dict(sorted(self.options.items())),
            "pictures": [asdict(r) for r in listed],
        }
        # ASCII, because file names can contain bytes that are not UTF-8.
        return (json.dumps(document, indent=1) + "\n").encode("ascii")


def read(folder: Path, store: Store = LOCAL) -> Manifest | None:
    """Return the manifest of a set, or None if the folder has none.

    Raises:
        UsageError: the manifest is damaged or has an unknown schema.
        ImageError: the file cannot be read.
    """
    path = folder / NAME
    try:
        data = structured.read_bytes(path, MAX_BYTES, store)
    except FileNotFoundError:
        return None
    except OSError as error:
        if isinstance(error, StoreError):
            raise sentences.unusable(error, path) from error
        raise ImageError(f"{path} cannot be read ({error.strerror}); give another folder.") from error
    except ValueError as error:
        raise _unknown(path) from error
    try:
        document = structured.json_of(data)
        if document["schema"] != SCHEMA:
            raise ValueError("another schema")
        results = [_result(entry) for entry in document["pictures"]]
        task, seed, options, versions = (document[name] for name in ("task", "seed", "options", "versions"))
        if not (isinstance(task, str) and type(seed) is int):
            raise TypeError("a task is text, a seed a whole number")
        if not (isinstance(options, dict) and isinstance(versions, dict)):
            raise TypeError("options and versions have names")
        if not all(
            isinstance(value, str | int | float | None) for value in [*options.values(), *versions.values()]
        ):
            raise TypeError("an option is a plain value")
        return Manifest(task, seed, options, versions, {result.result: result for result in results})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unknown(path) from error


def _unknown(path: Path) -> UsageError:
    return UsageError(f"{path} is not a manifest that this magn can read; remove it, or give another folder.")


def _result(entry: dict[str, Any]) -> DegradedFile:
    result = DegradedFile(**entry)
    if not isinstance(result.level, int | float | None) or isinstance(result.level, bool):
        raise TypeError("a level is a number")
    texts = (result.source, result.source_sha256, result.result, result.result_sha256)
    if not all(isinstance(text, str) and "\0" not in text for text in texts):
        raise TypeError("a name or a digest is text")
    for name in (result.source, result.result):
        path = PurePosixPath(name)
        # The manifest can come from a stranger, so it must not name files outside of its folder.
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{name} is not a path in the set")
    return result


def _word(value: Any) -> str:
    return "none" if value is None else str(value)
