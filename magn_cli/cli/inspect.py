"""``magn inspect``."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from magn_cli.cli import console, options, pipes, sparing
from magn_cli.cli.views.inspect import SORTS, InspectView
from magn_cli.errors import ImageError, any_of
from magn_cli.files import printable


@console.sentences
def inspect(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Pictures, folders, or patterns such as '*.jpg'. - reads one picture from a pipe.",
            metavar="PHOTO...",
            # One that is closed to the user is a failure among the others.
            readable=False,
            show_default=False,
        ),
    ],
    recursive: Annotated[
        bool,
        typer.Option("--recursive", "-r", help="Include sub-folders.", rich_help_panel=options.FILES),
    ] = False,
    overwrite: options.Overwrite = False,
    sort: Annotated[
        str,
        typer.Option(
            help=f"Sort the table of several photos by {any_of(SORTS)}: numbers from high to low.",
            rich_help_panel=options.REPORTS,
        ),
    ] = "name",
    reverse: Annotated[
        bool, typer.Option("--reverse", help="Sort the other way round.", rich_help_panel=options.REPORTS)
    ] = False,
    max_pixels: options.MaxPixels = None,
    json: options.Json = None,
    quiet: options.Quiet = False,
    verbose: Annotated[bool, options.verbose("also which results of earlier runs are left alone")] = False,
) -> None:
    """Show what is in photos, and what magn restore would do with them and why.

    One photo gets a panel, several get a table. Nothing is restored. If a file is
    broken, magn says what is wrong with it, continues, and exits with code 1 at
    the end.

    Examples:

      magn inspect photo.jpg

      magn inspect photos/ -r --sort noise

      magn inspect photos/ --json photos.json
    """
    console.show_log(verbose, quiet)
    options.choice("--sort", sort, tuple(SORTS))
    options.max_pixels(max_pixels)
    if json is not None:
        console.check_report(json, overwrite)
    from magn_cli import batch, inspection

    ends = pipes.ends(sources, Path(), None)
    found = batch.find(ends.sources, None, recursive, "too", ends.store)
    sparing.check_apart({"--json": json}, [*ends.sources, *(picture.path for picture in found.pictures)])
    view = InspectView(found.is_one_file, sort, reverse)
    for path, error in found.failures:
        is_there = ends.store.is_taken(path)
        view.add(inspection.BrokenFile(path, str(error), kind="unusable" if is_there else "missing"))
    with console.bar(quiet) as bar:
        line = bar.add_task("", total=len(found.pictures))
        for picture in found.pictures:
            bar.update(line, description=printable(picture.path.name))
            view.add(inspection.inspect_file(picture.path, max_pixels=max_pixels, store=ends.store))
            bar.update(line, advance=1)
    if json is not None:
        console.write_report(json_module.dumps(view.document(), indent=1) + "\n", json, overwrite, view.access)
    if not quiet and json != console.STANDARD_OUTPUT:
        view.show()
    if view.finish(quiet):
        raise typer.Exit(ImageError.exit_code)
