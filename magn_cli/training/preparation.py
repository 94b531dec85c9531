"""What happens before the first step: the photographs are looked through, the run's folder is made ready."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from magn_cli import files
from magn_cli.errors import ImageError, TrainingError, UsageError
from magn_cli.training import leakage, photos, recipe
from magn_cli.training.loop import Trainer
from magn_cli.training.photos import Packed, Part

log = logging.getLogger(__name__)

PhotoProgress = Callable[[str, int, int], None]
"""Called with what is looked through, how many files are done, and how many there are."""


def check_unused(trainer: Trainer, resume: bool) -> None:
    """Raise where a run would be overwritten, or where a folder of photographs does not exist."""
    if not resume and any(path.exists() for path in (trainer.state_path, trainer.checkpoint_path)):
        raise UsageError(f"{trainer.out} already holds a run: use --resume to continue it, or give another --out.")
    missing = [folder for folder in trainer.recipe.data if not Path(folder).is_dir()]
    if missing:
        raise TrainingError(f"folder not found: {missing[0]}; give --data a folder of photographs.")


def look_through(trainer: Trainer, cache: Path, progress: PhotoProgress) -> tuple[Part, Part]:
    """Return the photographs to train on and to validate on; log what is left out.

    With several processes, the first one does it before the others.

    Raises :class:`TrainingError` where a folder does not exist or nothing usable is left.
    """
    engine = trainer.engine
    if not engine.first:
        engine.wait()
    chosen = trainer.recipe
    avoid = leakage.builtin() + leakage.of_pictures(photos.named(chosen.exclude))
    if chosen.validate:
        held = _packed(trainer, chosen.validate, cache, leakage.NONE, "the validation data", progress)
        names = photos.named(chosen.validate)
        found = _packed(
            trainer, chosen.data, cache, avoid + leakage.of_pictures(names), "the training data", progress
        )
        parts = found.photos.part(range(len(found.photos))), held.photos.part(range(len(held.photos)))
    else:
        held = found = _packed(trainer, chosen.data, cache, avoid, "the training data", progress)
        parts = photos.split(found.photos)
    trainer.fingerprints = (found.fingerprint, held.fingerprint)
    if engine.first:
        engine.wait()
    return parts


def begin(trainer: Trainer, resume: bool) -> None:
    """Make the run's folder, take over a state or a checkpoint, and write ``config.toml``.

    Raises :class:`UsageError` where the run needs a checkpoint to start from and has none, :class:`TrainingError`
    or :class:`ImageError` where the folder cannot be used, and as
    :meth:`Trainer.resume` and :meth:`Trainer.start_from` do.
    """
    first = trainer.engine.first
    if trainer.options.fixed_statistics and not (resume or trainer.recipe.init):
        raise UsageError(
            "fixed_statistics keeps those of a trained network: give --init a checkpoint, or omit it."
        )
    if first:
        _make_folder(trainer.out)
        others = (trainer.out / name for name in ("config.toml", "log.csv", "curves.png"))
        files.remove_leftovers([trainer.state_path, trainer.checkpoint_path, trainer.best_path, *others])
    if resume:
        said = trainer.resume()
    else:
        said = [trainer.start_from(Path(trainer.recipe.init)).sentence()] if trainer.recipe.init else []
    if first:
        for sentence in said:
            log.info(sentence)
        recipe.write(trainer.out / "config.toml", trainer.recipe)


def _packed(
    trainer: Trainer,
    folders: tuple[str, ...],
    cache: Path,
    avoid: leakage.Hashes,
    what: str,
    progress: PhotoProgress,
) -> Packed:
    def report(done: int, total: int) -> None:
        progress(what, done, total)

    found = photos.pack([Path(f) for f in folders], cache, trainer.config.window, avoid, report, trainer.out)
    if trainer.engine.first:
        for sentence in found.left_out:
            log.warning("skipped: %s", sentence)
        log.info("%d photographs in %s, %.1f MP", len(found.photos), what, found.photos.megapixels)
    return found


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"the folder {out} cannot be made ({error.strerror}); give another --out.") from error
    if not os.access(out, os.W_OK):
        raise ImageError(f"the folder {out} is not writable; give another --out.")
