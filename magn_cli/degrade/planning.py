"""Plans a degraded set: which files to make, which exist already, and which must not be replaced."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from magn_cli import files, images
from magn_cli.degrade import manifest
from magn_cli.degrade.files import made, read
from magn_cli.degrade.manifest import DegradedFile
from magn_cli.degrade.recipe import DegradeLevel, DegradeRecipe, folder_name
from magn_cli.errors import ImageError, UsageError
from magn_cli.files import LOCAL, NotOrdinaryError, Store, UrlPath, checksum, sentences
from magn_cli.files.store import Lists

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """A clean picture."""

    path: Path
    name: str
    """Path relative to its folder, with ``/`` as separator."""

    bytes: int | None = None
    """Size of the file, where a listing tells it."""


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

    store: Store = LOCAL
    """Storage of all files."""

    def targets(self, source: Source) -> list[Path]:
        """Return the paths of a picture's results."""
        return [self.out / self.recipe.result_name(source.name, level) for level in self.levels]


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
    store = files.store_of([clean, out])
    try:
        sources = find(clean, store=store)
        _check_folders(clean, out, [out / folder_name(recipe.task, level) for level in levels], store)
        wanted = _wanted(sources, out, recipe, levels)
        _check_inputs(sources, out, wanted, store)
        _tell_links(clean, sources, out, wanted, store)
        is_there = _looked_up(out, store)
        known = _known(out, recipe, overwrite, store, is_there)
        found = {} if overwrite else _intact(wanted, known, out, recipe, store, is_there)
    except OSError as error:
        raise sentences.unusable(error, clean) from error
    return DegradePlan(out, recipe, levels, sources, overwrite, known | found, frozenset(found), store)


def find(
    clean: Path,
    recursive: bool = True,
    store: Store = LOCAL,
    failed: Callable[[Path, OSError], None] | None = None,
) -> list[Source]:
    """Return the pictures of a folder, or a single one, sorted by name.

    Args:
        clean: a picture, or a folder.
        recursive: include sub-folders.
        store: where it is.
        failed: is told of each sub-folder that cannot be listed; what has the name of a picture and is no file,
            such as a link that leads nowhere, is then returned, and fails when it is read. None: both raise.

    Raises:
        ImageError: ``clean`` does not exist, contains no picture or cannot be listed.
    """
    with sentences.using(clean):
        status = store.status(clean)
        if status is None:
            raise ImageError(f"{clean} does not exist; check the path.")
        if status.kind != "folder":
            return [Source(clean, clean.name, status.bytes)]
        if isinstance(clean, UrlPath):
            there = files.listed(clean, images.INPUT_SUFFIXES, recursive, store)
            found = [Source(one.path, one.path.relative_to(clean).as_posix(), one.status.bytes) for one in there]
        else:
            odd = list[Path]()

            def tell(path: Path, error: OSError) -> None:
                if failed is None or path == clean:
                    raise error
                if isinstance(error, NotOrdinaryError):
                    odd.append(path)
                else:
                    failed(path, error)

            paths = files.find(clean, images.INPUT_SUFFIXES, recursive=recursive, failed=tell, store=store) + odd
            found = [Source(path, path.relative_to(clean).as_posix()) for path in paths]
    if not found:
        raise ImageError(f"the folder {clean} contains no picture; give a folder of photographs.")
    return sorted(found, key=lambda source: source.name)


def _check_folders(clean: Path, out: Path, folders: list[Path], store: Store) -> None:
    """Refuse folders where a second run would degrade its own results or overwrite clean pictures."""
    files.check_output(out, store)
    there = store.status(out)
    if there is not None and there.kind != "folder":
        raise UsageError(f"{out} is a file, but a degraded set needs a folder; give another --out.")
    inner = _resolved(clean, store)
    for folder in (out, *folders):
        outer = _resolved(folder, store)
        if outer.is_relative_to(inner):
            raise UsageError(f"the output {folder} is inside {clean}; give an --out outside of it.")
        if folder != out and inner.is_relative_to(outer):
            raise UsageError(f"{clean} is inside the output folder {folder}; give another --out.")


