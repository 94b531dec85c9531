"""``magn eval``."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from magn_cli.cli import console, options
from magn_cli.cli.task_options import of_task, with_task_options
from magn_cli.cli.views.evaluation import EvaluationPage, command
from magn_cli.errors import ImageError, NoSuchWeightsError, UsageError

if TYPE_CHECKING:
    from magn_cli.evaluation.plan import EvaluationJob, Method
    from magn_cli.evaluation.report import MethodResult
    from magn_cli.evaluation.run import Pair, Protocol
    from magn_cli.images import Array


@with_task_options("degrade")
@console.sentences
def evaluate(
    clean: Annotated[
        Path | None, typer.Argument(help="Folder of clean pictures, sub-folders included.", show_default=False)
    ] = None,
    task: Annotated[
        str | None, typer.Option(help=f"{options.NAMES}; known where --set or --table is given.")
    ] = None,
    level: Annotated[str | None, typer.Option(help="Levels, such as 10,20,30,40.", show_default=False)] = None,
    degraded: Annotated[
        Path | None,
        typer.Option(help="Folder of degraded pictures, paired with CLEAN by relative path.", show_default=False),
    ] = None,
    set_: Annotated[
        str | None,
        typer.Option("--set", help="A test set of the paper, such as Classic5, in --data.", show_default=False),
    ] = None,
    table: Annotated[
        str | None, typer.Option(help="All sets of the paper's table II, III or IV in --data.", show_default=False)
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder that holds the test sets.", envvar="MAGN_DATA", show_default=False),
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(help=f"Also run {options.BASELINES}; repeatable."),
    ] = None,
    baselines_only: Annotated[bool, typer.Option("--baselines-only", help="Run no network.")] = False,
    blind: Annotated[bool, typer.Option("--blind", help="Do not tell the network the level.")] = False,
    ensemble: options.Ensemble = False,
    protocol: Annotated[
        str, typer.Option(help="paper (as Tables II-IV were made) or modern (8 bit, Gaussian SSIM).")
    ] = "paper",
    task_options: options.TaskOptions = None,
    seed: Annotated[int, typer.Option(help="Of noise made on the fly.")] = 0,
    json: Annotated[
        Path | None, typer.Option(help="Write everything as JSON; - for standard output.", show_default=False)
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write one line a picture as CSV; - likewise.", show_default=False)
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(help="Write the table as Markdown; - likewise.", show_default=False)
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="Write a page to look at: figures, plots, pictures with a slider.", show_default=False),
    ] = None,
    html_limit: options.HtmlLimit = 25,
    link_images: Annotated[
        bool,
        typer.Option("--link-images", help="Put the page's pictures, lossless, into a folder beside it."),
    ] = False,
    preset: options.Preset = "magn-s",
    weights: options.Weights = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    threads: options.Threads = None,
    tile: options.Tile = "auto",
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Measure PSNR, SSIM and PSNR-B against clean pictures, beside the paper's figures.

    The degraded input is always measured too. Where there are no weights for a task yet, only it and the
    baselines are, and without --baseline the exit code is 3.

    Examples:

      magn eval --set Classic5 --data testsets/

      magn eval --table III --data testsets/

      magn eval photos/ --task jpeg --level 10,40

      magn eval photos/ --degraded bad/ --task jpeg --level 20

      magn eval --set Classic5 --data testsets/ --html report.html
    """
    console.show_log(verbose, quiet)
    outputs = {"json": json, "csv": csv, "markdown": markdown}
    _check_outputs({**outputs, "html": html}, overwrite)
    if link_images and html is None:
        raise UsageError("--link-images goes with --html; give a name for the page.")
    page = EvaluationPage(html, html_limit, link_images, overwrite) if html is not None else None
    from magn_cli.evaluation import plan
    from magn_cli.runtime.allocator import keep_freed_memory

    keep_freed_memory()
    if protocol not in ("paper", "modern"):
        raise UsageError(f"there is no protocol {protocol!r}; use paper or modern.")
    named: Protocol = "paper" if protocol == "paper" else "modern"
    wanted = plan.Request(
        clean=clean,
        task=task,
        levels=level,
        degraded=degraded,
        dataset=set_,
        table=table,
        data=data,
        protocol=named,
        seed=seed,
        options=of_task(task, "degrade", task_options) if task else task_options or {},
    )
    jobs, missing = plan.jobs(wanted)
    for name in missing:
        console.say(f"{name} is not in {data}; its lines are left out.")
    network = {
        "preset": preset,
        "weights": weights,
        "device": device,
        "precision": precision,
        "threads": threads,
        "tile": options.number("--tile", tile),
        "ensemble": ensemble,
    }
    lacking = None
    try:
        methods = plan.methods(jobs, baseline or [], None if baselines_only else network, blind)
    except NoSuchWeightsError as error:
        # What can be measured without the network is worth having.
        lacking = error
        console.complain(str(error))
        methods = plan.methods(jobs, baseline or [], None, blind)
    if page is not None:
        page.prepare(jobs, methods)
    with page or nullcontext():
        results = _run(jobs, methods, quiet, page)
        _write(results, outputs)
        if page is not None:
            from magn_cli.report.settings import settings

            page.write(results, settings(command(), wanted, jobs, methods, network))
    if not quiet and console.STANDARD_OUTPUT not in (*outputs.values(), html):
        _print(results)
    failures = sum(len(result.failures) for result in results)
    if failures:
        console.fail(f"{failures} measurements failed, the means are without them.", ImageError.exit_code)
    if lacking is not None and not baseline:
        raise typer.Exit(lacking.exit_code)


