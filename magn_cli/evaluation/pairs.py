"""Where the pairs of an evaluation come from: degraded on the fly, a set with its manifest, or two folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from magn_cli import images
from magn_cli.degrade import GRAYS, DegradeRecipe, Manifest, Source, find
from magn_cli.errors import ImageError, UsageError
from magn_cli.evaluation.run import LoadedPair, Pair
from magn_cli.files import LOCAL, Store, UrlPath, collision_key, first_collision, narrowest
from magn_cli.tasks import PairSet, Task, get_task

Float = NDArray[np.float32]


def on_the_fly(
    sources: Sequence[Source], recipe: DegradeRecipe, level: float | None, store: Store = LOCAL
) -> list[Pair]:
    """Return pairs degraded as ``magn degrade`` does, from what :func:`magn_cli.degrade.find` has found."""
    return [Pair(s.name, _OnTheFly(s.path, s.name, recipe, level, store), (s.path,)) for s in sources]


def of_manifest(
    clean: Path, degraded: Path, manifest: Manifest, level: float | None, store: Store = LOCAL
) -> list[Pair]:
    """Return the pairs of a set made by ``magn degrade`` at one level.

    A picture whose clean source is not in ``clean`` fails when it is loaded.
    """
    pairs, gray = [], manifest.options.get("gray")
    is_one_file = _is_file(clean, store)
    for result in manifest.results.values():
        if result.level != level:
            continue
        source = clean if is_one_file else clean / result.source
        bad = degraded / result.result
        # To look for each file of a store would cost a request; reading it tells the same.
        if isinstance(source, UrlPath) or _is_file(source, store):
            pair = Pair(result.source, _TwoFiles(source, bad, level, gray=gray, store=store), (source, bad))
        else:
            pair = Pair(result.source, _Failing(f"{bad} has no partner {source}: add the missing file."))
        pairs.append(pair)
    return pairs


def of_folders(clean: Path, degraded: Path, task: Task, level: float | None, store: Store = LOCAL) -> list[Pair]:
    """Pair two folders by relative path without suffix; where no level is given, each file's is read from it.

    A picture that has no partner fails when it is loaded. Raises :class:`ImageError` where a folder holds no
    picture, :class:`UsageError` where one holds two of one name.
    """
    finds = _who_finds(task, level)
    pairs = []
    for name, (bad, good) in by_name((degraded, clean), store=store):
        if good is not None and bad is not None:
            pairs.append(Pair(name, _TwoFiles(good, bad, level, finds, store=store), (good, bad)))
        else:
            alone, folder = (good, degraded) if good is not None else (bad, clean)
            pairs.append(Pair(name, _Failing(f"{alone} has no partner {name} in {folder}: add the missing file.")))
    return pairs


def by_name(
    folders: Sequence[Path],
    recursive: bool = True,
    store: Store = LOCAL,
    failed: Callable[[Path, OSError], None] | None = None,
) -> list[tuple[str, list[Path | None]]]:
    """Match the pictures of folders by relative path without suffix.

    ``failed``: as of :func:`magn_cli.degrade.find`.

    Returns:
        Each name, as the last folder has it, with the path in each folder; None where there is none. Sorted.

    Raises:
        ImageError: a folder holds no picture.
        UsageError: a folder holds two pictures of one name.
    """
    names, sides = dict[str, str](), list[dict[str, Path]]()
    for folder in folders:
        found = find(folder, recursive, store, failed)
        named = [(str(PurePosixPath(s.name).with_suffix("")), s.path) for s in found]
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
    finds = _who_finds(task, level)
    pairs = []
    for name in degraded:
        partner = name.removesuffix(names.degraded) + names.clean
        if partner in found:
            good, bad = found[partner], found[name]
            pairs.append(Pair(name, _TwoFiles(good, bad, level, finds), (good, bad)))
        else:
            pairs.append(Pair(name, _Failing(f"{found[name]} has no partner {partner}: add the missing file.")))
    return pairs


# What loads a pair: plain values and no closures, so that it can travel to the workers of a cluster.


@dataclass(frozen=True)
class _Failing:
    message: str

    def __call__(self) -> LoadedPair:
        raise ImageError(self.message)


@dataclass(frozen=True)
class _OnTheFly:
    path: Path
    name: str
    recipe: DegradeRecipe
    level: float | None
    store: Store

    def __call__(self) -> LoadedPair:
        original = images.read(self.path, store=self.store)
        clean, access = self.recipe.clean(original.pixels), original.access
        if get_task(self.recipe.task).needs_colour and clean.ndim == 2:
            says = f"is gray, but {self.recipe.task} needs colour pictures: remove it from the set."
            raise ImageError(f"{self.path} {says}")
        content = self.recipe.content(clean, np.dtype(np.float32), self.name, self.level)
        if isinstance(content, bytes):
            photo = images.decode(content)
            return LoadedPair(images.to_float(photo.pixels), clean, self.level, photo, access=access)
        return LoadedPair(content, clean, self.level, access=access)


@dataclass(frozen=True)
class _TwoFiles:
    clean: Path
    degraded: Path
    level: float | None
    finds: str | None = None
    """The task that finds the level in the degraded file."""

    gray: str | None = None
    """How a clean picture with colours becomes gray."""

    store: Store = LOCAL

    def __call__(self) -> LoadedPair:
        original, photo = (images.read(path, store=self.store) for path in (self.clean, self.degraded))
        reference, bad = (images.to_float(p.pixels) for p in (original, photo))
        access = narrowest((original.access, photo.access))
        if self.gray in GRAYS and reference.ndim == 3:
            reference = GRAYS[self.gray](reference)
        if reference.shape[:2] != bad.shape[:2]:
            sizes = " and ".join(f"{p.shape[1]}x{p.shape[0]}" for p in (reference, bad))
            says = f"differ in size ({sizes}): pair pictures of the same size."
            raise ImageError(f"{self.clean} and {self.degraded} {says}")
        if self.finds is None:
            return LoadedPair(bad, reference, self.level, photo, access=access)
        level = get_task(self.finds).find_level(photo).level
        return LoadedPair(bad, reference, level, photo, is_found=True, access=access)


def _who_finds(task: Task, level: float | None) -> str | None:
    return task.name if level is None and task.scale is not None else None


def _is_file(path: Path, store: Store) -> bool:
    found = store.status(path)
    return found is not None and found.kind == "file"
