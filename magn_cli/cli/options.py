"""Options that mean the same in every command, and the panels of the help pages."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from magn_cli.errors import UsageError, any_of
from magn_cli.files import named
from magn_cli.limits import MAX_CLUSTER_WORKERS, MAX_TILE, MIN_TILE, check_range
from magn_cli.runtime.device import check_device as check_known_device
from magn_cli.tasks import TASKS

NAMES = any_of(TASKS)
"""Of all tasks, in words."""

SCALES = ", ".join(
    f"{task.scale.name} {task.scale.low:g}-{task.scale.high:g} for {task.name}"
    for task in TASKS.values()
    if task.scale is not None
)
"""The levels of all tasks that have one, in words."""

BASELINES = ", ".join(f"{' or '.join(task.baselines)} ({task.name})" for task in TASKS.values() if task.baselines)
"""All baselines, in words."""

TaskOptions = dict[str, Any] | None
"""What :func:`with_task_options` fills."""

FILES = "Input and output"
WORK = "What to do"
SPEED = "Speed and memory"
REPORTS = "Reports and logging"
OTHERS = "Networks of others"


@dataclass(frozen=True)
class Output:
    """Where results go."""

    path: Path
    is_folder: bool
    """The name ends in a slash, so it is a folder even if there is none yet."""


def output(text: str) -> Output:
    """Return what a word of the command line means as an output."""
    return Output(named(text), text.endswith(("/", os.sep)))


MAX_HTML_LIMIT = 1000.0
MAX_PIXELS = 100_000_000_000

Task = Annotated[
    str,
    typer.Option("--task", "-t", help=f"{NAMES}.", rich_help_panel=WORK, show_default=False),
]
AnyTask = Annotated[
    str | None,
    typer.Option("--task", "-t", help=f"{NAMES}.", rich_help_panel=WORK, show_default=False),
]
Preset = Annotated[
    str, typer.Option(help="Name of the network in the registry, see magn weights list.", rich_help_panel=WORK)
]
Level = Annotated[
    str,
    typer.Option(
        "--level",
        "-l",
        help="Level of the degradation: auto (found in each photo); with --task, also unknown or a number "
        f"({SCALES}).",
        rich_help_panel=WORK,
    ),
]
Levels = Annotated[
    str | None,
    typer.Option(
        "--level",
        "-l",
        help=f"One or more levels, separated by commas: {SCALES}.",
        rich_help_panel=WORK,
        show_default=False,
    ),
]
Ensemble = Annotated[
    bool,
    typer.Option(
        "--ensemble",
        help="Average over the eight rotations and reflections: slightly better, 8 times slower.",
        rich_help_panel=WORK,
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        help="Your own checkpoint, for one --task: a .safetensors file, or hf://user/repo/file.safetensors@revision.",
        rich_help_panel=WORK,
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of the noise.", rich_help_panel=WORK)]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.", rich_help_panel=FILES)]

Device = Annotated[
    str, typer.Option(help="auto (a GPU if there is one), cpu, cuda, cuda:N or mps.", rich_help_panel=SPEED)
]
Precision = Annotated[
    str,
    typer.Option(
        help="auto, fp32, bf16 or fp16. auto picks bf16 where it is faster, else fp32.", rich_help_panel=SPEED
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        help="CPU threads. Default: all cores; one for pictures up to 128 x 128 and for workers of a cluster.",
        rich_help_panel=SPEED,
        show_default=False,
    ),
]
Tile = Annotated[
    str,
    typer.Option(
        help="Tile size in pixels: auto or a number. Affects memory and speed, and at most the last bits of the "
        "output.",
        rich_help_panel=SPEED,
    ),
]
Compile = Annotated[
    bool, typer.Option("--compile", help="Use torch.compile (experimental).", rich_help_panel=SPEED)
]

MaxPixels = Annotated[
    int | None,
    typer.Option(
        help="Refuse pictures with more pixels. Default: 500 million.",
        rich_help_panel=SPEED,
        show_default=False,
    ),
]

Cluster = Annotated[
    str | None,
    typer.Option(
        help="Run on a Ray cluster: auto (the one this machine belongs to), local (a new one on this machine), or "
        "host:port. One worker for each GPU or core.",
        rich_help_panel=SPEED,
        show_default=False,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Workers on the cluster. Default: as many as there is room for.",
        rich_help_panel=SPEED,
        show_default=False,
    ),
]

Json = Annotated[
    Path | None,
    typer.Option(
        help="Write results as JSON to a file, or to standard output with -.",
        rich_help_panel=REPORTS,
        show_default=False,
    ),
]
LogJson = Annotated[
    bool,
    typer.Option("--log-json", help="Print one JSON line per event to standard output.", rich_help_panel=REPORTS),
]
HtmlLimit = Annotated[float, typer.Option(help="Maximum size of an HTML page, in MB.", rich_help_panel=REPORTS)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.", rich_help_panel=REPORTS)]


def verbose(what: str) -> Any:
    """Return the option ``--verbose`` of a command that tells ``what``."""
    return typer.Option("--verbose", "-v", help=f"Verbose output: {what}.", rich_help_panel=REPORTS)


Verbose = Annotated[bool, verbose("which weights, tiles and settings are used")]


def check_cluster(
    address: str, workers: int | None, device: str = "cpu", is_pipe: bool = False, compares: bool = False
) -> None:
    """Raise :class:`UsageError` where ``--cluster`` is wrong or does not go with other options."""
    from magn_cli.batch.cluster import check_address, check_device

    check_address(address)
    if workers is not None:
        check_range("--workers", workers, 1, MAX_CLUSTER_WORKERS)
    check_device(check_known_device(device))
    if is_pipe:
        raise UsageError("a picture in a pipe stays on this machine: omit --cluster.")
    if compares:
        raise UsageError("--compare needs the pictures on this machine: omit it, and run magn compare afterwards.")


def check_workers(address: str | None, workers: int | None, device: str, **more: bool) -> None:
    """Raise as :func:`check_cluster`; :class:`UsageError` also for ``--workers`` without a cluster."""
    if address is not None:
        check_cluster(address, workers, device, **more)
    elif workers is not None:
        raise UsageError("--workers is for --cluster: omit it, or give both.")


def max_pixels(given: int | None) -> int | None:
    """Return a number of pixels, or raise :class:`UsageError` where it is out of range."""
    if given is not None:
        check_range("--max-pixels", given, 1, MAX_PIXELS)
    return given


def quality(given: str) -> int | None:
    """Read a JPEG quality of 1 to 100, or ``like-input`` (None). Raises :class:`UsageError` for the rest."""
    if given == "like-input":
        return None
    if not _is_number(given, 1, 100):
        raise UsageError(f"invalid --quality {given!r}: give a number from 1 to 100, or like-input.")
    return int(given)


def tile(given: str) -> int | None:
    """Read ``auto`` (None) or a number of pixels. Raises :class:`UsageError` for anything else."""
    if given == "auto":
        return None
    if not _is_number(given, MIN_TILE, MAX_TILE):
        raise UsageError(
            f"invalid --tile {given!r}: give auto or a number of pixels from {MIN_TILE} to {MAX_TILE}."
        )
    return int(given)


def choice(option: str, given: str, known: tuple[str, ...]) -> str:
    """Return ``given``, or raise :class:`UsageError` where it is none of ``known``."""
    if given not in known:
        raise UsageError(f"invalid {option} {given!r}: choose {any_of(known)}.")
    return given


def _is_number(given: str, low: int, high: int) -> bool:
    # Python refuses to read numbers of thousands of digits.
    return given.isascii() and given.isdecimal() and len(given) <= 10 and low <= int(given) <= high