def _run(
    jobs: list[EvaluationJob], methods: dict[str, list[Method]], quiet: bool, page: EvaluationPage | None
) -> list[MethodResult]:
    from magn_cli.evaluation.report import MethodResult

    results = []
    with console.bar(quiet) as bar:
        line = bar.add_task("", total=sum(len(job.pairs) for job in jobs))
        for job in jobs:
            bar.update(line, description=job.dataset)
            chosen = methods[job.task.name]
            found = [
                MethodResult(
                    job.dataset, job.task, job.level, m.name, job.protocol, m.level_input, [], [], job.benchmark
                )
                for m in chosen
            ]
            for pair in job.pairs:
                _measure(job, pair, chosen, found, page)
                bar.advance(line)
            results += [result for result in found if result.rows]
    if not results:
        console.fail("no picture could be measured.", ImageError.exit_code)
    return results


def _measure(
    job: EvaluationJob, pair: Pair, methods: list[Method], results: list[MethodResult], page: EvaluationPage | None
) -> None:
    """Add what one pair gave, a row or a failure, to each method's result, and the pictures to the page."""
    from magn_cli.evaluation.run import Row, measure

    latest: list[tuple[Array, Array]] = []
    shown: dict[str, Array] = {}

    def watch(restored: Array, reference: Array) -> None:
        latest[:] = [(restored, reference)]

    try:
        rows = measure(pair, job.task, (m.run for m in methods), job.protocol, watch)
        for result, row in zip(results, rows, strict=True):
            if isinstance(row, Row):
                result.rows.append(row)
                if page is not None:
                    shown[result.method] = latest[0][0]
            else:
                result.failures.append(str(row))
                console.complain(f"{result.method}: {row}")
    except ImageError as error:
        console.complain(str(error))
        for result in results:
            result.failures.append(str(error))
    if page is not None and shown:
        page.add(results, shown, latest[0][1])


def _print(results: list[MethodResult]) -> None:
    from magn_cli.evaluation.report import COLUMNS, cells, title

    for heading in dict.fromkeys(title(r.protocol, r.task) for r in results):
        shown = Table(title=heading, title_justify="left", box=None, pad_edge=False)
        lines = [cells(r) for r in results if title(r.protocol, r.task) == heading]
        used = [i for i in range(len(COLUMNS)) if any(line[i] for line in lines)]
        for i in used:
            shown.add_column(COLUMNS[i], no_wrap=True, justify="left" if i in (0, 2) else "right")
        for line in lines:
            shown.add_row(*(line[i] for i in used))
        # Squeezed into 80 columns the table would lose its digits; a long line only wraps.
        natural = console.results.measure(shown, options=console.results.options.update(max_width=1000)).maximum
        wide = Console(file=console.results.file, width=max(natural, 1), highlight=False, emoji=False)
        wide.print(shown, crop=False)


def _check_outputs(outputs: dict[str, Path | None], overwrite: bool) -> None:
    given = [path for path in outputs.values() if path is not None]
    if given.count(Path("-")) > 1:
        raise UsageError("only one report can go to standard output; give the others a file name.")
    if len(set(given)) < len(given):
        raise UsageError("two reports cannot go to one file; give each a name of its own.")
    for path in given:
        console.check_report(path, overwrite)


def _write(results: list[MethodResult], outputs: dict[str, Path | None]) -> None:
    import csv
    import io
    import json

    from magn_cli.evaluation.report import as_csv, as_document, as_markdown

    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows(as_csv(results))
    texts = {
        "json": json.dumps(as_document(results), indent=1, allow_nan=False) + "\n",
        "csv": lines.getvalue(),
        "markdown": as_markdown(results),
    }
    for kind, path in outputs.items():
        if path is not None:
            console.write_report(texts[kind], path)
