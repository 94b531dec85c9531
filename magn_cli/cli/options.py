"""Options that mean the same in every command."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from magn_cli.errors import UsageError, any_of
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

Task = Annotated[str, typer.Option(help=f"What to do: {NAMES}.", show_default=False)]
Preset = Annotated[str, typer.Option(help="Network: magn-s (small) or magn (the paper's).")]
Level = Annotated[
    str,
    typer.Option(help=f"How strong the degradation is: auto, unknown, or a number ({SCALES})."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Precision = Annotated[
    str, typer.Option(help="auto, fp32, bf16 or fp16; auto: bf16 where it is faster, else fp32.")
]
Threads = Annotated[int | None, typer.Option(help="CPU threads; all cores if not given.", show_default=False)]
Tile = Annotated[
    str,
    typer.Option(help="Pixels a side worked on at once: auto or a number. Decides memory, not the result."),
]
Compile = Annotated[bool, typer.Option("--compile", help="Let torch.compile write the kernels: an experiment.")]
Ensemble = Annotated[
    bool,
    typer.Option(
        "--ensemble", help="Mean over the picture turned and mirrored: a little better, 8 times as slow."
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        help="A .safetensors checkpoint of your own, or hf://user/repo/file.safetensors@revision.",
        show_default=False,
    ),
]
HtmlLimit = Annotated[float, typer.Option(min=0.1, help="Largest size of a page in megabytes.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Only errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Say more.")]


def quality(given: str) -> int | None:
    """Read a JPEG quality of 1 to 100, or ``like-input`` (None). Raises :class:`UsageError` for the rest."""
    if given == "like-input":
        return None
    if not given.isdecimal() or not 1 <= int(given) <= 100:
        raise UsageError(f"--quality {given} makes no sense; give a number from 1 to 100, or like-input.")
    return int(given)


def number(option: str, given: str) -> int | None:
    """Read ``auto`` (None) or a whole number above zero. Raises :class:`UsageError` for anything else."""
    if given == "auto":
        return None
    if not given.isdecimal() or int(given) < 1:
        raise UsageError(f"{option} {given} makes no sense; give auto or a number of pixels.")
    return int(given)
