"""``magn eval``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer
from rich.markup import escape
from rich.table import Table

from magn_cli.cli import console, options, sparing
from magn_cli.cli.task_options import of_task, with_task_options
from magn_cli.cli.views.evaluation import EvaluationPage, command
from magn_cli.errors import ImageError, MagnError, UsageError, unexpected
from magn_cli.files import UrlPath, named, printable
from magn_cli.limits import check_range

if TYPE_CHECKING:
    from magn_cli.evaluation import Evaluation
    from magn_cli.evaluation.report import MethodResult
    from magn_cli.inference.onnx import Told

SHOWN = 3
"""Names of pictures in a sentence, at most."""


@with_task_options("degrade")
@console.sentences
def evaluate(
    clean: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of clean pictures, searched recursively; may be a URL.",
            parser=named,
            show_default=False,
        ),
    ] = None,
    degraded: Annotated[
        Path | None,
        typer.Option(
            help="Folder of degraded pictures, matched to CLEAN by relative path; may be a URL.",
            parser=named,
            rich_help_panel=options.FILES,
            show_default=False,
        ),
    ] = None,
    set_: Annotated[
        str | None,
        typer.Option(
            "--set",
            help="Test set in --data: one of the paper, such as Classic5, or real pairs: PolyU.",
            rich_help_panel=options.FILES,
            show_default=False,
        ),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            help="All sets of the paper's Table II, III or IV in --data.",
            rich_help_panel=options.FILES,
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder that holds the test sets.",
            envvar="MAGN_DATA",
            rich_help_panel=options.FILES,
            show_default=False,
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            "-t",
            help=f"{options.NAMES}; for sets of real pairs also auto, as restore would choose.",
            rich_help_panel=options.WORK,
            show_default=False,
        ),
    ] = None,
    level: options.Levels = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="paper (as Tables II-IV were made) or modern (8 bit, Gaussian SSIM). Default: paper, for sets of "
            "real pairs modern.",
            rich_help_panel=options.WORK,
            show_default=False,
        ),
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Also measure {options.BASELINES}. Repeatable.",
            rich_help_panel=options.WORK,
        ),
    ] = None,
    baselines_only: Annotated[
        bool, typer.Option("--baselines-only", help="Skip the network.", rich_help_panel=options.WORK)
    ] = False,
    blind: Annotated[
        bool,
        typer.Option("--blind", help="Do not tell the network the level.", rich_help_panel=options.WORK),
    ] = False,
    ensemble: options.Ensemble = False,
    preset: options.Preset = "magn-s",
    weights: options.Weights = None,
    task_options: options.TaskOptions = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            help="Also measure this ONNX network; needs the extra export. Repeatable.",
            rich_help_panel=options.OTHERS,
            show_default=False,
        ),
    ] = None,
    against_range: Annotated[
        float | None,
        typer.Option(
            help="Value of white, such as 255. Default: 255 for whole numbers, else 1.",
            rich_help_panel=options.OTHERS,
            show_default=False,
        ),
    ] = None,
    against_layout: Annotated[
        str | None,
        typer.Option(
            help="nchw or nhwc. Default: as the file says.", rich_help_panel=options.OTHERS, show_default=False
        ),
    ] = None,
    against_level: Annotated[
        str | None,
        typer.Option(
            help="What its level input takes, such as level/255 or 1-level/100.",
            rich_help_panel=options.OTHERS,
            show_default=False,
        ),
    ] = None,
    against_multiple: Annotated[
        int | None,
        typer.Option(
            help="Pixels that must divide height and width. Default: found by trying.",
            rich_help_panel=options.OTHERS,
            show_default=False,
        ),
    ] = None,
    against_tile: Annotated[
        int | None,
        typer.Option(
            help="Side of its tiles in pixels. Default: as the file says, else 512.",
            rich_help_panel=options.OTHERS,
            show_default=False,
        ),
    ] = None,
    against_overlap: Annotated[
        int | None,
        typer.Option(
            help="Overlap of its tiles in pixels. Default: 64, at most half a tile.",
            rich_help_panel=options.OTHERS,
            show_default=False,
        ),
    ] = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    threads: options.Threads = None,
    tile: options.Tile = "auto",
    cluster: options.Cluster = None,
    workers: options.Workers = None,
    json: Annotated[
        Path | None,
        typer.Option(
            help="Write results as JSON to a file, or to standard output with -.",
            parser=named,
            rich_help_panel=options.REPORTS,
            show_default=False,
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            help="Write one line per picture as CSV, or to standard output with -.",
            parser=named,
            rich_help_panel=options.REPORTS,
            show_default=False,
        ),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(
            help="Write the table as Markdown, or to standard output with -.",
            parser=named,
            rich_help_panel=options.REPORTS,
            show_default=False,
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write an HTML page with figures, plots, and pictures to compare with a slider.",
            parser=named,
            rich_help_panel=options.REPORTS,
            show_default=False,
        ),
    ] = None,
    html_limit: options.HtmlLimit = 25,
    link_images: Annotated[
        bool,
        typer.Option(
            "--link-images",
            help="Store the page's pictures losslessly in a folder beside it.",
            rich_help_panel=options.REPORTS,
        ),
    ] = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Measure PSNR, SSIM and PSNR-B against clean pictures.

    magn also measures the degraded input, and shows the paper's figures beside
    yours. If a task has no weights yet, it measures only the input and what
    --baseline and --against name; without these, it exits with code 3.

    Examples:

      magn eval --set Classic5 --data testsets/

      magn eval --table III --data testsets/ --json table3.json

      magn eval photos/ -t jpeg -l 10,40

      magn eval photos/ --degraded bad/ -t jpeg -l 20

      magn eval --set Classic5 --data testsets/ --html report.html

      magn eval photos/ -t jpeg -l 10 --against other.onnx

      magn eval photos/ -t jpeg -l 10,40 --cluster auto --json figures.json
    """
    console.show_log(verbose, quiet)
    outputs = {"json": json, "csv": csv, "markdown": markdown}
    reports = {f"--{kind}": path for kind, path in {**outputs, "html": html}.items()}
    console.check_reports(reports, overwrite)
    sparing.check_apart(reports, [*(against or ()), *_files(weights, degraded)], "one of the inputs")
    if link_images and html is None:
        raise UsageError("--link-images needs --html: give the page a name.")
    if link_images and isinstance(html, UrlPath):
        raise UsageError(f"--link-images needs a page on this machine, but {html} is a URL: omit --link-images.")
    options.check_workers(cluster, workers, device)
    check_range("--html-limit", html_limit, 0.1, options.MAX_HTML_LIMIT)
    page = EvaluationPage(html, html_limit, link_images, overwrite) if html is not None else None
    from magn_cli import degrade, evaluation
    from magn_cli.evaluation.run import Protocol
    from magn_cli.inference.onnx import Told
    from magn_cli.runtime.allocator import keep_freed_memory

    network = evaluation.NetworkSettings(
        preset=preset,
        weights=weights,
        device=device,
        precision=precision,
        threads=threads,
        tile=options.tile(tile),
        ensemble=ensemble,
    )
    if protocol is not None:
        options.choice("--protocol", protocol, get_args(Protocol))
    told = _told(against_range, against_layout, against_level, against_multiple, against_tile, against_overlap)
    if told is not None and not against:
        raise UsageError("the options --against-... need a network: give one with --against.")
    request = evaluation.Request(
        clean=clean,
        degraded=degraded,
        dataset=set_,
        table=table,
        data=data,
        task=task,
        levels=degrade.read_numbers(level),
        protocol=None if protocol is None else "paper" if protocol == "paper" else "modern",
        baselines=tuple(baseline or ()),
        network=None if baselines_only else network,
        against=tuple(against or ()),
        told=told or Told(),
        threads=threads,
        blind=blind,
        options=of_task(task, "degrade", task_options) if task else task_options or {},
        seed=seed,
    )
    with ExitStack() as stack:
        if cluster is None:
            keep_freed_memory()
            measured = evaluation.evaluate(request)
        else:
            from magn_cli.batch.cluster import ClusterSettings, measuring

            where = ClusterSettings(cluster, workers, threads or 1, device)
            place = stack.enter_context(measuring.OnCluster(where, needs_pixels=page is not None))
            measured = evaluation.evaluate(request, place)
        _check_apart(reports, measured)
        for name in measured.missing:
            console.say(f"{name} is not in {data}: skipped.")
        if measured.lacking is not None:
            console.complain(str(measured.lacking))
        if page is not None:
            page.prepare(measured)
            stack.enter_context(page)
        failed = _measure(measured, quiet, page)
        lost = _write(measured.results, outputs, overwrite)
        if page is not None:
            lost |= _write_page(page, measured)
    # Measuring may have taken hours: what a report does not hold is printed.
    if (lost or not quiet) and console.STANDARD_OUTPUT not in (*outputs.values(), html):
        _print(measured.results)
    if lost:
        raise typer.Exit(ImageError.exit_code)
    if measured.untried:
        console.complain(f"{measured.untried} pictures were not tried; run the same command again.")
    if measured.failures:
        console.fail(_incomplete(measured, failed), ImageError.exit_code)
    if measured.lacking is not None and not baseline and not against:
        raise typer.Exit(measured.lacking.exit_code)


