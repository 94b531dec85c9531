"""Training: from folders of photographs to a checkpoint. Imports torch only when :func:`train` is first used."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from magn_cli.training.recipe import TrainingRecipe
    from magn_cli.training.record import Progress
    from magn_cli.training.run import TrainingResult, train

__all__ = ["Progress", "TrainingRecipe", "TrainingResult", "train"]

_PLACES = {"Progress": "record", "TrainingRecipe": "recipe", "TrainingResult": "run", "train": "run"}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        from importlib import import_module

        return getattr(import_module(f"magn_cli.training.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
