"""``magn restore``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from magn_cli.cli import console, options, pipes, stopping
from magn_cli.cli.views.restore import RestoreView
from magn_cli.errors import UsageError, WeightsError
from magn_cli.version import __version__


@console.sentences
def restore(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Pictures, folders, patterns such as '*.jpg'; - is one picture from a pipe.", show_default=False
        ),
    ],
    task: Annotated[
        str, typer.Option(help="denoise, jpeg, demosaic, or auto: what each photo is seen to need, if anything.")
    ] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where the result goes: a file (png, jpg, webp, tif), a folder, or - for a pipe. "
            "Without it: <name>_restored.png beside the input.",
            show_default=False,
        ),
    ] = None,
    recursive: Annotated[
        bool, typer.Option("--recursive", help="Sub-folders, too; the output gets the same tree.")
    ] = False,
    suffix: Annotated[
        str | None,
        typer.Option(
            "--format", help="png, jpg, webp or tif, where --out does not name a file; png if not given."
        ),
    ] = None,
    level: options.Level = "auto",
    pattern: Annotated[
        str | None,
        typer.Option(
            help="Bayer pattern for demosaic: grbg, rggb, gbrg or bggr; from the file if it says, else grbg.",
            show_default=False,
        ),
    ] = None,
    strength: Annotated[float, typer.Option(help="Share of the change that is applied, 0 to 1.")] = 1.0,
    ensemble: options.Ensemble = False,
    preset: options.Preset = "magn-s",
    weights: options.Weights = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    threads: options.Threads = None,
    tile: options.Tile = "auto",
    compiled: options.Compile = False,
    max_pixels: Annotated[
        int | None,
        typer.Option(min=1, help="Refuse larger pictures; 500 million if not given.", show_default=False),
    ] = None,
    quality: Annotated[
        str | None,
        typer.Option(
            help="Of a JPEG output: 1 to 100, colour at full resolution (4:4:4); or like-input: the tables and "
            "subsampling of an input that is a JPEG; 95 if not given.",
            show_default=False,
        ),
    ] = None,
    strip_metadata: Annotated[
        bool,
        typer.Option(
            "--strip-metadata",
            help="Leave out EXIF, XMP, IPTC, resolution and the name of the software; the colour profile stays, "
            "as colours would change without it.",
        ),
    ] = False,
    compare: Annotated[
        Path | None,
        typer.Option(
            help="Show before and after: a page (.html) with a slider, or a picture (png, jpg, webp, tif); "
            "for a folder of photos a page, or a folder of pictures.",
            show_default=False,
        ),
    ] = None,
    html_limit: options.HtmlLimit = 25,
    on_error: Annotated[
        str, typer.Option(help="What a picture that fails does to those after it: continue or stop.")
    ] = "continue",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    log_json: Annotated[
        bool, typer.Option("--log-json", help="One JSON line an event on standard output.")
    ] = False,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Restore photos: single ones, whole folders, or one in a pipe.

    Profile, EXIF, alpha and bit depth are kept; nothing is overwritten unasked. The same command again goes on
    where an interrupted run has stopped.

    Examples:

      magn restore photo.jpg

      magn restore photo.jpg --task jpeg --out clean.png

      magn restore photos/ --task jpeg --recursive --out clean/

      magn restore shot.dng --task demosaic

      magn restore photo.jpg --task jpeg --compare compare.html

      curl https://example.org/photo.jpg | magn restore - --task jpeg > clean.png
    """
    console.show_log(verbose, quiet)
    if on_error not in ("continue", "stop"):
        raise UsageError(f"--on-error {on_error} makes no sense; give continue or stop.")
    from magn_cli import batch, images
    from magn_cli.api import load, load_auto
    from magn_cli.inference.auto import CHOICES, check_auto_level
    from magn_cli.inference.picture import check_level, check_strength
    from magn_cli.runtime.allocator import keep_freed_memory
    from magn_cli.tasks import get_task
    from magn_cli.tasks.demosaic import check_pattern

    if suffix is not None and suffix not in batch.FORMATS:
        raise UsageError(f"there is no format {suffix!r}; use one of {', '.join(batch.FORMATS)}.")
    if pattern and task != "demosaic":
        raise UsageError("--pattern is for mosaics; add --task demosaic, or leave it away.")
    chooses = task == "auto"
    wanted = check_auto_level(level) if chooses else check_level(get_task(task), level)
    check_strength(None if chooses else get_task(task), strength)
    own = {"pattern": check_pattern(pattern)} if task == "demosaic" and pattern else {}
    writing = images.WriteOptions(
        options.quality("95" if quality is None else quality), strip_metadata, copies=quality is None
    )
    network: batch.PhotoNetwork = (load_auto if chooses else partial(load, task))(
        preset=preset,
        weights=weights,
        device=device,
        precision=precision,
        threads=threads,
        tile=options.tile(tile),
        compiled=compiled,
        strength=strength,
        ensemble=ensemble,
        **own,
    )
    keep_freed_memory()
    settings = {
        "magn": __version__,
        "task": task,
        "weights": _digests(CHOICES if chooses else [task], preset, weights),
        "level": wanted,
        "strength": strength,
        "ensemble": ensemble,
        "precision": precision,
        "strip_metadata": strip_metadata,
        **({"quality": writing.jpeg_quality} if suffix == "jpg" else {}),
        **own,
    }
    with stopping.on_any_signal(), pipes.as_files(sources, out, suffix) as files:
        if files.writes_output and (log_json or dry_run):
            raise UsageError("standard output is for the picture here; leave --log-json and --dry-run away.")
        plan = batch.plan(
            files.sources,
            files.out,
            settings=settings,
            recursive=recursive,
            mosaics="too" if chooses else "only" if task == "demosaic" else "no",
            suffix=None if files.writes_output else suffix,
            overwrite=overwrite,
        )
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
        view = RestoreView(plan, quiet, log_json, files.hidden, compared)
        console.show_log(verbose, quiet, view.tell)
        if dry_run:
            raise typer.Exit(view.preview())
        plan.check()
        with compared or nullcontext(), view:
            try:
                untried = batch.run(
                    plan,
                    network,
                    wanted,
                    view,
                    max_pixels=max_pixels,
                    options=writing,
                    stop_on_error=on_error == "stop",
                )
                if compared is not None:
                    compared.write()
            except KeyboardInterrupt:
                raise typer.Exit(view.interrupted()) from None
        code = view.finish(untried)
    if code:
        raise typer.Exit(code)


def _digests(tasks: Sequence[str], preset: str, weights: str | None) -> str:
    """Return the sha256 of the weights that will be used, one for each task. Raises :class:`WeightsError`."""
    from magn_cli.weights.resolve import locate

    return " ".join(_digest(locate(task, preset, weights)) for task in tasks)


def _digest(path: Path) -> str:
    from magn_cli.files import checksum

    try:
        return checksum.of(path)
    except OSError as error:
        raise WeightsError(f"the weights {path} cannot be read ({error.strerror}); check the path.") from error
