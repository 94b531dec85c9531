"""Whether an output that exists is what a run would make."""

from __future__ import annotations

import logging
from pathlib import Path

from magn_cli.batch.journal import Journal, Settings, is_still
from magn_cli.batch.targets import Job
from magn_cli.files import Status

log = logging.getLogger(__name__)


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