def _told(
    white: float | None,
    axes: str | None,
    level: str | None,
    multiple: int | None,
    tile: int | None,
    overlap: int | None,
) -> Told | None:
    """Return what the user says of networks of others; None: nothing."""
    from magn_cli.inference.onnx import Told

    if all(value is None for value in (white, axes, level, multiple, tile, overlap)):
        return None
    return Told(value_range=white, axes=axes, level=level, multiple=multiple, tile=tile, overlap=overlap)


def _write_page(page: EvaluationPage, measured: Evaluation) -> bool:
    """Write the page; return whether that failed, which is told."""
    from magn_cli.report.settings import settings

    try:
        page.write(measured.results, settings(command(), measured))
    except MagnError as error:
        console.complain(str(error))
    except Exception as error:
        if console.debugging():
            raise
        console.complain(unexpected(error))
    else:
        return False
    return True


def _measure(measured: Evaluation, quiet: bool, page: EvaluationPage | None) -> list[str]:
    """Measure all pictures, and return the names of those with failures, which are told."""
    failed = dict[tuple[str, str], str]()
    with console.bar(quiet) as bar:
        line = bar.add_task("", total=measured.total)
        for picture in measured:
            bar.update(line, description=printable(picture.job.dataset), advance=1)
            for failure in picture.failures:
                failed[picture.job.dataset, picture.name] = picture.name
                console.complain(failure)
            if page is not None:
                page.add(picture)
    if not measured.results:
        console.fail("no picture could be measured.", ImageError.exit_code)
    return list(failed.values())


