"""Plans a run: which pictures to restore, where to write them, and which results exist already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from magn_cli.batch import inputs, local_planning
from magn_cli.batch.journal import Settings
from magn_cli.batch.plan import BatchPlan, PlanRequest
from magn_cli.files import LOCAL, Store, named, store_of


def plan(
    sources: Sequence[str | Path],
    out: Path | None = None,
    *,
    settings: Settings,
    out_is_folder: bool = False,
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
        out_is_folder: ``out`` is a folder even for a single picture, and even if it does not exist yet.
        settings: all settings that affect a result.
        overwrite: replace existing outputs.
        store: storage of inputs and outputs.

    Raises:
        ImageError: there is no picture, or a path cannot be used.
        UsageError: see :func:`targets.aim`. :meth:`BatchPlan.check` reports existing outputs.
    """
    paths = [named(source) for source in sources]
    request = PlanRequest(
        sources=paths,
        out=out,
        out_is_folder=out_is_folder,
        settings=settings,
        recursive=recursive,
        mosaics=mosaics,
        suffix=suffix,
        overwrite=overwrite,
    )
    opened = store_of([*paths, *([] if out is None else [out])], store)
    if opened is store:
        return local_planning.plan(request, store)
    from magn_cli.batch import listed_planning

    return listed_planning.plan(request, opened)  # type: ignore[arg-type]
