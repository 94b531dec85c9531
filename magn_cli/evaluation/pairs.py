"""Where the pairs of an evaluation come from: degraded on the fly, a set with its manifest, or two folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from magn_cli import images
from magn_cli.degrade import GRAYS, DegradeRecipe, Manifest
from magn_cli.degrade.planning import find
from magn_cli.errors import ImageError, UsageError
from magn_cli.evaluation.run import LoadedPair, Pair
from magn_cli.files import collision_key, first_collision, narrowest
from magn_cli.tasks import PairSet, Task, get_task

Float = NDArray[np.float32]


def on_the_fly(folder: Path, recipe: DegradeRecipe, level: float | None) -> list[Pair]:
    """Return pairs degraded as ``magn degrade`` does, from a folder of clean pictures and its sub-folders.

    Raises :class:`ImageError` where there is no such folder or no picture in it.
    """

    def loader(path: Path, name: str) -> Callable[[], LoadedPair]:
        def load() -> LoadedPair:
            original = images.read(path)
            clean, access = recipe.clean(original.pixels), original.access
            _need_colour(recipe.task, clean, path)
            content = recipe.content(clean, np.dtype(np.float32), name, level)
            if isinstance(content, bytes):
                photo = images.decode(content)
                return LoadedPair(images.to_float(photo.pixels), clean, level, photo, access=access)
            return LoadedPair(content, clean, level, access=access)

        return load

    return [Pair(source.name, loader(source.path, source.name)) for source in find(folder)]


def of_manifest(clean: Path, degraded: Path, manifest: Manifest, level: float | None) -> list[Pair]:
    """Return the pairs of a set made by ``magn degrade`` at one level.

    A picture whose clean source is not in ``clean`` fails when it is loaded.
    """
    pairs = []
    for result in manifest.results.values():
        if result.level != level:
            continue
        source = clean if clean.is_file() else clean / result.source
        bad, to_gray = degraded / result.result, GRAYS.get(manifest.options.get("gray") or "")
        if source.is_file():
            pairs.append(Pair(result.source, _two_files(source, bad, to_gray, level, None)))
        else:
            pairs.append(Pair(result.source, _failing(f"{bad} has no partner {source}: add the missing file.")))
    return pairs


def of_folders(clean: Path, degraded: Path, task: Task, level: float | None) -> list[Pair]:
    """Pair two folders by relative path without suffix; where no level is given, each file's is read from it.

    A picture that has no partner fails when it is loaded. Raises :class:`ImageError` where a folder holds no
    picture, :class:`UsageError` where one holds two of one name.
    """
    finds = task if level is None and task.scale is not None else None
    pairs = []
    for name, (bad, good) in by_name((degraded, clean)):
        if good is not None and bad is not None:
            pairs.append(Pair(name, _two_files(good, bad, None, level, finds)))
        else:
            alone, folder = (good, degraded) if good is not None else (bad, clean)
            pairs.append(Pair(name, _failing(f"{alone} has no partner {name} in {folder}: add the missing file.")))
    return pairs


def by_name(folders: Sequence[Path], recursive: bool = True) -> list[tuple[str, list[Path | None]]]:
    """Match the pictures of folders by relative path without suffix.

    Returns:
        Each name, as the last folder has it, with the path in each folder; None where there is none. Sorted.

    Raises:
        ImageError: a folder holds no picture.
        UsageError: a folder holds two pictures of one name.
    """
    names, sides = dict[str, str](), list[dict[str, Path]]()
    for folder in folders:
        named = [(str(PurePosixPath(s.name).with_suffix("")), s.path) for s in find(folder, recursive)]
        if two := first_collision((path, name) for name, path in named):
            raise UsageError(f"{two[0]} and {two[1]} would be paired by one name; take one of them away.")
        # A disk or an archive may have changed how accents are stored.
        sides.append({collision_key(name): path for name, path in named})
        names |= {collision_key(name): name for name, _ in named}
    return [(name, [side.get(key) for side in sides]) for key, name in sorted(names.items(), key=lambda i: i[1])]


def real(folder: Path, names: PairSet, task: Task, level: float | None) -> list[Pair]:
    """Return the pairs of a set of real pictures, both in one folder and told apart by how their names end.

    Without a level, each file's is found in it. A picture that has no partner fails when it is loaded. Raises
    :class:`ImageError` where the folder holds no degraded picture.
    """
    found = {PurePosixPath(s.name).with_suffix("").as_posix(): s.path for s in find(folder)}
    degraded = sorted(name for name in found if name.endswith(names.degraded))
    if not degraded:
        raise ImageError(f"{folder} holds no pictures named *{names.degraded}: put the set {names.name} there.")
    finds = task if level is None and task.scale is not None else None
    pairs = []
    for name in degraded:
        partner = name.removesuffix(names.degraded) + names.clean
        if partner in found:
            pairs.append(Pair(name, _two_files(found[partner], found[name], None, level, finds)))
        else:
            pairs.append(Pair(name, _failing(f"{found[name]} has no partner {partner}: add the missing file.")))
    return pairs


def _failing(message: str) -> Callable[[], LoadedPair]:
    def load() -> LoadedPair:
        raise ImageError(message)

    return load


def _two_files(
    clean: Path, degraded: Path, to_gray: Callable[[Float], Float] | None, level: float | None, finds: Task | None
) -> Callable[[], LoadedPair]:
    def load() -> LoadedPair:
        original, photo = images.read(clean), images.read(degraded)
        reference, bad = (images.to_float(p.pixels) for p in (original, photo))
        access = narrowest((original.access, photo.access))
        if to_gray is not None and reference.ndim == 3:
            reference = to_gray(reference)
        if reference.shape[:2] != bad.shape[:2]:
            sizes = " and ".join(f"{p.shape[1]}x{p.shape[0]}" for p in (reference, bad))
            raise ImageError(f"{clean} and {degraded} differ in size ({sizes}): pair pictures of the same size.")
        if finds is None:
            return LoadedPair(bad, reference, level, photo, access=access)
        return LoadedPair(bad, reference, finds.find_level(photo).level, photo, is_found=True, access=access)

    return load


def _need_colour(task: str, clean: Float, path: Path) -> None:
    if get_task(task).needs_colour and clean.ndim == 2:
        raise ImageError(f"{path} is gray, but {task} needs colour pictures: remove it from the set.")
