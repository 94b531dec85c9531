"""Plans a run: which pictures to restore, where to write them, and which results exist already."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from magn_cli.batch import inputs, pace
from magn_cli.batch.journal import Journal, Settings
from magn_cli.batch.targets import Job, aim
from magn_cli.errors import ImageError, UsageError
from magn_cli.files import LOCAL, Store, links_to_folders

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refusal:
    """An existing output that may not be replaced."""

    job: Job
    reason: str
    """The end of a sentence that starts with the output's name."""


@dataclass
class BatchPlan:
    """A planned run."""

    settings: Settings
    overwrite: bool = False
    jobs: list[Job] = field(default_factory=list)
    """Pictures to restore."""

    megapixels: list[float] = field(default_factory=list)
    """Size of each of :attr:`jobs`, from the header of its file or estimated."""

    kept: list[Job] = field(default_factory=list)
    """Pictures that were restored before with the same settings."""

    refusals: list[Refusal] = field(default_factory=list)
    failures: list[tuple[Path, ImageError]] = field(default_factory=list)
    """Inputs that cannot be found or listed."""

    store: Store = LOCAL
    """Storage of all files."""

    @property
    def total(self) -> int:
        """Number of all pictures, including those that cannot be found."""
        return len(self.jobs) + len(self.kept) + len(self.refusals) + len(self.failures)

    def check(self) -> None:
        """Raise :class:`UsageError` if there are existing outputs that may not be replaced."""
        if not self.refusals:
            return
        first = self.refusals[0]
        if len(self.refusals) == 1:
            says = f"{first.job.target} {first.reason}"
        else:
            says = f"{len(self.refusals)} outputs exist, the first of which {first.reason}: {first.job.target}"
        raise UsageError(f"{says}; give another --out, or --overwrite to replace {_what(self.refusals)}.")


def plan(
    sources: Sequence[str | Path],
    out: Path | None = None,
    *,
    settings: Settings,
    recursive: bool = False,
    mosaics: inputs.Mosaics = "no",
    suffix: str | None = None,
    overwrite: bool = False,
    store: Store = LOCAL,
) -> BatchPlan:
    """Decide which pictures to restore and where to write them. Writes nothing.

    An existing output is kept if the journal in its folder says that it was made from the same picture with the
    same settings.

    Args:
        sources, recursive, mosaics: see :func:`inputs.find`.
        out, suffix: see :func:`targets.aim`.
        settings: all settings that affect a result.
        overwrite: replace existing outputs.
        store: storage of inputs and outputs.

    Raises:
        ImageError: there is no picture, or a path cannot be used.
        UsageError: see :func:`targets.aim`. :meth:`BatchPlan.check` reports existing outputs.
    """
    try:
        found = inputs.find(sources, out, recursive, mosaics, store)
        if not found.pictures and len(found.failures) == 1:
            raise found.failures[0][1]
        jobs = aim(found, out, suffix, overwrite, store)
        _tell_links(jobs, store)
        # In the form in which a journal returns them.
        planned = BatchPlan(json.loads(json.dumps(settings)), overwrite, failures=found.failures, store=store)
        _sort(jobs, planned)
    except OSError as error:
        where = error.filename or (sources[0] if sources else out)
        raise ImageError(f"{where} cannot be used ({error.strerror}); check the path.") from error
    planned.megapixels = pace.megapixels([job.source for job in planned.jobs], store)
    return planned


def _tell_links(jobs: list[Job], store: Store) -> None:
    """Warn of results that would not lie in the folder of results: it can come from a stranger."""
    targets: dict[Path, list[Path]] = {}
    for job in jobs:
        if job.folder is not None:
            targets.setdefault(job.folder, []).append(job.target)
    for folder, paths in targets.items():
        for link in links_to_folders(folder, paths, store):
            log.warning("%s is a link: the results below it are written to %s.", link, store.identity(link))


def _sort(jobs: list[Job], planned: BatchPlan) -> None:
    journals: dict[Path, Journal] = {}
    for job in jobs:
        # A dangling link also belongs to the user.
        if planned.overwrite or not job.store.is_taken(job.target):
            planned.jobs.append(job)
            continue
        if job.folder is not None and job.folder not in journals:
            journals[job.folder] = Journal(job.folder, job.store)
        reason = None if job.folder is None else _difference(job, journals[job.folder], planned.settings)
        if job.folder is not None and reason is None:
            planned.kept.append(job)
        else:
            planned.refusals.append(Refusal(job, reason or "exists"))


def _difference(job: Job, journal: Journal, settings: Settings) -> str | None:
    """Return why an output is not what this run would make; None if it is."""
    entry = journal.entry(job.result)
    if entry is None:
        whose = " of yours" if journal.has_foreign_lines else ""
        return f"exists and was not made by a run{whose} that is known"
    for name in [*settings, *entry.settings]:
        before, now = entry.settings.get(name), settings.get(name)
        if before != now:
            return f"was made with other settings ({name} {_word(before)}, not {_word(now)})"
    if not entry.origin.is_still(job.source, job.store):
        return f"was made of another picture than {job.source} is now"
    status = job.store.status(job.target)
    if status is None or status.bytes != entry.bytes:
        log.warning("%s has been changed since it was made; it is left as it is.", job.target)
    return None


def _word(value: object) -> str:
    word = "none" if value is None else str(value)
    return word if len(word) <= 20 else f"{word[:12]}..."


def _what(several: Sequence[object]) -> str:
    return "it" if len(several) == 1 else "them"
