"""Finds the checkpoint that a user asks for, in the order that docs/weights.md describes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path

from magn_cli.errors import DamagedError, NotHereError, WeightsError
from magn_cli.files import checksum
from magn_cli.weights import checksums, hub, paths
from magn_cli.weights.metadata import Checkpoint, read_metadata
from magn_cli.weights.registry import RegistryEntry, find

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ResolvedWeights:
    """A checkpoint on this machine, with its hash and metadata."""

    path: Path
    sha256: str
    about: Checkpoint
    """Its metadata."""

    @property
    def name(self) -> str:
        """Name for results: the preset and the start of the hash."""
        return f"{self.about.preset} {self.sha256[:8]}"


def resolve(task: str, preset: str, weights: str | PathLike[str] | None = None) -> ResolvedWeights:
    """Find the checkpoint for a task, and download it if necessary. Needs no torch.

    It looks in this order: ``weights``; the package; the folder of the user's registry; the cache of the Hub; the
    Hub.

    Args:
        task: name of the task.
        preset: preset in the registries; ignored with ``weights``.
        weights: a file, or ``hf://user/repo/file.safetensors@revision``.

    Raises:
        NoSuchWeightsError: the registry has no such checkpoint.
        WeightsError: the checkpoint cannot be downloaded, is damaged, is for another task, or is for gray pictures
            only.
    """
    path, sha256 = _located(task, preset, weights)
    about = read_metadata(path)
    if about.task != task:
        fix = f"use --task {about.task}" if weights is not None else "correct the registry that names it"
        raise WeightsError(f"{path} is a checkpoint for {about.task}, not for {task}; {fix}.")
    if about.config.channels != 3:
        raise WeightsError(f"{path} is a network for {about.config.channels} channel; use one for 3 channels.")
    try:
        return ResolvedWeights(path, sha256 or checksum.of(path), about)
    except OSError as error:
        raise WeightsError(f"the weights {path} cannot be read ({error.strerror}); check the path.") from error


def locate(task: str, preset: str, weights: str | PathLike[str] | None = None) -> Path:
    """Return the path of the checkpoint that :func:`resolve` would use, without reading its metadata."""
    return _located(task, preset, weights)[0]


def _located(task: str, preset: str, weights: str | PathLike[str] | None) -> tuple[Path, str | None]:
    """Return the path, and the sha256 if it has been checked."""
    if weights is not None:
        named = fspath(weights)
        if not hub.is_reference(named):
            log.info("weights: %s, as given", named)
            return paths.check_no_folder(Path(named)), None
        reference = hub.parse(named)
        where = "cached" if hub.cached(reference) else "from the Hub"
        path, sha256 = hub.get(reference), None
    else:
        entry = find(task, preset)
        sha256 = entry.sha256.lower()
        try:
            path, where = here(entry)
        except NotHereError:
            path, where = _downloaded(entry), "from the Hub"
    log.info("weights: %s, %s, %s", path.name, where, path)
    return path, sha256


def here(entry: RegistryEntry, again: bool = False) -> tuple[Path, str]:
    """Return the local file of a checkpoint after checking its size and hash. Uses no network.

    Args:
        entry: the checkpoint.
        again: hash the file even if its hash is cached.

    Returns:
        The path, and where it is: ``bundled``, ``local`` or ``cached``.

    Raises:
        NotHereError: the checkpoint has not been downloaded.
        WeightsError: the local file cannot be read or is damaged.
    """
    own = entry.path
    if own is not None:
        bundled = entry.folder == paths.BUNDLED
        mend = "reinstall magn" if bundled else f"put the right file there, or correct {paths.own_registry()}"
        return checksums.check(own, entry.sha256, entry.size, mend, again), "bundled" if bundled else "local"
    local = _beside_registry(entry)
    if local is not None and local.is_file():
        try:
            return checksums.check(local, entry.sha256, entry.size, "looking for another file", again), "local"
        except WeightsError as error:
            # Files of different repositories can have the same name.
            log.warning("%s", str(error).rstrip("."))
    cached = hub.cached(_reference(entry))
    if cached is None:
        by_hand = f", or put {local.name} into {local.parent}" if local is not None else ""
        raise NotHereError(f"{entry.name} have not been downloaded; run {_pulling(entry)}{by_hand}.")
    mend = f"run {_pulling(entry)} to download them again"
    return checksums.check(cached, entry.sha256, entry.size, mend, again), "cached"


def pull(entry: RegistryEntry) -> Path:
    """Return the local file of a checkpoint, and download it if it is missing or damaged in the Hub's cache.

    Raises:
        WeightsError: the download fails, or a file outside of the cache is damaged.
    """
    try:
        path, where = here(entry)
    except NotHereError:
        path, where = _downloaded(entry), "from the Hub"
    except DamagedError:
        if entry.file:
            raise
        path, where = _downloaded(entry), "from the Hub again"
    log.info("%s: %s", entry.name, where)
    return path


def _downloaded(entry: RegistryEntry) -> Path:
    mend = f"do not use the repository {entry.repo_id}, as its file is not the registered one"
    try:
        return checksums.check(hub.get(_reference(entry)), entry.sha256, entry.size, mend, again=True)
    except DamagedError:
        # The cache does not check hashes, so its copy of the file can be damaged. Download it once more.
        return checksums.check(hub.get(_reference(entry), force=True), entry.sha256, entry.size, mend, again=True)


def _reference(entry: RegistryEntry) -> hub.Reference:
    return hub.Reference(entry.repo_id, entry.filename, entry.revision)


def _beside_registry(entry: RegistryEntry) -> Path | None:
    registry = paths.own_registry()
    return None if registry is None else registry.parent / Path(entry.filename).name


def _pulling(entry: RegistryEntry) -> str:
    return f"magn weights pull --task {entry.task} --preset {entry.preset}"
