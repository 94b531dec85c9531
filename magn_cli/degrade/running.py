"""Makes the files of a degraded set, several at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from magn_cli import images
from magn_cli.degrade.files import made, read, save
from magn_cli.degrade.manifest import NAME, DegradedFile
from magn_cli.degrade.planning import DegradePlan, Source
from magn_cli.errors import ImageError, MagnError
from magn_cli.files import Store, StoreError, UrlPath, checksum, is_hopeless, remove_leftovers, sentences

log = logging.getLogger(__name__)

SAVE_SECONDS = 2.0
"""Interval in seconds at which the manifest is written, so that a killed run can be resumed."""

SAVE_SECONDS_REMOTE = 30.0
"""The same where each time is a request that sends all of it."""


@dataclass
class DegradeOutcome:
    """Result for one clean picture."""

    source: Source
    made: list[DegradedFile] = field(default_factory=list)
    kept: int = 0
    """Number of results that existed already."""

    had_alpha: bool = False
    error: MagnError | None = None
    """Why the remaining results were not made."""

    ends_run: bool = False
    """Whether other pictures would fail in the same way."""


def run(plan: DegradePlan, workers: int = 1, report: Callable[[DegradeOutcome], None] = lambda done: None) -> int:
    """Make the set and its manifest.

    If a picture fails, the run reports it and continues with the next, unless the disk is full or a store is lost.

    Args:
        plan: what to make.
        workers: number of threads.
        report: called in the caller's thread once for each picture, in order.

    Returns:
        The number of pictures that were not tried.

    Raises:
        ImageError: a folder or the manifest cannot be written.
    """
    untried, is_over = 0, threading.Event()

    def try_one(source: Source) -> DegradeOutcome | None:
        if is_over.is_set():
            return None
        done = degrade(plan, source)
        if done.ends_run:
            is_over.set()
        return done

    pool = ThreadPoolExecutor(workers)
    with ManifestKeeper(plan, report) as keeper:
        waiting = [pool.submit(try_one, source) for source in plan.sources]
        try:
            for future in waiting:
                done = future.result()
                if done is None:
                    untried += 1
                else:
                    keeper.take(done)
        finally:
            pool.shutdown(cancel_futures=True)
    return untried


class ManifestKeeper:
    """Makes the folders of a set, and keeps its manifest while results come in."""

    def __init__(self, plan: DegradePlan, report: Callable[[DegradeOutcome], None]) -> None:
        """``report`` is called with each outcome."""
        self.plan, self._report = plan, report
        self._results, self._saved, self._warned = dict(plan.known), time.monotonic(), False
        self._targets = [target for source in plan.sources for target in plan.targets(source)]
        self.folders = sorted({target.parent for target in self._targets})
        self._interval = SAVE_SECONDS_REMOTE if isinstance(plan.out, UrlPath) else SAVE_SECONDS

    def __enter__(self) -> ManifestKeeper:
        """Raises :class:`ImageError` if a folder cannot be made."""
        _make_folders(self.folders, self.plan.store)
        remove_leftovers([*self._targets, self.plan.out / NAME], self.plan.store)
        return self

    def __exit__(self, *_: object) -> None:
        # Also after an interruption, so that a later run keeps the finished results.
        _save_manifest(self.plan, self._results)

    def take(self, done: DegradeOutcome) -> None:
        """Report an outcome and list its results. Raises :class:`ImageError`."""
        self._results.update({result.result: result for result in done.made})
        if done.had_alpha and not self._warned:
            log.warning("%s has an alpha channel, which is dropped in a degraded set.", done.source.path)
            self._warned = True
        self._report(done)
        if time.monotonic() - self._saved > self._interval:
            _save_manifest(self.plan, self._results)
            self._saved = time.monotonic()


def degrade(plan: DegradePlan, source: Source, again: bool = False) -> DegradeOutcome:
    """Make all results for one clean picture.

    ``again``: somebody began with it and stopped somewhere, so that some results may be there already.
    """
    done = DegradeOutcome(source)
    try:
        data, digest, access = read(source.path, plan.store)
        photo = None
        for level in plan.levels:
            name = plan.recipe.result_name(source.name, level)
            if name in plan.intact and plan.known[name].source_sha256 == digest:
                done.kept += 1
                continue
            if photo is None:
                photo = images.decode(data, name=str(source.path))
                done.had_alpha = photo.alpha is not None
            target, replaces = plan.out / name, plan.overwrite or name in plan.intact
            result = made(plan.recipe, photo, source.name, level)
            if not (again and _is_there(target, result, plan.store)):
                save(target, result, plan.store, overwrite=replaces, access=access)
            done.made.append(DegradedFile(source.name, digest, level, name, checksum.of_bytes(result)))
    except MemoryError:
        done.error = ImageError(f"{source.path} needs more memory than is available; use fewer --workers.")
    except MagnError as error:
        done.error, done.ends_run = error, is_hopeless(error)
    return done


def _is_there(target: Path, data: bytes, store: Store) -> bool:
    try:
        return store.read(target)[0] == data
    except (OSError, MemoryError):
        return False


def _make_folders(folders: list[Path], store: Store) -> None:
    for folder in folders:
        try:
            store.make_folder(folder)
        except StoreError as error:
            raise sentences.unusable(error, folder) from error
        except OSError as error:
            reason = f"the folder {folder} cannot be created ({error.strerror})"
            raise ImageError(f"{reason}; give another --out.") from error


def _save_manifest(plan: DegradePlan, results: dict[str, DegradedFile]) -> None:
    if not results:
        return
    save(plan.out / NAME, replace(plan.recipe.manifest(), results=results).to_bytes(), plan.store)
