"""``magn export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from magn_cli.cli import console, options, sparing
from magn_cli.errors import ImageError, UsageError
from magn_cli.files import atomic

if TYPE_CHECKING:
    from magn_cli.export import Exported

FORMATS = ("onnx", "darktable")
ONNX = ".onnx"


@console.sentences
def export(
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Name of the file. Default: PRESET-TASK.onnx, or the name of the network with .dtmodel.",
            rich_help_panel=options.FILES,
            show_default=False,
        ),
    ] = None,
    overwrite: options.Overwrite = False,
    task: options.AnyTask = None,
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help="onnx, or darktable: a package for its neural restore.",
            rich_help_panel=options.WORK,
        ),
    ] = "onnx",
    level: Annotated[
        str | None,
        typer.Option(
            "--level",
            "-l",
            help="Level to build in: a number, or unknown if the network was trained for that; or input, to give "
            "it with each picture. Default: input, for darktable unknown.",
            rich_help_panel=options.WORK,
            show_default=False,
        ),
    ] = None,
    preset: options.Preset = "magn-s",
    weights: options.Weights = None,
    opset: Annotated[
        int, typer.Option(help="Version of ONNX's operators, 17 to 22.", rich_help_panel=options.WORK)
    ] = 17,
    no_check: Annotated[
        bool,
        typer.Option("--no-check", help="Do not compare the result with torch.", rich_help_panel=options.WORK),
    ] = False,
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Export a network for other programs, as ONNX or for darktable.

    The network takes pictures of any size and computes what magn restore
    computes. magn compares it with torch before it writes the file. Needs the
    extra export: pip install 'magn-cli\\[export]'.

    Examples:

      magn export --task denoise

      magn export --task denoise --level 25 --out sigma25.onnx

      magn export --task denoise --level 10 --format darktable
    """
    console.show_log(verbose, quiet)
    from magn_cli.export import darktable, exporting
    from magn_cli.export.settings import ExportSettings, built_in
    from magn_cli.runtime.extras import check_extra
    from magn_cli.tasks import get_task
    from magn_cli.weights.resolve import resolve

    if task is None:
        raise UsageError(f"the task is unknown: give --task {options.NAMES}.")
    get_task(task)
    options.choice("--format", format_, FORMATS)
    packed = format_ == "darktable"
    wanted = built_in(task, level or ("unknown" if packed else "input"))
    if packed:
        darktable.slot(task)
        if wanted == "input":
            raise UsageError("darktable gives networks no level: give --level unknown or a number.")
    settings = ExportSettings(opset=opset, level=wanted, check=not no_check, threads=threads)
    check_extra("magn export", "export", "onnx", "onnxruntime")
    found = resolve(task, preset, weights)
    if packed:
        target = out or Path(f"{darktable.default_name(task, found.about.preset)}{darktable.SUFFIX}")
        darktable.check_name(target.stem)
    else:
        target = out or Path(f"{found.about.preset}-{task}{ONNX}")
    if target == console.STANDARD_OUTPUT:
        raise UsageError("a network cannot go to standard output: give --out the name of a file.")
    console.check_report(target, overwrite)
    sparing.check_apart({"--out": target}, [found.path], "the checkpoint itself")
    who, suffix = ("darktable knows packages", darktable.SUFFIX) if packed else ("programs know networks", ONNX)
    if target.suffix != suffix:
        raise UsageError(f"{who} by their suffix: end {target.name} in {suffix}.")
    if level is None and found.about.scale is None:
        settings = ExportSettings(opset=opset, check=not no_check, threads=threads)
    exported = exporting.export(found, settings)
    data = darktable.package(exported, target.stem) if packed else exported.data
    try:
        atomic.write_bytes(target, data, overwrite=overwrite)
    except OSError as error:
        raise ImageError(f"{target} cannot be written ({error.strerror}); give another name.") from error
    console.answer(str(target))
    if not quiet:
        console.say(_summary(exported, len(data)))


def _summary(exported: Exported, size: int) -> str:
    words = f"{exported.weights.name}, {size / 1e6:.1f} MB, opset {exported.settings.opset}"
    if exported.comparison is None:
        return f"{words}, not compared with torch"
    count = len(exported.comparison.sizes)
    return f"{words}, differs from torch by at most {exported.comparison.difference:.0e} ({count} sizes compared)"
