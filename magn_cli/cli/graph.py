"""``magn graph``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from magn_cli.cli import console, options, sparing
from magn_cli.cli.task_options import of_task, with_task_options
from magn_cli.errors import ImageError, UsageError
from magn_cli.limits import check_range
from magn_cli.tasks import TASKS, get_task

PAGES = (".html", ".htm")


@with_task_options("restore")
@console.sentences
def graph(
    photo: Annotated[Path, typer.Argument(help="Picture to look into.", readable=False, show_default=False)],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="An HTML page to click through, or a picture of one node (png, jpg, webp, tif).",
            rich_help_panel=options.FILES,
            show_default=False,
        ),
    ],
    at: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y",
            help="Pixel whose window and node are shown, counted from 0,0 at the upper left of the photo as "
            "displayed. Default: the middle.",
            rich_help_panel=options.WORK,
            show_default=False,
        ),
    ] = None,
    task: Annotated[
        str,
        typer.Option(
            "--task",
            "-t",
            help=f"{', '.join(TASKS)}, or auto: the one that restore would choose.",
            rich_help_panel=options.WORK,
        ),
    ] = "auto",
    kind: Annotated[
        str | None,
        typer.Option(
            "--graph",
            help="pixel (nodes are single points of the network's grid) or patch (nodes are patches). "
            "Default: pixel. --level pixel and --level patch mean the same.",
            rich_help_panel=options.WORK,
            show_default=False,
        ),
    ] = None,
    block: Annotated[int, typer.Option(help="Graph block, from 1.", rich_help_panel=options.WORK)] = 1,
    convolution: Annotated[
        int, typer.Option(help="Graph convolution of the block: 1 or 2.", rich_help_panel=options.WORK)
    ] = 1,
    head: Annotated[
        int | None,
        typer.Option(
            help="Attention head, from 1. Default: the mean of all.",
            rich_help_panel=options.WORK,
            show_default=False,
        ),
    ] = None,
    level: options.Level = "auto",
    task_options: options.TaskOptions = None,
    preset: options.Preset = "magn-s",
    weights: options.Weights = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    html_limit: options.HtmlLimit = 25,
    overwrite: options.Overwrite = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show which parts of a photo the network connects: its graph, drawn on the photo.

    It shows one of the windows in which restore runs the graphs. An HTML page
    explains itself and shows all nodes, offline; a picture shows the one at --at.

    Examples:

      magn graph photo.jpg --at 640,360 --out graph.html

      magn graph photo.jpg --at 640,360 --graph patch --head 2 --out graph.png

      magn graph photo.jpg --task denoise --level 25 --out graph.html
    """
    console.show_log(verbose, quiet)
    check_range("--html-limit", html_limit, 0.1, options.MAX_HTML_LIMIT)
    kind, level = _graph_and_level(kind, level)
    from magn_cli import images
    from magn_cli.api.loading import AUTO, Loader
    from magn_cli.inference.auto import task_for
    from magn_cli.inference.graph_choice import GraphChoice, check_inside
    from magn_cli.inference.options import check_level

    wanted = check_level(None if task == AUTO else get_task(task), level)
    is_page = out.suffix.lower() in PAGES
    if not is_page and not images.is_supported_output(out):
        raise UsageError(f"invalid --out {out}: give a name such as graph.html or graph.png.")
    place = None if at is None else _place(at)
    loader = Loader(
        task,
        preset=preset,
        weights=weights,
        device=device,
        precision="fp32",
        threads=threads,
        options=of_task(task, "restore", task_options),
    )
    sparing.check_apart({"--out": out}, [photo], "the photo itself")
    console.check_report(out, overwrite)
    opened = images.read(photo, mosaics=loader.mosaics)
    known = None
    if task == AUTO:
        chosen = task_for(opened)
        if chosen.task is None:
            raise UsageError(
                f"{photo}: {chosen.found.how}, so there is no graph to show; choose a network with --task."
            )
        task, known = chosen.task, chosen.found
    choice = GraphChoice("patch" if kind == "patch" else "pixel", block, convolution, head)
    choice.check(loader.weights[task].about.config)
    if place is None:
        height, width = opened.pixels.shape[:2]
        place = width // 2, height // 2
    check_inside(str(photo), opened, place)
    from magn_cli.inference.graph_window import graph_window

    restorer = loader.load_task(task)
    with _naming(photo):
        window = graph_window(restorer, opened, place, wanted, known)
    from magn_cli.report.compare import with_profile
    from magn_cli.report.graph_page import graph_page
    from magn_cli.report.graph_still import still

    if is_page:
        console.write_report(
            graph_page(opened, photo.name, window, choice, html_limit), out, overwrite, opened.access
        )
    else:
        sheet = still(opened, photo.name, window, choice)
        images.write(out, sheet, with_profile(opened, sheet), overwrite=overwrite)
    if not quiet:
        console.say(f"{out}: {window.describe(choice)}")


@contextmanager
def _naming(photo: Path) -> Iterator[None]:
    """Name the file in errors about its picture, which know nothing of it."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{photo}: {error}") from error


def _graph_and_level(kind: str | None, level: str) -> tuple[str, str]:
    """Return the graph and the degradation level: ``--level`` takes both, as neither can be mistaken."""
    from magn_cli.inference.graph_choice import GRAPH_LEVELS

    if kind is not None:
        options.choice("--graph", kind, GRAPH_LEVELS)
    if level not in GRAPH_LEVELS:
        return kind or GRAPH_LEVELS[0], level
    if kind is not None and kind != level:
        raise UsageError(f"--graph {kind} and --level {level} contradict each other; give one of them.")
    return level, "auto"


def _place(given: str) -> tuple[int, int]:
    found = re.fullmatch(r"\s*(\d{1,9})\s*,\s*(\d{1,9})\s*", given, re.ASCII)
    if found is None:
        raise UsageError(f"invalid --at {given!r}: give two whole numbers X,Y, such as 640,360.")
    return int(found[1]), int(found[2])
