"""``magn degrade``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from magn_cli.cli import console, options
from magn_cli.cli.task_options import of_task, with_task_options
from magn_cli.errors import ImageError
from magn_cli.files import named, printable
from magn_cli.limits import MAX_SEED, MAX_WORKERS, check_range

if TYPE_CHECKING:
    from magn_cli.degrade import DegradeOutcome


@with_task_options("degrade")
@console.sentences
def degrade(
    clean: Annotated[
        Path,
        typer.Argument(
            help="A clean picture, or a folder, searched recursively; may be a URL.",
            parser=named,
            show_default=False,
        ),
    ],
    task: options.Task,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Folder of the set: gets <task>-<level>/ and manifest.json. May be a URL.",
            parser=named,
            rich_help_panel=options.FILES,
            show_default=False,
        ),
    ],
    overwrite: options.Overwrite = False,
    level: options.Levels = None,
    gray: Annotated[
        str | None,
        typer.Option(
            help="Convert colour to gray first: luma (as in the paper's Table III) or gray (Table II).",
            rich_help_panel=options.WORK,
            show_default=False,
        ),
    ] = None,
    task_options: options.TaskOptions = None,
    seed: options.Seed = 0,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Pictures processed in parallel, at most 64. Default: 1; on a cluster, one for each core. "
            "Affects speed, never the output.",
            rich_help_panel=options.SPEED,
            show_default=False,
        ),
    ] = None,
    cluster: options.Cluster = None,
    quiet: options.Quiet = False,
    verbose: Annotated[bool, options.verbose("requests that are repeated, and workers that start")] = False,
) -> None:
    """Make a degraded set from clean photos, for training or evaluation.

    Writes JPEG files, noise as float TIFF (never clipped), and mosaics as PNG.
    The same command gives the same bytes. Run it again to make only what is
    missing, or to add levels.

    Examples:

      magn degrade photos/ -t jpeg -l 10,20,30,40 -o set/

      magn degrade photos/ -t denoise -l 15,25,50 --gray gray -o noisy/

      magn degrade photos/ -t demosaic --pattern rggb -o mosaics/

      magn degrade photos/ -t jpeg -l 10,20 -o set/ --cluster local

      magn degrade s3://bucket/photos -t jpeg -l 10 -o s3://bucket/set
    """
    console.show_log(verbose, quiet)
    if cluster is not None:
        options.check_cluster(cluster, workers)
    elif workers is not None:
        check_range("--workers", workers, 1, MAX_WORKERS)
    check_range("--seed", seed, 0, MAX_SEED)
    from magn_cli import degrade as library
    from magn_cli.tasks import get_task

    recipe = library.DegradeRecipe(task, seed, gray, of_task(task, "degrade", task_options))
    levels = library.parse_levels(get_task(task), level)
    plan = library.plan(clean, out, recipe, levels, overwrite)
    made = kept = failed = 0
    with console.bar(quiet) as bar:
        line = bar.add_task(printable(plan.sources[0].name), total=len(plan.sources))

        def report(done: DegradeOutcome) -> None:
            nonlocal made, kept, failed
            made, kept = made + len(done.made), kept + done.kept
            bar.update(line, description=printable(done.source.name), advance=1)
            if done.error is not None:
                failed += 1
                console.complain(str(done.error))

        try:
            if cluster is None:
                untried = library.run(plan, workers or 1, report)
            else:
                from magn_cli.batch.cluster import ClusterSettings, degrading

                untried = degrading.run(plan, ClusterSettings(cluster, workers, device="cpu"), report)
        except KeyboardInterrupt:
            # What is finished is in the set; only --overwrite would make it once more.
            further = "start over" if overwrite else "resume"
            console.fail(f"interrupted; run the same command again to {further}.", 130)
    if not quiet and made + kept:
        there = f", {kept} already there" if kept else ""
        console.say(f"{made} made{there}, in {out}")
    if failed and len(plan.sources) > 1:
        console.complain(f"{failed} of {len(plan.sources)} pictures could not be degraded.")
    if untried:
        console.complain(f"{untried} pictures were not tried; run the same command again to resume.")
    if failed:
        raise typer.Exit(ImageError.exit_code)
