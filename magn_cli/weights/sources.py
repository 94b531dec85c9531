"""From what a user asks for to a file on this machine, in the order that docs/weights.md tells."""

from __future__ import annotations

import logging
from os import PathLike, fspath
from pathlib import Path

from magn_cli.errors import DamagedError, NotHereError, WeightsError
from magn_cli.weights import hub, integrity, places
from magn_cli.weights.registry import Entry, find

log = logging.getLogger(__name__)


def locate(task: str, preset: str, weights: str | PathLike[str] | None = None) -> Path:
    """Return the checkpoint to use; it is downloaded where it has to be.

    In this order: ``weights`` (a file, or ``hf://user/repo/file@revision``); the file that came with magn or lies
    beside the user's registry; the cache of the Hub; the Hub.

    Raises:
        NoSuchWeightsError: the registry has no such checkpoint.
        WeightsError: it cannot be had, or is not the file that the registry means.
    """
    if weights is not None:
        named = fspath(weights)
        if not hub.is_reference(named):
            return Path(named)
        path = hub.get(hub.parse(named))
        log.info("weights: %s from the Hub, in %s", named, path)
        return path
    entry = find(task, preset)
    try:
        path, where = here(entry)
    except NotHereError:
        path, where = pull(entry), "from the Hub"
    log.info("weights: %s, %s, %s", path.name, where, path)
    return path


def here(entry: Entry, again: bool = False) -> tuple[Path, str]:
    """Return a checkpoint's file without any network, and in words where it lies; its hash is compared.

    ``again``: read the file even where its hash is remembered. Raises :class:`NotHereError` where it would have
    to be downloaded, :class:`WeightsError` where what is here is not what the registry means.
    """
    own = entry.path
    if own is not None:
        bundled = entry.folder == places.BUNDLED
        mend = "install magn again" if bundled else f"put the right file there, or mend {places.own_registry()}"
        return integrity.check(own, entry.sha256, mend, again), "bundled" if bundled else "local"
    local = places.own_folder() / Path(entry.filename).name
    if local.is_file():
        return integrity.check(local, entry.sha256, "remove it, or put the right file there", again), "local"
    cached = hub.cached(entry.repo_id, entry.filename, entry.revision)
    if cached is None:
        raise NotHereError(
            f"{entry.name} are not on this machine; get them by {_pulling(entry)}, or put "
            f"{local.name} into {local.parent}."
        )
    return integrity.check(cached, entry.sha256, f"get them again by {_pulling(entry)}", again), "cached"


def pull(entry: Entry) -> Path:
    """Download a checkpoint, or find that it is here; a damaged one is replaced.

    Raises :class:`WeightsError` where that is not possible.
    """
    try:
        return here(entry)[0]
    except NotHereError:
        pass
    except WeightsError:
        if hub.cached(entry.repo_id, entry.filename, entry.revision) is None:
            raise
    reference = hub.Reference(entry.repo_id, entry.filename, entry.revision)
    mend = f"the repository {entry.repo_id} does not hold what was registered, so do not use it"
    try:
        return integrity.check(hub.get(reference), entry.sha256, mend, again=True)
    except DamagedError:
        # The Hub's cache compares no hashes: what lies there may be what is wrong.
        return integrity.check(hub.get(reference, force=True), entry.sha256, mend, again=True)


def _pulling(entry: Entry) -> str:
    return f"magn weights pull --task {entry.task} --preset {entry.preset}"
