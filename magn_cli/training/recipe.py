"""What a run is made from: settings of TOML files and of the command line, checked and put together."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from magn_cli.errors import TrainingError, UsageError, any_of
from magn_cli.files import atomic, structured
from magn_cli.model import PRESETS, MagnConfig
from magn_cli.tasks import TASKS, PairOptions, Task, declared, get_task
from magn_cli.training.options import TrainingOptions

Values = dict[str, Any]
"""As in TOML: keys, and tables of keys."""

FOLDERS = ("data", "validate", "exclude")

MAX_PART_PIXELS = 1 << 26
"""In the crops that are worked through at once, 67 megapixels: pictures alone of 1.6 GB."""


@dataclass(frozen=True)
class TrainingRecipe:
    """Everything that decides a run. ``recipes/example.toml`` tells of each key what it does."""

    task: str = ""
    preset: str = "magn-s"
    data: tuple[str, ...] = ()
    """Folders of clean photographs."""

    validate: tuple[str, ...] = ()
    """Folders of photographs to validate on; none: one in 32 of ``data`` is kept for it."""

    exclude: tuple[str, ...] = ()
    """Folders of pictures that must not be trained on, beside the usual test sets."""

    init: str = ""
    """A checkpoint to start from."""

    licence: str = ""
    """Of the weights, kept in the checkpoint."""

    network: Mapping[str, Any] = field(default_factory=dict)
    """Settings of :class:`MagnConfig` in which the network differs from its preset."""

    pairs: PairOptions = field(default_factory=PairOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)

    def config(self) -> MagnConfig:
        """Return the network's description.

        By default it has a level channel where the task has a level, and normalised scores: one set of weights
        for all levels, and stable training. Raises :class:`UsageError` for settings that do not fit.
        """
        ours = {"level_channel": True, "normalized_scores": True, **self.network}
        ours["level_channel"] = ours["level_channel"] and get_task(self.task).scale is not None
        try:
            return MagnConfig.from_dict({**PRESETS[self.preset].to_dict(), **ours})
        except ValueError as error:
            raise UsageError(f"invalid [network] settings: {error}.") from error

    def to_values(self, folders: bool = True) -> Values:
        """Return what :func:`resolve` takes, every setting spelled out; without ``folders`` only their names."""
        values = dataclasses.asdict(self)
        # A field of this dataclass may be a plain mapping, which asdict leaves as it is.
        values["network"] = dict(self.network)
        values["pairs"] = self.pairs.to_values()
        if not folders:
            for name in FOLDERS:
                values[name] = [Path(folder).resolve().name for folder in values[name]]
            values["init"] = Path(self.init).name
        plain: Values = _plain(values)
        return plain


def read(path: Path) -> Values:
    """Read a TOML file. Raises :class:`UsageError` where it is missing or no TOML."""
    try:
        # As it was written: folders have names that are no UTF-8.
        return structured.toml_of(structured.read_bytes(path).decode(errors="surrogateescape"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); give --config a TOML file.") from error
    except ValueError as error:
        raise UsageError(f"{path} is not valid TOML ({error}); see recipes/example.toml.") from error


def write(path: Path, recipe: TrainingRecipe) -> None:
    """Write a recipe as TOML, whole or not at all."""
    try:
        atomic.write_bytes(path, tomli_w.dumps(recipe.to_values()).encode(errors="surrogateescape"))
    except OSError as error:
        raise TrainingError(f"{path} cannot be written ({error.strerror}); free some space.") from error


def merge(first: Values, *later: Values) -> Values:
    """Put settings together; later ones win, table by table and key by key."""
    merged = dict(first)
    for values in later:
        for key, value in values.items():
            both = isinstance(value, dict) and isinstance(merged.get(key), dict)
            merged[key] = merge(merged[key], value) if both else value
    return merged


def check(values: Values, where: str) -> Values:
    """Return ``values`` if every key is known and of the right type; else raise :class:`UsageError`.

    ``where``: the file they come from, for the message.
    """
    tables = {
        "network": _fields(MagnConfig()),
        "pairs": {**{name: option.default for name, (option, _) in declared("pairs").items()}, **_PAIRS},
        "training": _fields(TrainingOptions()),
    }
    top = {key: v for key, v in values.items() if key not in tables}
    _check_table(top, {**_fields(TrainingRecipe()), **tables}, where, "")
    for name, known in tables.items():
        table = values.get(name, {})
        if not isinstance(table, dict):
            raise UsageError(f"{where}: {name} must be a table [{name}].")
        _check_table(table, known, where, f"{name}.")
    return values


def resolve(values: Values) -> TrainingRecipe:
    """Make a recipe of checked settings.

    Raises :class:`UsageError` where one is out of range, or where task, preset or data are missing or unknown.
    """
    if not values.get("task"):
        raise UsageError(f"no task is given: use --task with {any_of(TASKS)}.")
    task, values = get_task(values["task"]), own(values)
    top = {key: _tuples(v) for key, v in values.items() if key not in ("network", "pairs", "training")}
    pairs = task.pairs(**{key: _tuples(v) for key, v in values.get("pairs", {}).items()})
    training = TrainingOptions(**{key: _tuples(v) for key, v in values.get("training", {}).items()})
    recipe = TrainingRecipe(**top, network=dict(values.get("network", {})), pairs=pairs, training=training)
    if recipe.preset not in PRESETS:
        raise UsageError(f"unknown preset {recipe.preset!r}: choose {any_of(PRESETS)}.")
    if not recipe.data:
        raise UsageError("no photographs are given: use --data with a folder.")
    _try_pairs(task, pairs)
    _check_memory(recipe)
    if recipe.config().window % task.alignment:
        raise UsageError(f"the [network] setting window must be a multiple of {task.alignment} for {task.name}.")
    return recipe


def own(values: Values) -> Values:
    """Return settings without those of ``[pairs]`` that are another task's: one file may serve several tasks."""
    known = {option.name for option in get_task(values["task"]).pair_options} | _PAIRS.keys()
    pairs = {name: value for name, value in values.get("pairs", {}).items() if name in known}
    return {**values, "pairs": pairs}


