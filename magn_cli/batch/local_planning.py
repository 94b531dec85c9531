"""Plans runs on files of this machine, or on one file of a store: everything is held in memory."""

from __future__ import annotations

import logging
from pathlib import Path

from magn_cli.batch import inputs, pace
from magn_cli.batch.journal import Journal
from magn_cli.batch.outputs import why_refused
from magn_cli.batch.plan import BatchPlan, PlanRequest, Refusal
from magn_cli.batch.targets import Job, aim
from magn_cli.files import Store, links_to_folders

log = logging.getLogger(__name__)


def plan(request: PlanRequest, store: Store) -> BatchPlan:
    """Plan a run whose pictures all fit into memory; see :func:`magn_cli.batch.planning.plan`."""
    try:
        found = inputs.find(request.sources, request.out, request.recursive, request.mosaics, store)
        if not found.pictures and len(found.failures) == 1:
            raise found.failures[0][1]
        if request.out_is_folder:
            found.is_one_file = False
        jobs = aim(found, request.out, request.suffix, request.overwrite, store)
        tell_links(jobs, store)
        planned = request.begin(found.failures, store)
        _sort(jobs, planned)
    except OSError as error:
        raise request.unusable(error) from error
    planned.megapixels = pace.megapixels([job.source for job in planned.jobs], store)
    return planned


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
