"""``magn restore``."""

from __future__ import annotations

import logging
from contextlib import ExitStack, nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from magn_cli.cli import console, options, pipes, stopping
from magn_cli.cli.task_options import of_task, with_task_options
from magn_cli.cli.views.restore import RestoreView
from magn_cli.errors import UsageError
from magn_cli.files import named
from magn_cli.limits import check_range
from magn_cli.tasks import TASKS, get_task
from magn_cli.version import __version__

log = logging.getLogger(__name__)


@with_task_options("restore")
@console.sentences
def restore(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Pictures, folders, or patterns such as '*.jpg', on this machine or elsewhere (s3://, gs://, "
            "az://, sftp://, https://). - reads one picture from a pipe.",
            parser=named,
            show_default=False,
        ),
    ],
    task: Annotated[
        str,
        typer.Option(
            "--task",
            "-t",
            help=f"{', '.join(TASKS)}, or auto: whatever each photo needs, if anything.",
            rich_help_panel=options.WORK,
        ),
    ] = "auto",
    out: Annotated[
        options.Output | None,
        typer.Option(
            "--out",
            "-o",
            help="Output file (png, jpg, webp, tif), folder, or - for a pipe; may be a URL. Default: "
            "<name>_restored beside the input, as PNG or in --format.",
            parser=options.output,
            metavar="PATH",
            rich_help_panel=options.FILES,
            show_default=False,
        ),
    ] = None,
    recursive: Annotated[
        bool,
        typer.Option(
            "--recursive",
            "-r",
            help="Include sub-folders. The output keeps the same tree.",
            rich_help_panel=options.FILES,
        ),
    ] = False,
    suffix: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Output format, unless --out names a file: png, jpg, webp or tif. Default: png.",
            rich_help_panel=options.FILES,
            show_default=False,
        ),
    ] = None,
    level: options.Level = "auto",
    task_options: options.TaskOptions = None,
    strength: Annotated[
        float,
        typer.Option(help="Fraction of the network's change to apply, 0 to 1.", rich_help_panel=options.WORK),
    ] = 1.0,
    ensemble: options.Ensemble = False,
    preset: options.Preset = "magn-s",
    weights: options.Weights = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    threads: options.Threads = None,
    tile: options.Tile = "auto",
    compiled: options.Compile = False,
    max_pixels: options.MaxPixels = None,
    cluster: options.Cluster = None,
    workers: options.Workers = None,
    quality: Annotated[
        str | None,
        typer.Option(
            help="JPEG output quality: 1 to 100 (chroma 4:4:4), or like-input for the quantization tables and "
            "subsampling of a JPEG input (95 for other inputs). Default: 95.",
            rich_help_panel=options.FILES,
            show_default=False,
        ),
    ] = None,
    strip_metadata: Annotated[
        bool,
        typer.Option(
            "--strip-metadata",
            help="Omit EXIF, XMP, IPTC, resolution and software name. The colour profile stays, because colours "
            "would change without it.",
            rich_help_panel=options.FILES,
        ),
    ] = False,
    compare: Annotated[
        Path | None,
        typer.Option(
            help="Show before and after: an HTML page with a slider, or a picture (png, jpg, webp, tif). For "
            "several photos: a page, or a folder of pictures.",
            rich_help_panel=options.REPORTS,
            show_default=False,
        ),
    ] = None,
    html_limit: options.HtmlLimit = 25,
    on_error: Annotated[
        str, typer.Option(help="After a failure: continue or stop.", rich_help_panel=options.WORK)
    ] = "continue",
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Show what would be done, without doing it.", rich_help_panel=options.REPORTS
        ),
    ] = False,
    log_json: options.LogJson = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Restore photos: single files, whole folders, or one photo in a pipe.

    Keeps colour profile, EXIF, transparency and bit depth, and overwrites nothing
    unless asked to. Run the same command again to resume an interrupted run.

    Examples:

      magn restore photo.jpg

      magn restore photo.jpg -t jpeg -o clean.png

      magn restore photos/ -t jpeg -r -o clean/

      magn restore noisy.png -t denoise -l 25

      magn restore shot.dng -t demosaic

      magn restore photo.jpg --compare compare.html

      magn restore s3://bucket/photos -r -o s3://bucket/clean

      magn restore photos/ -t jpeg -o clean/ --cluster local

      curl https://example.org/photo.jpg | magn restore - > clean.png
    """
    console.show_log(verbose, quiet)
    if on_error not in ("continue", "stop"):
        raise UsageError(f"invalid --on-error {on_error!r}: choose continue or stop.")
    check_range("--html-limit", html_limit, 0.1, options.MAX_HTML_LIMIT)
    options.max_pixels(max_pixels)
    target = None if out is None else out.path
    is_pipe = pipes.PIPE in (*sources, target)
    options.check_workers(cluster, workers, device, is_pipe=is_pipe, compares=compare is not None)
    from magn_cli import batch, images
    from magn_cli.api.loading import AUTO, Loader
    from magn_cli.inference.options import check_level
    from magn_cli.runtime.allocator import keep_freed_memory

    batch.check_format(suffix)
    wanted = check_level(None if task == AUTO else get_task(task), level)
    own = of_task(task, "restore", task_options)
    writing = images.WriteOptions(
        options.quality("95" if quality is None else quality), strip_metadata, copies=quality is None
    )
    with_settings = partial(
        Loader,
        task,
        preset=preset,
        weights=weights,
        precision=precision,
        tile=options.tile(tile),
        compile=compiled,
        strength=strength,
        ensemble=ensemble,
        options=own,
    )
    loader = with_settings(device=device, threads=threads)
    settings = {
        "magn": __version__,
        "task": task,
        "weights": " ".join(found.sha256 for found in loader.weights.values()),
        "level": wanted,
        "strength": strength,
        "ensemble": ensemble,
        "precision": precision,
        "strip_metadata": strip_metadata,
        **({"quality": writing.jpeg_quality} if suffix == "jpg" else {}),
        **own,
    }
    with stopping.on_any_signal():
        ends = pipes.ends(sources, target, suffix)
        if ends.output is not None and (log_json or dry_run):
            raise UsageError("the picture goes to standard output: omit --log-json and --dry-run.")
        plan = batch.plan(
            ends.sources,
            ends.out,
            out_is_folder=out is not None and out.is_folder,
            settings=settings,
            recursive=recursive,
            mosaics="too" if task == AUTO else "only" if loader.mosaics else "no",
            suffix=None if ends.output is not None else suffix,
            overwrite=overwrite,
            store=ends.store,
        )
        if quality is not None and plan.jobs and images.output_format(plan.jobs[0].target) != "JPEG":
            log.warning("--quality is for JPEG outputs and changes nothing here; add --format jpg.")
        compared = None
        if compare is not None:
            from magn_cli.report.compare import comparison

            compared = comparison(
                compare,
                [job.name for job in plan.jobs],
                taken=[path for job in plan.jobs for path in (job.source, job.target)],
                overwrite=overwrite,
                limit=html_limit,
            )
        view = RestoreView(plan, quiet, log_json, compared)
        console.show_log(verbose, quiet, view.tell)
        if dry_run:
            raise typer.Exit(view.preview())
        plan.check()
        run: batch.RunPlan
        with console.needing_the_reader(), ExitStack() as stack:
            if cluster is None:
                keep_freed_memory()
                network = loader.load()
                run = partial(
                    batch.run, plan, network, wanted, max_pixels=max_pixels, options=writing, lanes=loader.lanes()
                )
            else:
                from magn_cli.batch.cluster import ClusterSettings, started

                where = ClusterSettings(cluster, workers, threads or 1, device)
                hashes = {name: found.sha256 for name, found in loader.weights.items()}
                run = stack.enter_context(
                    started(plan, where, with_settings, hashes, wanted, max_pixels=max_pixels, options=writing)
                )
            stack.enter_context(compared or nullcontext())
            stack.enter_context(view)
            try:
                untried = run(report=view, stop_on_error=on_error == "stop")
                if compared is not None:
                    compared.write()
            except KeyboardInterrupt:
                raise typer.Exit(view.interrupted()) from None
        code = view.finish(untried)
        ends.send()
    if code:
        raise typer.Exit(code)