def _incomplete(measured: Evaluation, failed: list[str]) -> str:
    total = len({(job.dataset, pair.name) for job in measured.jobs for pair in job.pairs})
    more = f" and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
    names = f"{', '.join(failed[:SHOWN])}{more}"
    return f"{len(failed)} of {total} pictures failed ({names}); the means leave out what could not be measured."


def _print(results: list[MethodResult]) -> None:
    from magn_cli.evaluation.report import COLUMNS, cells, title

    for heading in dict.fromkeys(title(r.protocol, r.task) for r in results):
        shown = Table(title=heading, title_justify="left", box=None, pad_edge=False)
        lines = [cells(r) for r in results if title(r.protocol, r.task) == heading]
        used = [i for i in range(len(COLUMNS)) if any(line[i] for line in lines)]
        for i in used:
            shown.add_column(COLUMNS[i], no_wrap=True, justify="left" if i in (0, 2) else "right")
        for line in lines:
            shown.add_row(*(escape(line[i]) for i in used))
        console.print_wide(shown)


def _files(weights: str | None, degraded: Path | None) -> list[Path]:
    """Return the files beside pictures that may be read."""
    from magn_cli.degrade.manifest import NAME

    # A checkpoint on the Hub is no file here.
    return [*([Path(weights)] if weights else []), *([degraded / NAME] if degraded else [])]


def _check_apart(reports: dict[str, Path | None], measured: Evaluation) -> None:
    """Raise :class:`UsageError` where a report would replace a picture of the sets."""
    request = measured.request
    # Pictures without a partner are not among the files of the pairs.
    folders = [request.clean or request.data, request.degraded]
    pictures = [path for job in measured.jobs for pair in job.pairs for path in pair.files]
    sparing.check_apart(reports, [*folders, *pictures])


def _write(results: list[MethodResult], outputs: dict[str, Path | None], overwrite: bool) -> bool:
    """Write the reports and return whether one failed: that is told, and the others are written."""
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
    failed = False
    for kind, path in outputs.items():
        if path is not None:
            try:
                console.write_report(texts[kind], path, overwrite)
            except MagnError as error:
                failed = True
                console.complain(str(error))
    return failed
