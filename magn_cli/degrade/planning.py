"""Plans a degraded set: which files to make, which exist already, and which must not be replaced."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from magn_cli import files, images
from magn_cli.degrade import manifest
from magn_cli.degrade.files import made, read
from magn_cli.degrade.manifest import DegradedFile
from magn_cli.degrade.recipe import DegradeLevel, DegradeRecipe, folder_name
from magn_cli.errors import ImageError, UsageError
from magn_cli.files import checksum

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """A clean picture."""

    path: Path
    name: str
    """Path relative to its folder, with ``/`` as separator."""


@dataclass(frozen=True)
class DegradePlan:
    """A planned run of ``degrade``."""

    out: Path
    recipe: DegradeRecipe
    levels: tuple[DegradeLevel, ...]
    sources: list[Source]
    overwrite: bool
    known: dict[str, DegradedFile]
    """Files that the set already contains, by path relative to ``out``."""

    intact: frozenset[str]
    """Requested results that exist unchanged. They are made again only if their source has changed."""


Wanted = dict[str, tuple[Source, DegradeLevel]]
"""Source and level of each requested result, by its path relative to ``out``."""


def plan(
    clean: Path, out: Path, recipe: DegradeRecipe, levels: tuple[DegradeLevel, ...], overwrite: bool = False
) -> DegradePlan:
    """Decide what to make. Writes nothing.

    Args:
        clean: a picture, or a folder of pictures with its sub-folders; see :func:`magn_cli.files.find`.
        out: folder of the set, which need not exist. You can add levels and pictures to an existing set.
        recipe: how to degrade.
        levels: in the task's units; ``(None,)`` if the task has none.
        overwrite: replace existing files.

    Raises:
        ImageError: ``clean`` does not exist, contains no picture or cannot be read.
        UsageError: ``out`` is a file or is inside ``clean``; without ``overwrite``, it contains a set with other
            settings or a file that this plan would not make; or two pictures would become the same result.
    """
    try:
        sources = find(clean)
        _check_folders(clean, out, [out / folder_name(recipe.task, level) for level in levels])
        wanted = _wanted(sources, out, recipe, levels)
        _tell_links(clean, sources, out, wanted)
        known = _known(out, recipe, overwrite)
        found = {} if overwrite else _intact(wanted, known, out, recipe)
    except OSError as error:
        where = error.filename or clean
        raise ImageError(f"{where} cannot be used ({error.strerror}); check the path.") from error
    return DegradePlan(out, recipe, levels, sources, overwrite, known | found, frozenset(found))


def find(clean: Path, recursive: bool = True) -> list[Source]:
    """Return the pictures of a folder, or a single one, sorted by name.

    Args:
        clean: a picture, or a folder.
        recursive: include sub-folders.

    Raises:
        ImageError: ``clean`` does not exist or contains no picture.
    """
    if not clean.exists():
        raise ImageError(f"{clean} does not exist; check the path.")
    if not clean.is_dir():
        return [Source(clean, clean.name)]

    paths = files.find(clean, images.INPUT_SUFFIXES, recursive=recursive)
    if not paths:
        raise ImageError(f"the folder {clean} contains no picture; give a folder of photographs.")
    found = [Source(path, path.relative_to(clean).as_posix()) for path in paths]
    return sorted(found, key=lambda source: source.name)


def _check_folders(clean: Path, out: Path, folders: list[Path]) -> None:
    """Refuse folders where a second run would degrade its own results or overwrite clean pictures."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file, but a degraded set needs a folder; give another --out.")
    inner = clean.resolve()
    for folder in (out, *folders):
        if folder.resolve().is_relative_to(inner):
            raise UsageError(f"the output {folder} is inside {clean}; give an --out outside of it.")
        if folder != out and inner.is_relative_to(folder.resolve()):
            raise UsageError(f"{clean} is inside the output folder {folder}; give another --out.")


def _tell_links(clean: Path, sources: list[Source], out: Path, wanted: Wanted) -> None:
    if clean.is_dir():
        for link in files.links_to_folders(clean, [source.path for source in sources]):
            log.warning("%s is a link to a folder: the pictures in it are taken, too.", link)
    for link in files.links_to_folders(out, [out / name for name in wanted]):
        log.warning("%s is a link: the results below it are written to %s.", link, link.resolve())


def _wanted(sources: list[Source], out: Path, recipe: DegradeRecipe, levels: tuple[DegradeLevel, ...]) -> Wanted:
    wanted = [(source, level, recipe.result_name(source.name, level)) for source in sources for level in levels]
    files.check_collisions((source.path, out / name) for source, _, name in wanted)
    return {name: (source, level) for source, level, name in wanted}


def _known(out: Path, recipe: DegradeRecipe, overwrite: bool) -> dict[str, DegradedFile]:
    """Return the files in the set's manifest that still exist."""
    try:
        before = manifest.read(out)
    except UsageError:
        if not overwrite:
            raise
        return {}
    if before is None:
        return {}
    difference = before.difference(recipe.manifest())
    if difference is None:
        return {name: result for name, result in before.results.items() if (out / name).exists()}
    if not overwrite:
        raise UsageError(
            f"{out} contains a set made with {difference}; give another --out, or --overwrite to replace it."
        )
    log.warning("%s contained a set made with %s; its other files are no longer listed.", out, difference)
    return {}


def _intact(
    wanted: Wanted, known: dict[str, DegradedFile], out: Path, recipe: DegradeRecipe
) -> dict[str, DegradedFile]:
    """Find requested results that exist unchanged. Refuses other files in their place."""
    intact = {}
    for name, (source, level) in wanted.items():
        target = out / name
        if not os.path.lexists(target):
            continue
        digest = checksum.of_file(target) if target.is_file() else None
        listed = known.get(name)
        if listed is None or listed.source != source.name or listed.result_sha256 != digest:
            # A killed run can leave results that it did not list.
            listed = _made_again(recipe, source, level)
            if listed is None or listed.result_sha256 != digest:
                raise UsageError(
                    f"{target} exists and is not what magn would write; "
                    "give another --out, or --overwrite to replace it."
                )
        intact[name] = listed
    return intact


def _made_again(recipe: DegradeRecipe, source: Source, level: DegradeLevel) -> DegradedFile | None:
    """Return the entry that a result would get, or None if it cannot be made."""
    try:
        data, digest, _ = read(source.path)
        result = made(recipe, images.decode(data, name=str(source.path)), source.name, level)
    except ImageError:
        return None
    name = recipe.result_name(source.name, level)
    return DegradedFile(source.name, digest, level, name, checksum.of_bytes(result))
