"""``magn degrade``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from magn_cli.cli import console, options
from magn_cli.cli.task_options import of_task, with_task_options
from magn_cli.errors import ImageError, UsageError

if TYPE_CHECKING:
    from magn_cli.degrade import DegradeOutcome


@with_task_options("degrade")
@console.sentences
def degrade(
    clean: Annotated[
        Path,
        typer.Argument(help="A clean picture, or a folder of them with its sub-folders.", show_default=False),
    ],
    task: options.Task,
    out: Annotated[
        Path,
        typer.Option(help="Folder of the set: it gets <task>-<level>/ and manifest.json.", show_default=False),
    ],
    level: Annotated[
        str | None,
        typer.Option(
            help=f"One or more, with commas: {options.SCALES}.",
            show_default=False,
        ),
    ] = None,
    gray: Annotated[
        str | None,
        typer.Option(
            help="Turn colour to gray first: luma (as in the paper's Table III) or gray (Table II).",
            show_default=False,
        ),
    ] = None,
    task_options: options.TaskOptions = None,
    seed: Annotated[int, typer.Option(help="Of the noise.")] = 0,
    workers: Annotated[int, typer.Option(help="Pictures at once. Decides the time, not the result.")] = 1,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Make a degraded set of clean photos, to measure or to train with.

    Each task writes the files that suit it; white noise is never clipped. The same command gives the same bytes;
    run again, it makes only what is missing, and more levels can be added.

    Examples:

      magn degrade photos/ --task jpeg --level 10,20,30,40 --out set/

      magn degrade photos/ --task denoise --level 15,25,50 --gray gray --out noisy/
    """
    console.show_log(verbose, quiet)
    from magn_cli import degrade as library
    from magn_cli.tasks import get_task

    if workers < 1:
        raise UsageError(f"--workers {workers} makes no sense; give a number above zero.")
    recipe = library.DegradeRecipe(task, seed, gray, of_task(task, "degrade", task_options))
    levels = library.parse_levels(get_task(task), level)
    plan = library.plan(clean, out, recipe, levels, overwrite)
    made = kept = failed = 0
    with console.bar(quiet) as bar:
        line = bar.add_task(plan.sources[0].name, total=len(plan.sources))

        def report(done: DegradeOutcome) -> None:
            nonlocal made, kept, failed
            made, kept = made + len(done.made), kept + done.kept
            bar.update(line, description=done.source.name, advance=1)
            if done.error is not None:
                failed += 1
                console.complain(str(done.error))

        library.run(plan, workers, report)
    if not quiet and made + kept:
        there = f", {kept} there already" if kept else ""
        console.say(f"{made} made{there}, in {out}")
    if failed and len(plan.sources) > 1:
        console.complain(f"{failed} of {len(plan.sources)} pictures could not be degraded.")
    if failed:
        raise typer.Exit(ImageError.exit_code)