def _resolved(path: Path, store: Store) -> Path:
    return path if isinstance(path, UrlPath) else path.resolve()


def _tell_links(clean: Path, sources: list[Source], out: Path, wanted: Wanted, store: Store) -> None:
    if store.has_folders(clean) and clean.is_dir():
        for link in files.links_to_folders(clean, [source.path for source in sources]):
            log.warning("%s is a link to a folder: the pictures in it are taken, too.", link)
    if store.has_folders(out):
        for link in files.links_to_folders(out, [out / name for name in wanted]):
            log.warning("%s is a link: the results below it are written to %s.", link, link.resolve())


def _check_inputs(sources: list[Source], out: Path, wanted: Wanted, store: Store) -> None:
    """Refuse results that would replace a clean picture, as through a link."""
    inputs = {store.identity(source.path): source.path for source in sources}
    for name in wanted:
        taken = files.replaced(inputs, out / name, store)
        if taken is not None:
            raise UsageError(f"{out / name} would take the place of the picture {taken}; give another --out.")


def _looked_up(out: Path, store: Store) -> Callable[[str], bool]:
    """Return what says whether something has a name in the set; a store is listed once for that."""
    if not isinstance(out, UrlPath):
        return lambda name: store.is_taken(out / name)
    assert isinstance(store, Lists)
    names = set[str]()
    try:
        for one in store.listing(out, recursive=True):
            if one.problem is None:
                names.add(one.path.relative_to(out).as_posix())
    except FileNotFoundError:
        # A set that is not there yet.
        pass
    return names.__contains__


def _wanted(sources: list[Source], out: Path, recipe: DegradeRecipe, levels: tuple[DegradeLevel, ...]) -> Wanted:
    wanted = [(source, level, recipe.result_name(source.name, level)) for source in sources for level in levels]
    files.check_collisions((source.path, out / name) for source, _, name in wanted)
    return {name: (source, level) for source, level, name in wanted}


def _known(
    out: Path, recipe: DegradeRecipe, overwrite: bool, store: Store, is_there: Callable[[str], bool]
) -> dict[str, DegradedFile]:
    """Return the files in the set's manifest that still exist."""
    try:
        before = manifest.read(out, store)
    except UsageError:
        if not overwrite:
            raise
        return {}
    if before is None:
        return {}
    difference = before.difference(recipe.manifest())
    if difference is None:
        return {name: result for name, result in before.results.items() if is_there(name)}
    if not overwrite:
        raise UsageError(
            f"{out} contains a set made with {difference}; give another --out, or --overwrite to replace it."
        )
    log.warning("%s contained a set made with %s; its other files are no longer listed.", out, difference)
    return {}


def _intact(
    wanted: Wanted,
    known: dict[str, DegradedFile],
    out: Path,
    recipe: DegradeRecipe,
    store: Store,
    is_there: Callable[[str], bool],
) -> dict[str, DegradedFile]:
    """Find requested results that exist unchanged. Refuses other files in their place."""
    intact = {}
    for name, (source, level) in wanted.items():
        if not is_there(name):
            continue
        target = out / name
        status = store.status(target)
        digest = checksum.of_file(target, store) if status is not None and status.kind == "file" else None
        listed = known.get(name)
        if listed is None or listed.source != source.name or listed.result_sha256 != digest:
            # A killed run can leave results that it did not list.
            listed = _made_again(recipe, source, level, store)
            if listed is None or listed.result_sha256 != digest:
                raise UsageError(
                    f"{target} exists and is not what magn would write; "
                    "give another --out, or --overwrite to replace it."
                )
        intact[name] = listed
    return intact


def _made_again(recipe: DegradeRecipe, source: Source, level: DegradeLevel, store: Store) -> DegradedFile | None:
    """Return the entry that a result would get, or None if it cannot be made."""
    try:
        data, digest, _ = read(source.path, store)
        result = made(recipe, images.decode(data, name=str(source.path)), source.name, level)
    except ImageError:
        return None
    name = recipe.result_name(source.name, level)
    return DegradedFile(source.name, digest, level, name, checksum.of_bytes(result))
