"""``magn train``."""

from __future__ import annotations

import logging
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from magn_cli.cli import console, options, stopping
from magn_cli.cli.views.training import TrainingView
from magn_cli.training.options import TrainingOptions

DEFAULTS = TrainingOptions()

NETWORK = "Network"
OPTIMIZATION = "Optimization"
RUN = "Length and saving"


def _setting(name: str, text: str, panel: str) -> Any:
    """An option that overrides a setting of the recipe; its default is the setting's."""
    return typer.Option(help=text, show_default=str(getattr(DEFAULTS, name)), rich_help_panel=panel)


def _folders(text: str) -> Any:
    return typer.Option(help=text, rich_help_panel=options.FILES, show_default=False)


@console.sentences
def train(
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Folder for state, log and checkpoints.",
            rich_help_panel=options.FILES,
            show_default=False,
        ),
    ],
    data: Annotated[list[Path] | None, _folders("Folder of clean photographs. Repeatable.")] = None,
    validate: Annotated[
        list[Path] | None,
        _folders("Folder of photographs to validate on. Default: one in 32 of --data is held out."),
    ] = None,
    exclude: Annotated[
        list[Path] | None, _folders("Folder of test pictures to keep out of the training data. Repeatable.")
    ] = None,
    config: Annotated[
        list[Path] | None,
        _folders(
            "TOML file with these and more settings (see recipes/example.toml). Repeatable: later files and "
            "options win."
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the decoded photographs.", rich_help_panel=options.FILES, show_default="OUT/cache"
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue the run in --out.", rich_help_panel=options.FILES),
    ] = False,
    task: options.AnyTask = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Network: magn-s (small) or magn (the paper's).", rich_help_panel=NETWORK, show_default="magn-s"
        ),
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(help="Checkpoint to start from.", rich_help_panel=NETWORK, show_default=False),
    ] = None,
    level_channel: Annotated[
        bool | None,
        typer.Option(
            "--level-channel/--no-level-channel",
            help="Tell the network the level, if the task has one (not in the paper).",
            rich_help_panel=NETWORK,
            show_default="level-channel",
        ),
    ] = None,
    normalized_scores: Annotated[
        bool | None,
        typer.Option(
            "--normalized-scores/--no-normalized-scores",
            help="Normalize queries and keys, which keeps training stable (not in the paper).",
            rich_help_panel=NETWORK,
            show_default="normalized-scores",
        ),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            help="Licence of the weights, stored in the checkpoint.", rich_help_panel=NETWORK, show_default=False
        ),
    ] = None,
    max_steps: Annotated[int | None, _setting("max_steps", "Number of optimizer steps.", RUN)] = None,
    max_minutes: Annotated[
        float | None,
        typer.Option(help="Training time, instead of --max-steps.", rich_help_panel=RUN, show_default=False),
    ] = None,
    save_every: Annotated[int | None, _setting("save_every", "Save the state every so many steps.", RUN)] = None,
    validate_every: Annotated[int | None, _setting("validate_every", "Validate every so many steps.", RUN)] = None,
    batch: Annotated[int | None, _setting("batch", "Crops per step, over all processes.", OPTIMIZATION)] = None,
    accumulate: Annotated[
        int | None,
        _setting("accumulate", "Split each step into so many parts, to save memory.", OPTIMIZATION),
    ] = None,
    optimizer: Annotated[
        str | None, _setting("optimizer", "muon, adamw, or adam (the paper's).", OPTIMIZATION)
    ] = None,
    learning_rate: Annotated[
        float | None, _setting("learning_rate", "Learning rate after the warm-up.", OPTIMIZATION)
    ] = None,
    loss: Annotated[str | None, _setting("loss", "mse (the paper's), balanced or psnr.", OPTIMIZATION)] = None,
    seed: Annotated[
        int | None, _setting("seed", "Seed of the initial weights and the training pairs.", OPTIMIZATION)
    ] = None,
    device: options.Device = "auto",
    precision: Annotated[str | None, _setting("precision", "auto, fp32, bf16 or fp16.", options.SPEED)] = None,
    threads: options.Threads = None,
    workers: Annotated[
        int | None,
        _setting("workers", "Processes that prepare data, at most 64. -1 chooses a number.", options.SPEED),
    ] = None,
    compile_: Annotated[
        bool | None,
        typer.Option(
            "--compile/--no-compile",
            help="Use torch.compile.",
            rich_help_panel=options.SPEED,
            show_default="no-compile",
        ),
    ] = None,
    tensorboard: Annotated[
        bool,
        typer.Option("--tensorboard", help="Also write TensorBoard logs.", rich_help_panel=options.REPORTS),
    ] = False,
    log_json: options.LogJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Train a network on folders of photographs.

    Ctrl-C stops and saves the state; run again with --resume to continue. The
    folder --out ends up with a checkpoint for magn restore --weights. Under
    torchrun, several GPUs are used.

    Examples:

      magn train -t jpeg --data photos/ -o run/ --max-minutes 60

      magn train -o run/ --resume

      magn train --config recipes/magn-s.toml -t denoise --data photos/ -o run/

      torchrun --nproc-per-node 4 -m magn_cli train --config run.toml -o run/
    """
    # Processes beside the first one stay silent.
    first = os.environ.get("RANK", "0") == "0"
    quiet = quiet or not first
    console.show_log(verbose, quiet)
    logging.getLogger("magn_cli.training").setLevel(logging.ERROR if quiet else logging.INFO)
    training = {
        "max_steps": max_steps, "max_minutes": max_minutes, "batch": batch, "accumulate": accumulate,
        "optimizer": optimizer, "learning_rate": learning_rate, "loss": loss, "precision": precision, "seed": seed,
        "save_every": save_every, "validate_every": validate_every, "workers": workers, "compile": compile_,
    }  # fmt: skip
    if max_steps is not None:
        # One of the two decides; a length in minutes from a file does not outlive a number of steps given here.
        training["max_minutes"] = training["max_minutes"] or 0.0
    given = {
        "task": task, "preset": preset, "licence": licence, "init": str(init) if init else None,
        "data": _texts(data), "validate": _texts(validate), "exclude": _texts(exclude),
        "network": {"level_channel": level_channel, "normalized_scores": normalized_scores},
        "training": training,
    }  # fmt: skip
    from magn_cli.runtime.allocator import keep_freed_memory
    from magn_cli.training import recipe as recipes
    from magn_cli.training.run import train as run

    values = recipes.merge(
        {}, *(recipes.check(recipes.read(file), str(file)) for file in config or []), _given(given)
    )
    keep_freed_memory(1 << 30)
    with stopping.Asked() as asked, TrainingView(quiet, log_json and first) as view:
        result = run(
            values,
            out=out,
            resume=resume,
            device=device,
            threads=threads,
            cache=cache,
            tensorboard=tensorboard,
            command=command_line(sys.argv[1:]),
            on_photos=view.look_through,
            on_progress=view,
            should_stop=asked,
        )
    view.finish(result)
    if result.stopped:
        words = ["magn", "train", "--out", str(out), "--resume"]
        for option, value in (("--cache", cache), ("--threads", threads), ("--device", device)):
            words += [option, str(value)] if value not in (None, "auto") else []
        words += ["--tensorboard"] if tensorboard else []
        if not quiet:
            console.say(f"stopped; to continue, run: {shlex.join(words)}")
        raise typer.Exit(130)


def _texts(paths: list[Path] | None) -> list[str] | None:
    return [str(path) for path in paths] if paths else None


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that were given on the command line."""
    tables = {key: _given(value) if isinstance(value, dict) else value for key, value in values.items()}
    return {key: value for key, value in tables.items() if value is not None}


def command_line(words: list[str]) -> str:
    """Return the command as it can be typed again, folders without where they lie on this machine."""
    short = []
    for word in words:
        option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        short.append(option + equals + re.split(r"[/\\]", value.rstrip("/\\"))[-1])
    return shlex.join(["magn", *short])
