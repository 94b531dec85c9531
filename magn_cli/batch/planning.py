"""Plans a run: which pictures to restore, where to write them, and which results exist already."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from magn_cli.batch import inputs, pace
from magn_cli.batch.journal import Journal, Settings, is_still
from magn_cli.batch.targets import Job, aim
from magn_cli.errors import ImageError, UsageError
from magn_cli.files import LOCAL, Status, Store, links_to_folders, named, sentences, store_of

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
    jobs: Sequence[Job] = ()
    """Pictures to restore."""

    megapixels: Sequence[float] = ()
    """Size of each of :attr:`jobs`, from the header of its file or estimated."""

    kept: Sequence[Job] = ()
    """Pictures that were restored before with the same settings."""

    refusals: Sequence[Refusal] = ()
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
    """Decide which pictures to restore and where to write them. Writes nothing where the results will be.

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
    paths = [named(source) for source in sources]
    opened = store_of([*paths, *([] if out is None else [out])], store)
    if opened is not store:
        from magn_cli.batch import listed_planning

        return listed_planning.plan(
            paths,
            out,
            settings=settings,
            recursive=recursive,
            mosaics=mosaics,
            suffix=suffix,
            overwrite=overwrite,
            store=opened,  # type: ignore[arg-type]
        )
    return plan_in_memory(
        paths,
        out,
        settings=settings,
        recursive=recursive,
        mosaics=mosaics,
        suffix=suffix,
        overwrite=overwrite,
        store=store,
    )


def plan_in_memory(
    sources: Sequence[Path],
    out: Path | None,
    *,
    settings: Settings,
    recursive: bool,
    mosaics: inputs.Mosaics,
    suffix: str | None,
    overwrite: bool,
    store: Store,
) -> BatchPlan:
    """Plan a run whose pictures all fit into memory; see :func:`plan`."""
    try:
        found = inputs.find(sources, out, recursive, mosaics, store)
        if not found.pictures and len(found.failures) == 1:
            raise found.failures[0][1]
        jobs = aim(found, out, suffix, overwrite, store)
        tell_links(jobs, store)
        planned = BatchPlan(as_journal(settings), overwrite, failures=found.failures, store=store)
        _sort(jobs, planned)
    except OSError as error:
        raise sentences.unusable(error, sources[0] if sources else out) from error
    planned.megapixels = pace.megapixels([job.source for job in planned.jobs], store)
    return planned


def as_journal(settings: Settings) -> Settings:
    """Return settings in the form in which a journal returns them."""
    plain: Settings = json.loads(json.dumps(settings))
    return plain


def tell_links(jobs: list[Job], store: Store) -> None:
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
    to_do, kept, refusals = list[Job](), list[Job](), list[Refusal]()
    for job in jobs:
        # A dangling link also belongs to the user.
        if planned.overwrite or not job.store.is_taken(job.target):
            to_do.append(job)
            continue
        reason = why_refused(job, journals, planned.settings)
        if reason is None:
            kept.append(job)
        else:
            refusals.append(Refusal(job, reason))
    planned.jobs, planned.kept, planned.refusals = to_do, kept, refusals


def why_refused(
    job: Job,
    journals: dict[Path, Journal],
    settings: Settings,
    source: Status | None = None,
    target: Status | None = None,
) -> str | None:
    """Return why an existing output is not what this run would make; None if it is.

    Args:
        job: has the output.
        journals: those that are open; one that is missing is added.
        settings: those of the run.
        source, target: what is known of the files of the job.
    """
    if job.folder is None:
        return "exists"
    if job.folder not in journals:
        journals[job.folder] = Journal(job.folder, job.store)
        journals[job.folder].know(settings)
    journal = journals[job.folder]
    entry = journal.entry(job.result, target)
    if entry is None:
        whose = " of yours" if journal.has_foreign_lines else ""
        return f"exists and was not made by a run{whose} that is known"
    if entry.settings.keys() == {"settings"}:
        return "was made with other settings, which its journal does not tell any more"
    for name in [*settings, *entry.settings]:
        before, now = entry.settings.get(name), settings.get(name)
        if before != now:
            return f"was made with other settings ({name} {_word(before)}, not {_word(now)})"
    if not is_still(entry.origin, job.source, job.store, source):
        return f"was made of another picture than {job.source} is now"
    found = job.store.status(job.target) if target is None else target
    if found is None or found.bytes != entry.bytes:
        log.warning("%s has been changed since it was made; it is left as it is.", job.target)
    return None


def _word(value: object) -> str:
    word = "none" if value is None else str(value)
    return word if len(word) <= 20 else f"{word[:12]}..."


def _what(several: Sequence[object]) -> str:
    return "it" if len(several) == 1 else "them"
