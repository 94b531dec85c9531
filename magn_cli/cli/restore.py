"""``magn restore``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from magn_cli.cli import console, options
from magn_cli.errors import ImageError, UsageError

if TYPE_CHECKING:
    from magn_cli.restoration.batch import Done


@console.sentences
def restore(
    source: Annotated[Path, typer.Argument(help="A picture, or a folder of pictures.", show_default=False)],
    task: options.Task,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where the result goes: a file (png, jpg, webp, tif), or a folder. "
            "Without it: <name>_restored.png beside the input.",
            show_default=False,
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
        str,
        typer.Option(
            help="Of a JPEG output: 1 to 100, colour at full resolution (4:4:4); or like-input: the tables and "
            "subsampling of an input that is a JPEG."
        ),
    ] = "95",
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
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Restore a photo, or each photo of a folder.

    Profile, EXIF, alpha and bit depth are kept; nothing is overwritten unasked.

    Examples:

      magn restore photo.jpg --task jpeg --out clean.png

      magn restore photos/ --task jpeg --out clean/

      magn restore shot.dng --task demosaic

      magn restore photo.jpg --task jpeg --compare compare.html
    """
    console.show_log(verbose, quiet)
    from magn_cli import images
    from magn_cli.allocator import keep_freed_memory
    from magn_cli.api import load
    from magn_cli.report.compare import comparison
    from magn_cli.restoration import batch
    from magn_cli.restoration.picture import check_level, check_strength
    from magn_cli.tasks import get_task
    from magn_cli.tasks.demosaic import check_pattern

    wanted = check_level(get_task(task), level)
    check_strength(get_task(task), strength)
    own = {"pattern": check_pattern(pattern)} if task == "demosaic" and pattern else {}
    writing = images.WriteOptions(options.quality(quality), strip_metadata)
    jobs = batch.plan(source, out, overwrite, mosaics=get_task(task).mosaics)
    compared = comparison(
        compare,
        [job.source.name for job in jobs],
        taken=[path for job in jobs for path in (job.source, job.target)],
        overwrite=overwrite,
        limit=html_limit,
    )
    restorer = load(
        task,
        preset=preset,
        weights=weights,
        device=device,
        precision=precision,
        threads=threads,
        tile=options.number("--tile", tile),
        compiled=compiled,
        strength=strength,
        ensemble=ensemble,
        **own,
    )
    keep_freed_memory()
    batch.make_folders(jobs)
    failed = 0
    with compared, _bar(quiet) as bar:
        line = bar.add_task(jobs[0].source.name, total=len(jobs))
        for done, job in enumerate(jobs):
            bar.update(line, description=job.source.name, completed=done)
            try:
                advance = partial(_advance, bar, line, done)
                before = None
                if compare is not None:
                    before = images.read(job.source, max_pixels, mosaics=restorer.mosaics)
                result = batch.restore_file(job, restorer, wanted, overwrite, max_pixels, advance, writing)
                if before is not None:
                    told = _sentence(result).removeprefix(f"{job.source.name}: ")
                    compared.add(job.source.name, before, result.restored.pixels, told)
            except (ImageError, UsageError) as error:
                failed += 1
                console.complain(str(error))
            else:
                if not quiet:
                    console.say(_sentence(result))
        compared.write()
    if failed and len(jobs) > 1:
        console.complain(f"{failed} of {len(jobs)} pictures could not be restored.")
    if failed:
        raise typer.Exit(ImageError.exit_code)


def _advance(bar: Progress, line: TaskID, before: int, share: float) -> None:
    bar.update(line, completed=before + share)


def _bar(quiet: bool) -> Progress:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    visible = console.messages.is_terminal and not quiet
    return Progress(*columns, console=console.messages, transient=True, disable=not visible)


def _sentence(done: Done) -> str:
    restored = done.restored
    level = "" if restored.scale is None else f"{restored.told()}, "
    return (
        f"{done.job.source.name}: {level}{done.megapixels:.1f} megapixels in {done.seconds:.1f} s, "
        f"in {done.job.target}"
    )
