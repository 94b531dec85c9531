"""``magn train``."""

from __future__ import annotations

import re
import shlex
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from magn_cli.cli import console, options
from magn_cli.errors import TrainingError, UsageError


@console.sentences
def train(
    task: options.Task,
    data: Annotated[list[Path], typer.Option(help="Folder of clean photographs; repeatable.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder for state, log and checkpoint.", show_default=False)],
    preset: options.Preset = "magn-s",
    max_steps: Annotated[int, typer.Option(help="Optimizer steps in all.")] = 20_000,
    batch: Annotated[int, typer.Option(help="Crops a step.")] = 8,
    optimizer: Annotated[str, typer.Option(help="muon, adamw, or adam (the paper's).")] = "muon",
    learning_rate: Annotated[float, typer.Option(help="After the warm-up.")] = 1e-3,
    loss: Annotated[str, typer.Option(help="mse (the paper's) or balanced.")] = "balanced",
    precision: Annotated[str, typer.Option(help="bf16 or fp32.")] = "bf16",
    seed: Annotated[int, typer.Option(help="Of weights and pairs.")] = 0,
    level_channel: Annotated[
        bool, typer.Option(help="Tell the network the level, where the task has one (not in the paper).")
    ] = True,
    normalized_scores: Annotated[
        bool, typer.Option(help="Queries and keys of unit length (not in the paper; keeps training stable).")
    ] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the state in --out.")] = False,
    licence: Annotated[str, typer.Option(help="Licence of the weights, kept in the checkpoint.")] = "",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Train a network on a folder of photographs.

    Ctrl-C stops and keeps the state; the same command with --resume goes on. The folder --out ends with a
    checkpoint that magn restore --weights takes.

    Example:

      magn train --task jpeg --data photos/ --out run/ --max-steps 2000
    """
    console.show_log(verbose, quiet)
    from magn_cli.model import PRESETS
    from magn_cli.restoration.batch import check_folder
    from magn_cli.restoration.device import use_threads
    from magn_cli.tasks import get_task
    from magn_cli.training.loop import Progress, Trainer
    from magn_cli.training.options import TrainingOptions
    from magn_cli.training.patches import CONTEXT, load_photos, split_photos

    chosen = get_task(task)
    if preset not in PRESETS:
        raise UsageError(f"there is no preset {preset!r}; use one of {', '.join(PRESETS)}.")
    use_threads(threads)
    settings = TrainingOptions(
        max_steps=max_steps,
        batch=batch,
        optimizer=optimizer,
        learning_rate=learning_rate,
        loss=loss,
        precision=precision,
        seed=seed,
    )
    config = replace(
        PRESETS[preset],
        level_channel=level_channel and chosen.scale is not None,
        normalized_scores=normalized_scores,
    )
    record = {"data": [folder.name for folder in data], "command": command_line(sys.argv[1:]), "licence": licence}
    trainer = Trainer(out, chosen, preset, config, settings, record)
    made = (trainer.state_path, trainer.checkpoint_path, out / "log.csv")
    if not resume and any(path.exists() for path in made):
        raise UsageError(f"{out} holds a run already; go on with it by --resume, or give another --out.")
    if resume:
        trainer.resume()
    photos = load_photos(data, config.window + CONTEXT)
    console.say(f"{len(photos)} photographs, {sum(p.size for _, p in photos) / 3e6:.1f} megapixels")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"the folder {out} cannot be made ({error.strerror}); give another --out.") from error
    check_folder(out)

    def report(progress: Progress) -> None:
        if quiet:
            return
        gained = "" if progress.validation_gain is None else f"  gained {progress.validation_gain:+.2f} dB"
        left = (max_steps - progress.step) * batch / progress.patches_a_second / 60
        console.say(
            f"step {progress.step}/{max_steps}  loss {progress.loss:.5f}  lr {progress.learning_rate:.1e}  "
            f"score {progress.largest_score:.1f}  {progress.patches_a_second:.0f} patches/s  "
            f"{left:.0f} min left{gained}"
        )

    with _Stopping() as stopping:
        trainer.run(*split_photos(photos), report, stopping.asked)
    console.say(f"{trainer.step} steps in {trainer.minutes:.1f} minutes; checkpoint in {trainer.checkpoint_path}")
    if stopping.asked():
        console.say("stopped; the same command with --resume goes on.")
        raise typer.Exit(130)


class _Stopping:
    """Ctrl-C and SIGTERM ask the loop to stop after the step it is in; a second one stops at once."""

    def __enter__(self) -> _Stopping:
        self._asked = False
        self._before = {name: signal.signal(name, self._ask) for name in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for name, handler in self._before.items():
            signal.signal(name, handler)

    def _ask(self, name: int, frame: object) -> None:
        self._asked = True
        signal.signal(name, self._before[signal.Signals(name)])

    def asked(self) -> bool:
        """Whether to stop."""
        return self._asked


def command_line(words: list[str]) -> str:
    """Return the command as it can be typed again, folders without where they lie on this machine."""
    short = []
    for word in words:
        option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        short.append(option + equals + re.split(r"[/\\]", value.rstrip("/\\"))[-1])
    return shlex.join(["magn", *short])
