"""From what a user asks for to a file on this machine, in the order that docs/weights.md tells."""

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
    """A checkpoint on this machine: found, hashed and asked what it is, once, to be passed down."""

    path: Path
    sha256: str
    about: Checkpoint
    """What it says of itself."""

    @property
    def name(self) -> str:
        """For results: preset and the start of the hash."""
        return f"{self.about.preset} {self.sha256[:8]}"


def resolve(task: str, preset: str, weights: str | PathLike[str] | None = None) -> ResolvedWeights:
    """Return the checkpoint to use for a task; it is downloaded where it has to be. Needs no torch.

    In this order: ``weights`` (a file, or ``hf://user/repo/file@revision``); the file that came with magn or lies
    beside the user's registry; the cache of the Hub; the Hub.

    Raises:
        NoSuchWeightsError: the registry has no such checkpoint.
        WeightsError: it cannot be had, is not the file that the registry means, is for another task, or is for
            gray pictures only.
    """
    path, sha256 = _located(task, preset, weights)
    about = read_metadata(path)
    if about.task != task:
        fix = f"use --task {about.task}" if weights is not None else "correct the registry that names it"
        raise WeightsError(f"{path} is a checkpoint for {about.task}, not for {task}; {fix}.")
    if about.config.channels != 3:
        raise WeightsError(f"{path} is a network for {about.config.channels} channel; use one trained for 3.")
    try:
        return ResolvedWeights(path, sha256 or checksum.of(path), about)
    except OSError as error:
        raise WeightsError(f"the weights {path} cannot be read ({error.strerror}); check the path.") from error


def locate(task: str, preset: str, weights: str | PathLike[str] | None = None) -> Path:
    """Return the path alone of the checkpoint that :func:`resolve` would use; it is not looked into."""
    return _located(task, preset, weights)[0]


def _located(task: str, preset: str, weights: str | PathLike[str] | None) -> tuple[Path, str | None]:
    """Return the path, and the sha256 where it was compared already."""
    if weights is not None:
        named = fspath(weights)
        if not hub.is_reference(named):
            log.info("weights: %s, as given", named)
            return Path(named), None
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
    """Return a checkpoint's file without any network, and in words where it lies; size and hash are compared.

    ``again``: read the file even where its hash is remembered. Raises :class:`NotHereError` where it would have
    to be downloaded, :class:`WeightsError` where what is here is not what the registry means.
    """
    own = entry.path
    if own is not None:
        bundled = entry.folder == paths.BUNDLED
        mend = "install magn again" if bundled else f"put the right file there, or mend {paths.own_registry()}"
        return checksums.check(own, entry.sha256, entry.size, mend, again), "bundled" if bundled else "local"
    local = _beside_registry(entry)
    if local is not None and local.is_file():
        try:
            return checksums.check(local, entry.sha256, entry.size, "another file is looked for", again), "local"
        except WeightsError as error:
            # Two repositories may each have a file of that name.
            log.warning("%s", str(error).rstrip("."))
    cached = hub.cached(_reference(entry))
    if cached is None:
        by_hand = f", or put {local.name} into {local.parent}" if local is not None else ""
        raise NotHereError(f"{entry.name} are not on this machine; get them by {_pulling(entry)}{by_hand}.")
    mend = f"get them again by {_pulling(entry)}"
    return checksums.check(cached, entry.sha256, entry.size, mend, again), "cached"


def pull(entry: RegistryEntry) -> Path:
    """Download a checkpoint, or find that it is here; a damaged one in the Hub's cache is replaced.

    Raises :class:`WeightsError` where that is not possible.
    """
    try:
        return here(entry)[0]
    except NotHereError:
        return _downloaded(entry)
    except DamagedError:
        if entry.file:
            raise
        return _downloaded(entry)


def _downloaded(entry: RegistryEntry) -> Path:
    mend = f"the repository {entry.repo_id} does not hold what was registered, so do not use it"
    try:
        return checksums.check(hub.get(_reference(entry)), entry.sha256, entry.size, mend, again=True)
    except DamagedError:
        # The cache compares no hashes: what lies there, perhaps under another name, may be what is damaged.
        return checksums.check(hub.get(_reference(entry), force=True), entry.sha256, entry.size, mend, again=True)


def _reference(entry: RegistryEntry) -> hub.Reference:
    return hub.Reference(entry.repo_id, entry.filename, entry.revision)


def _beside_registry(entry: RegistryEntry) -> Path | None:
    registry = paths.own_registry()
    return None if registry is None else registry.parent / Path(entry.filename).name


def _pulling(entry: RegistryEntry) -> str:
    return f"magn weights pull --task {entry.task} --preset {entry.preset}"
