"""What a degraded set needs, what of it is there already, and what must not be touched."""

from __future__ import annotations

import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from magn_cli import images
from magn_cli.degrade import manifest
from magn_cli.degrade.files import make, sha256
from magn_cli.degrade.manifest import DegradedFile
from magn_cli.degrade.recipe import DegradeLevel, DegradeRecipe, folder_name
from magn_cli.errors import ImageError, UsageError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """A clean picture."""

    path: Path
    name: str
    """Path below the folder it was found in, with ``/`` between the parts."""


@dataclass(frozen=True)
class DegradePlan:
    """What is to be made."""

    out: Path
    recipe: DegradeRecipe
    levels: tuple[DegradeLevel, ...]
    sources: list[Source]
    overwrite: bool
    known: dict[str, DegradedFile]
    """What the set holds already, by path below ``out``."""

    intact: frozenset[str]
    """Of the results asked for, those that exist as known: made again only if their source has changed."""


Wanted = dict[str, tuple[Source, DegradeLevel]]
"""What each result asked for is made of, by its path below ``out``."""


def plan(
    clean: Path, out: Path, recipe: DegradeRecipe, levels: tuple[DegradeLevel, ...], overwrite: bool = False
) -> DegradePlan:
    """Decide what is made. Nothing is written to ``out`` yet.

    Args:
        clean: a picture, or a folder of pictures with its sub-folders; hidden files, hidden folders and
            files without a picture's suffix are left alone.
        out: the set's folder, which need not exist. Levels and pictures can be added to a set.

    Raises:
        ImageError: ``clean`` does not exist, holds no picture or cannot be read.
        UsageError: ``out`` is a file, lies in ``clean``, holds (without ``overwrite``) a set of other settings
            or a file that this plan would not make; or two pictures would become the same result.
    """
    try:
        sources = find(clean)
        _check_places(clean, out, [out / folder_name(recipe.task, level) for level in levels])
        wanted = _wanted(sources, out, recipe, levels)
        known = _known(out, recipe, overwrite)
        found = {} if overwrite else _intact(wanted, known, out, recipe)
    except OSError as error:
        where = error.filename or clean
        raise ImageError(f"{where} cannot be used ({error.strerror}); check the path.") from error
    return DegradePlan(out, recipe, levels, sources, overwrite, known | found, frozenset(found))


def find(clean: Path) -> list[Source]:
    """Return the clean pictures, sorted by name. Raises :class:`ImageError` where there are none."""
    if not clean.exists():
        raise ImageError(f"there is no file or folder {clean}; check the path.")
    if not clean.is_dir():
        return [Source(clean, clean.name)]

    def give_up(error: OSError) -> None:
        raise error

    found = []
    for folder, below, files in os.walk(clean, onerror=give_up):
        below[:] = [name for name in below if not name.startswith(".")]
        for path in (Path(folder, name) for name in files if not name.startswith(".")):
            if path.suffix.lower() in images.INPUT_SUFFIXES and path.is_file():
                found.append(Source(path, path.relative_to(clean).as_posix()))
    if not found:
        raise ImageError(f"the folder {clean} holds no picture; give a folder of photographs.")
    return sorted(found, key=lambda source: source.name)


def _check_places(clean: Path, out: Path, folders: list[Path]) -> None:
    """A second run would take results for clean pictures, or write over these."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file, but a degraded set needs a folder; give another --out.")
    inner = clean.resolve()
    for folder in (out, *folders):
        if folder.resolve().is_relative_to(inner):
            raise UsageError(f"the output {folder} lies in {clean} itself; give an --out outside of it.")
        if folder != out and inner.is_relative_to(folder.resolve()):
            raise UsageError(f"{clean} lies in the output folder {folder}; give another --out.")


def _wanted(sources: list[Source], out: Path, recipe: DegradeRecipe, levels: tuple[DegradeLevel, ...]) -> Wanted:
    wanted: Wanted = {}
    for source in sources:
        for level in levels:
            name = recipe.result_name(source.name, level)
            if name in wanted:
                other = wanted[name][0].path
                raise UsageError(f"{other} and {source.path} would both become {out / name}; rename one of them.")
            wanted[name] = source, level
    return wanted


def _known(out: Path, recipe: DegradeRecipe, overwrite: bool) -> dict[str, DegradedFile]:
    """What the set's manifest lists and is still there."""
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
            f"{out} holds a set made with {difference}; give another --out, or --overwrite to make it anew."
        )
    log.warning("%s held a set made with %s; what is not made anew is no longer listed.", out, difference)
    return {}


def _intact(
    wanted: Wanted, known: dict[str, DegradedFile], out: Path, recipe: DegradeRecipe
) -> dict[str, DegradedFile]:
    """Find what of the wanted is there as it should be; refuse what is somebody else's."""
    intact = {}
    for name, (source, level) in wanted.items():
        target = out / name
        if not os.path.lexists(target):
            continue
        digest = sha256(target) if target.is_file() else None
        listed = known.get(name)
        if listed is None or listed.source != source.name or listed.result_sha256 != digest:
            # A run that was killed may have made it without listing it.
            listed = _made_elsewhere(recipe, source, level)
            if listed is None or listed.result_sha256 != digest:
                raise UsageError(
                    f"{target} exists and is not what magn would make; "
                    "give another --out, or --overwrite to replace it."
                )
        intact[name] = listed
    return intact


def _made_elsewhere(recipe: DegradeRecipe, source: Source, level: DegradeLevel) -> DegradedFile | None:
    """Make a result in a folder of its own and forget it; None where that fails."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, f"result{recipe.suffix}")
        try:
            make(recipe, images.read(source.path), source.name, level, target)
        except ImageError:
            return None
        name = recipe.result_name(source.name, level)
        return DegradedFile(source.name, sha256(source.path), level, name, sha256(target))
