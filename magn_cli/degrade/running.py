"""Making what was planned, some pictures at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from magn_cli import images
from magn_cli.degrade.files import made, read, save
from magn_cli.degrade.manifest import NAME, DegradedFile
from magn_cli.degrade.planning import DegradePlan, Source
from magn_cli.errors import ImageError, MagnError
from magn_cli.files import checksum

log = logging.getLogger(__name__)

SAVE_SECONDS = 2.0
"""The manifest is written this often, so that a run which is killed can be taken up again."""


@dataclass
class DegradeOutcome:
    """What became of one clean picture."""

    source: Source
    made: list[DegradedFile] = field(default_factory=list)
    kept: int = 0
    """Results that were there already."""

    had_alpha: bool = False
    error: MagnError | None = None
    """Why the rest was not made."""


def run(plan: DegradePlan, workers: int = 1, report: Callable[[DegradeOutcome], None] = lambda done: None) -> None:
    """Make the set and its manifest; a picture that fails is reported, and the rest goes on.

    Args:
        workers: threads that share the pictures.
        report: is called in the caller's thread once for each picture, in their order.

    Raises :class:`ImageError` where a folder or the manifest cannot be written.
    """
    _make_folders(plan)
    results, saved, alpha_told = dict(plan.known), time.monotonic(), False
    pool = ThreadPoolExecutor(workers)
    waiting = [pool.submit(_degrade, plan, source) for source in plan.sources]
    try:
        for future in waiting:
            done = future.result()
            results.update({result.result: result for result in done.made})
            if done.had_alpha and not alpha_told:
                log.warning(
                    "%s has an alpha channel; a degraded set holds none, it is left out.", done.source.path
                )
                alpha_told = True
            report(done)
            if time.monotonic() - saved > SAVE_SECONDS:
                _save_manifest(plan, results)
                saved = time.monotonic()
    finally:
        # Also when interrupted: what is listed need not be made again.
        pool.shutdown(cancel_futures=True)
        _save_manifest(plan, results)


def _degrade(plan: DegradePlan, source: Source) -> DegradeOutcome:
    """Make all results of one clean picture."""
    done = DegradeOutcome(source)
    try:
        data, digest = read(source.path)
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
            save(target, result, overwrite=replaces)
            done.made.append(DegradedFile(source.name, digest, level, name, checksum.of_bytes(result)))
    except MemoryError:
        done.error = ImageError(f"{source.path} needs more memory than there is; use fewer --workers.")
    except MagnError as error:
        done.error = error
    return done


def _make_folders(plan: DegradePlan) -> None:
    names = [plan.recipe.result_name(source.name, level) for source in plan.sources for level in plan.levels]
    for folder in sorted({(plan.out / name).parent for name in names}):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = f"the folder {folder} cannot be made ({error.strerror})"
            raise ImageError(f"{reason}; give another --out.") from error


def _save_manifest(plan: DegradePlan, results: dict[str, DegradedFile]) -> None:
    if not results:
        return
    save(plan.out / NAME, replace(plan.recipe.manifest(), results=results).to_bytes())
