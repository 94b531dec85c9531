"""``magn train``."""

from __future__ import annotations

import logging
import re
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magn_cli.cli import console, options
from magn_cli.cli.views.training import TrainingView
from magn_cli.errors import TrainingError, UsageError
from magn_cli.training.options import TrainingOptions

if TYPE_CHECKING:
    from magn_cli.training.loop import Trainer
    from magn_cli.training.photos import Part
    from magn_cli.training.recipe import TrainingRecipe

DEFAULTS = TrainingOptions()


def _setting(name: str, text: str) -> Any:
    """An option that overrides a setting of the recipe; its default is the setting's."""
    return typer.Option(help=text, show_default=str(getattr(DEFAULTS, name)))


@console.sentences
def train(
    out: Annotated[Path, typer.Option(help="Folder for state, log and checkpoints.", show_default=False)],
    task: Annotated[str | None, typer.Option(help=f"What to learn: {options.NAMES}.", show_default=False)] = None,
    data: Annotated[
        list[Path] | None, typer.Option(help="Folder of clean photographs; repeatable.", show_default=False)
    ] = None,
    config: Annotated[
        list[Path] | None,
        typer.Option(
            help="TOML file with these and more settings; repeatable, later ones and options win.",
            show_default=False,
        ),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Network: magn-s (small) or magn (the paper's).", show_default="magn-s")
    ] = None,
    validate: Annotated[
        list[Path] | None,
        typer.Option(help="Folder to validate on; else one photograph in 32.", show_default=False),
    ] = None,
    exclude: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of test pictures to keep out of the training data.", show_default=False),
    ] = None,
    init: Annotated[Path | None, typer.Option(help="Checkpoint to start from.", show_default=False)] = None,
    max_steps: Annotated[int | None, _setting("max_steps", "Optimizer steps in all.")] = None,
    max_minutes: Annotated[
        float | None, typer.Option(help="How long to train, in place of --max-steps.", show_default=False)
    ] = None,
    batch: Annotated[int | None, _setting("batch", "Crops a step, over all processes.")] = None,
    accumulate: Annotated[int | None, _setting("accumulate", "Parts to work a step through in.")] = None,
    optimizer: Annotated[str | None, _setting("optimizer", "muon, adamw, or adam (the paper's).")] = None,
    learning_rate: Annotated[float | None, _setting("learning_rate", "After the warm-up.")] = None,
    loss: Annotated[str | None, _setting("loss", "mse (the paper's) or balanced.")] = None,
    precision: Annotated[str | None, _setting("precision", "auto, fp32, bf16 or fp16.")] = None,
    seed: Annotated[int | None, _setting("seed", "Of weights and pairs.")] = None,
    save_every: Annotated[int | None, _setting("save_every", "Steps between two states on disk.")] = None,
    validate_every: Annotated[int | None, _setting("validate_every", "Steps between two validations.")] = None,
    workers: Annotated[int | None, _setting("workers", "Processes that prepare data; -1: magn decides.")] = None,
    level_channel: Annotated[
        bool | None,
        typer.Option(
            "--level-channel/--no-level-channel",
            help="Tell the network the level, where the task has one (not in the paper).",
            show_default="level-channel",
        ),
    ] = None,
    normalized_scores: Annotated[
        bool | None,
        typer.Option(
            "--normalized-scores/--no-normalized-scores",
            help="Queries and keys of unit length (not in the paper; keeps training stable).",
            show_default="normalized-scores",
        ),
    ] = None,
    compile_: Annotated[
        bool | None, typer.Option("--compile/--no-compile", help="Use torch.compile.", show_default="no-compile")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the state in --out.")] = False,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for the decoded photographs.", show_default="OUT/cache")
    ] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write for TensorBoard as well.")] = False,
    licence: Annotated[
        str | None,
        typer.Option(help="Licence of the weights, kept in the checkpoint.", show_default=False),
    ] = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Train a network on folders of photographs.

    Ctrl-C stops and keeps the state; --out with --resume goes on. The folder --out ends with a checkpoint that
    magn restore --weights takes. All settings, and more, can stand in a TOML file; under torchrun it uses
    several GPUs.

    Example:

      magn train --task jpeg --data photos/ --out run/ --max-minutes 60
    """
    console.show_log(verbose, quiet)
    logging.getLogger("magn_cli.training").setLevel(logging.ERROR if quiet else logging.INFO)
    from magn_cli.runtime.allocator import keep_freed_memory
    from magn_cli.runtime.threads import use_threads
    from magn_cli.training import recipe as recipes
    from magn_cli.training.engine import Engine
    from magn_cli.training.loop import Trainer

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
    files = list(config or [])
    if resume and not (out / "state.pt").is_file():
        raise TrainingError(f"there is no training state {out / 'state.pt'}; start without --resume.")
    if resume and (out / "config.toml").is_file():
        files.insert(0, out / "config.toml")
    values = recipes.merge({}, *(recipes.check(recipes.read(file), str(file)) for file in files), _given(given))
    chosen = recipes.resolve(values)
    use_threads(threads)
    keep_freed_memory(1 << 30)
    engine = Engine(device)
    if not engine.first:
        console.show_log(False, True)
        quiet = True
    about = {"data": [Path(folder).name for folder in chosen.data], "command": command_line(sys.argv[1:])}
    trainer = Trainer(chosen, out, engine, about, tensorboard=tensorboard)
    _check_unused(trainer, resume)
    train_photos, validation_photos = _photos(trainer, cache or out / "cache", quiet)
    _begin(trainer, chosen, resume)
    view = TrainingView(lambda: trainer.state.length, chosen.training.batch, quiet)
    with _Stopping() as stopping, view:
        stopped = trainer.run(train_photos, validation_photos, view, stopping.asked)
    if engine.first:
        _end(trainer)
    engine.close()
    if stopped:
        words = ["magn", "train", "--out", str(out), "--resume"]
        for option, value in (("--cache", cache), ("--threads", threads), ("--device", device)):
            words += [option, str(value)] if value not in (None, "auto") else []
        words += ["--tensorboard"] if tensorboard else []
        _say(trainer, f"stopped; {shlex.join(words)} goes on.")
        raise typer.Exit(130)


def _begin(trainer: Trainer, chosen: TrainingRecipe, resume: bool) -> None:
    from magn_cli.batch import check_folder
    from magn_cli.training import recipe as recipes

    if trainer.engine.first:
        try:
            trainer.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(
                f"the folder {trainer.out} cannot be made ({error.strerror}); give another --out."
            ) from error
        check_folder(trainer.out)
    if resume:
        for sentence in trainer.resume():
            _say(trainer, sentence)
    elif chosen.init:
        _say(trainer, trainer.start_from(Path(chosen.init)).sentence())
    if trainer.engine.first:
        recipes.write(trainer.out / "config.toml", trainer.recipe)


def _end(trainer: Trainer) -> None:
    from magn_cli.training.curves import draw

    if draw(trainer.out / "log.csv", trainer.out / "curves.png"):
        _say(trainer, f"curves in {trainer.out / 'curves.png'}")
    minutes = trainer.state.minutes
    _say(trainer, f"{trainer.state.step} steps in {minutes:.1f} minutes; checkpoint in {trainer.checkpoint_path}")


def _check_unused(trainer: Trainer, resume: bool) -> None:
    """Refuse to overwrite a run, or to begin without photographs."""
    out = trainer.out
    made = (trainer.state_path, trainer.checkpoint_path)
    if not resume and any(path.exists() for path in made):
        raise UsageError(f"{out} holds a run already; go on with it by --resume, or give another --out.")
    missing = [folder for folder in trainer.recipe.data if not Path(folder).is_dir()]
    if missing:
        raise TrainingError(f"there is no folder {missing[0]}; give --data a folder of photographs.")


def _photos(trainer: Trainer, cache: Path, quiet: bool) -> tuple[Part, Part]:
    """Look through the folders, the first process before the others; tell what is left out."""
    from magn_cli.training import leakage, photos

    recipe, first = trainer.recipe, trainer.engine.first
    if not first:
        trainer.engine.wait()
    smallest = trainer.config.window
    avoid = leakage.builtin() + leakage.of_pictures(photos.named(recipe.exclude))

    def packed(folders: tuple[str, ...], away: leakage.Hashes, what: str) -> photos.Packed:
        with console.bar(quiet or not first) as bar:
            line = bar.add_task(f"looking through {what}")

            def progress(done: int, total: int) -> None:
                bar.update(line, completed=done, total=total)

            found = photos.pack([Path(f) for f in folders], cache, smallest, away, progress, trainer.out)
        if first:
            for sentence in found.left_out:
                logging.getLogger("magn_cli").warning("left out: %s", sentence)
        _say(trainer, f"{len(found.photos)} photographs in {what}, {found.photos.megapixels:.1f} megapixels")
        return found

    if recipe.validate:
        held = packed(recipe.validate, leakage.NONE, "the validation data")
        names = photos.named(recipe.validate)
        found = packed(recipe.data, avoid + leakage.of_pictures(names), "the training data")
        everything = found.photos.part(range(len(found.photos))), held.photos.part(range(len(held.photos)))
    else:
        found = packed(recipe.data, avoid, "the training data")
        everything = photos.split(found.photos)
    trainer.fingerprints = (found.fingerprint, held.fingerprint if recipe.validate else found.fingerprint)
    if first:
        trainer.engine.wait()
    return everything


def _say(trainer: Trainer, text: str) -> None:
    if trainer.engine.first:
        logging.getLogger("magn_cli.training").info(text)


def _texts(paths: list[Path] | None) -> list[str] | None:
    return [str(path) for path in paths] if paths else None


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that were given on the command line."""
    tables = {key: _given(value) if isinstance(value, dict) else value for key, value in values.items()}
    return {key: value for key, value in tables.items() if value is not None}


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
