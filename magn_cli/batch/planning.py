"""What a run would do: which pictures, where to, and what is there already."""

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
from magn_cli.files import LOCAL, Store

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refusal:
    """An output that exists and is not replaced."""

    job: Job
    reason: str
    """The end of a sentence that begins with the output's name."""


@dataclass
class BatchPlan:
    """What is to be done."""

    settings: Settings
    overwrite: bool = False
    jobs: list[Job] = field(default_factory=list)
    """What is to be restored."""

    megapixels: list[float] = field(default_factory=list)
    """Of each of :attr:`jobs`, from the starts of the files; estimated where these do not tell."""

    kept: list[Job] = field(default_factory=list)
    """What was made before with the same settings."""

    refusals: list[Refusal] = field(default_factory=list)
    failures: list[tuple[Path, ImageError]] = field(default_factory=list)
    """What was named and cannot be found or listed."""

    store: Store = LOCAL
    """Where all of these are."""

    @property
    def total(self) -> int:
        """Return the number of pictures, those that failed already included."""
        return len(self.jobs) + len(self.kept) + len(self.refusals) + len(self.failures)

    def check(self) -> None:
        """Raise :class:`UsageError` where outputs exist that may not be replaced."""
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
    """Decide what is restored, where each result goes, and what need not be done again. Nothing is written.

    An output that exists is kept where the journal in its folder says that it was made of the same picture with
    the same settings.

    Args:
        sources, recursive, mosaics: see :func:`inputs.find`.
        out, suffix: see :func:`targets.aim`.
        settings: whatever decides what a result looks like.
        overwrite: make and replace what exists.
        store: where the pictures are and their results go.

    Raises:
        ImageError: there is no picture at all, or a path cannot be used.
        UsageError: see :func:`targets.aim`. Outputs that exist are told by :meth:`BatchPlan.check`.
    """
    try:
        found = inputs.find(sources, out, recursive, mosaics, store)
        if not found.pictures and len(found.failures) == 1:
            raise found.failures[0][1]
        jobs = aim(found, out, suffix, overwrite, store)
        # As a journal gives them back.
        planned = BatchPlan(json.loads(json.dumps(settings)), overwrite, failures=found.failures, store=store)
        _sort(jobs, planned)
    except OSError as error:
        where = error.filename or (sources[0] if sources else out)
        raise ImageError(f"{where} cannot be used ({error.strerror}); check the path.") from error
    planned.megapixels = pace.megapixels([job.source for job in planned.jobs], store)
    return planned


def _sort(jobs: list[Job], planned: BatchPlan) -> None:
    journals: dict[Path, Journal] = {}
    for job in jobs:
        # A link that leads nowhere is something of the user's, too.
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
    """Say what keeps an output from being what this run would make; None: nothing."""
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