FREE_ON_RESUME = {
    "data", "validate", "exclude", "licence",
    *(f"training.{key}" for key in (
        "max_steps", "max_minutes", "learning_rate", "warmup", "schedule", "decay", "milestones", "gamma", "clip",
        "save_every", "validate_every", "workers", "compile", "accumulate",
    )),
}  # fmt: skip
"""What may differ in a resumed run. The rest would make it another run."""


def differences(before: Values, now: Values) -> list[tuple[str, Any, Any]]:
    """Return the settings in which two recipes differ: key, then and now."""
    found = []
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += [(f"{key}.{name}", a, b) for name, a, b in differences(old, new)]
        elif old != new:
            found.append((key, old, new))
    return found


_PAIRS = PairOptions().to_values()


def _fields(defaults: Any) -> Values:
    return {field.name: getattr(defaults, field.name) for field in dataclasses.fields(defaults)}


def _check_table(table: Values, known: Values, where: str, prefix: str) -> None:
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            meant = f"the closest one is {near[0]}." if near else "see recipes/example.toml for all settings."
            raise UsageError(f"{where}: unknown setting {prefix + key!r}: {meant}")
        if (expected := _expected(key, value, known[key])) is not None:
            raise UsageError(f"{where}: {prefix}{key} must be {expected}, not {value!r}.")


def _expected(name: str, value: Any, default: Any) -> str | None:
    """None where a value has the type of its default, else that type in words."""
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "true or false"
    if isinstance(default, int):
        return None if type(value) is int else "a whole number"
    if isinstance(default, float):
        return None if type(value) in (int, float) else "a number"
    if isinstance(default, tuple):
        kind = (int, float) if name in ("levels", "milestones") else (str,)
        fits = isinstance(value, list | tuple) and all(type(item) in kind for item in value)
        return None if fits else f"a list of {'strings' if kind == (str,) else 'numbers'}"
    return None if isinstance(value, str) else "a string"


def _check_memory(recipe: TrainingRecipe) -> None:
    """Refuse a step whose crops alone would fill the memory."""
    batch, side = recipe.training.batch // recipe.training.accumulate, recipe.config().window
    if batch * side**2 > MAX_PART_PIXELS:
        raise UsageError(
            f"batch {recipe.training.batch} with crops of {side} pixels a side is too large: at most "
            f"{MAX_PART_PIXELS // side**2} such crops fit, so give a smaller batch or a larger accumulate."
        )


def _try_pairs(task: Task, pairs: PairOptions) -> None:
    """Meet what the levels would raise before the first step, not in the middle of it."""
    import numpy as np

    task.training_level(np.random.default_rng(0), pairs)


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, tuple | list) else value
