"""``magn compare``."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from magn_cli.cli import console, options, sparing
from magn_cli.errors import ImageError, UsageError
from magn_cli.files import printable
from magn_cli.limits import check_range


@console.sentences
def compare(
    a: Annotated[
        Path, typer.Argument(metavar="A", help="A picture or a folder.", readable=False, show_default=False)
    ],
    b: Annotated[
        Path,
        typer.Argument(
            metavar="B",
            help="Another version of it. Pictures of folders are matched by relative path without suffix.",
            readable=False,
            show_default=False,
        ),
    ],
    reference: Annotated[
        str | None,
        typer.Option(
            help="Measure PSNR and SSIM against A, B, or a third picture or folder.",
            rich_help_panel=options.WORK,
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="HTML page to write.", rich_help_panel=options.FILES),
    ] = Path("compare.html"),
    recursive: Annotated[
        bool,
        typer.Option("--recursive", "-r", help="Include sub-folders.", rich_help_panel=options.FILES),
    ] = False,
    overwrite: options.Overwrite = False,
    html_limit: options.HtmlLimit = 25,
    json: options.Json = None,
    quiet: options.Quiet = False,
    verbose: Annotated[bool, options.verbose("which files are compared")] = False,
) -> None:
    """Compare two versions of a picture, or of a folder, on one page with a slider.

    The page is a single file and works offline. With --reference, magn measures
    PSNR and SSIM of both, rounded to 8 bit, with a Gaussian window.

    Examples:

      magn compare photo.jpg photo_restored.png

      magn compare mine/ theirs/ --reference originals/ -o both.html
    """
    console.show_log(verbose, quiet)
    check_range("--html-limit", html_limit, 0.1, options.MAX_HTML_LIMIT)
    if out.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"invalid --out {out}: give a page a name such as compare.html.")
    console.check_reports({"--out": out, "--json": json}, overwrite)
    from magn_cli.evaluation.comparing import comparison
    from magn_cli.report.two import TwoPage

    compared = comparison(a, b, reference, recursive)
    pictures = [path for _, paths in compared.names for path in paths]
    sparing.check_apart({"--out": out, "--json": json}, [*pictures, *(side.path for side in compared.sides)])
    with TwoPage(compared.sides, compared.reference) as page, console.bar(quiet) as bar:
        line = bar.add_task("", total=len(compared.names))
        for picture in compared:
            bar.update(line, description=printable(picture.name), advance=1)
            page.add(picture)
        for failure in compared.failures:
            console.complain(failure)
        if not compared.results:
            raise typer.Exit(ImageError.exit_code)
        console.write_report(page.draw(html_limit), out, overwrite, page.access)
    if json is not None:
        console.write_report(json_module.dumps(compared.as_document(), indent=1) + "\n", json, overwrite)
    if not quiet and compared.reference is not None and json != console.STANDARD_OUTPUT:
        from magn_cli.cli.views.compare import show

        show(compared)
    if not quiet:
        console.say(f"{len(compared.results)} compared, in {out}.")
    if compared.failures:
        raise typer.Exit(ImageError.exit_code)
