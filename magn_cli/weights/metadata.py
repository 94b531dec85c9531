"""Metadata of checkpoints, read without torch and without the weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from safetensors import SafetensorError, safe_open

from magn_cli.errors import WeightsError
from magn_cli.files import structured
from magn_cli.model import MagnConfig
from magn_cli.tasks import LevelScale

FORMAT_VERSION = 1
MAX_CHARACTERS = 1 << 20


@dataclass(frozen=True)
class Checkpoint:
    """Metadata of a checkpoint."""

    task: str
    preset: str
    config: MagnConfig
    scale: LevelScale | None
    training: dict[str, Any]
    """Training record: data, steps, seed, minutes, command and more."""

    licence: str

    @property
    def takes_unknown(self) -> bool:
        """Whether the network was trained to do without the level, as far as is recorded."""
        pairs = self.training.get("recipe", {}).get("pairs", {})
        return self.scale is None or not isinstance(pairs, dict) or pairs.get("unknown", 1.0) != 0


def read_metadata(path: Path) -> Checkpoint:
    """Read the metadata of a checkpoint.

    Raises:
        WeightsError: the file is missing, damaged, not made by magn, or of a newer format.
    """
    with opened(path, "np") as file:
        metadata = file.metadata() or {}
    return parse(path, metadata)


@contextmanager
def opened(path: Path, framework: Literal["np", "pt"]) -> Iterator[Any]:
    """Open a safetensors file, for a block in which everything that goes wrong is the file's fault.

    Raises:
        WeightsError: the file is missing or damaged.
    """
    if not path.is_file():
        raise WeightsError(f"the weights file {path} does not exist; check the path.")
    try:
        with ExitStack() as stack:
            name = path
            if not _is_text(path):
                # The library takes no other names.
                name = Path(stack.enter_context(TemporaryDirectory(prefix="magn-"))) / "weights.safetensors"
                name.symlink_to(path.absolute())
            yield stack.enter_context(safe_open(name, framework))
    except (SafetensorError, OSError, ValueError, MemoryError) as error:
        raise WeightsError(
            f"{path} is not a complete safetensors file ({error}); download it again, or use another checkpoint."
        ) from error


def _is_text(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def parse(path: Path, metadata: dict[str, str]) -> Checkpoint:
    """Parse the metadata of the file ``path``; errors as for :func:`read_metadata`."""
    version = metadata.get("format_version")
    if version is None:
        raise WeightsError(f"{path} has no magn metadata; use a checkpoint made by magn train.")
    if version != str(FORMAT_VERSION):
        raise WeightsError(f"{path} has format {version}, but this magn reads {FORMAT_VERSION}; update magn.")
    try:
        if sum(map(len, metadata.values())) > MAX_CHARACTERS:
            raise ValueError(f"they have more than {MAX_CHARACTERS:,} characters")
        scale, training = structured.json_of(metadata["level_scale"]), structured.json_of(metadata["training"])
        _check_training(training)
        return Checkpoint(
            task=metadata["task"],
            preset=metadata["preset"],
            config=_config(path, structured.json_of(metadata["config"])),
            scale=LevelScale.from_dict(scale) if scale else None,
            training=training,
            licence=metadata["licence"],
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"the metadata of {path} cannot be read ({error}); download it again.") from error


def _check_training(training: Any) -> None:
    """Raise ``ValueError`` where a record has not the types that :mod:`magn_cli.weights.card` prints."""
    run, is_first = training, True
    while run is not None or is_first:
        _check_run(run)
        if "sibling" in run:
            _check_run(run["sibling"])
            if not isinstance(run["sibling"].get("share"), float):
                raise ValueError("the training record does not say how much of a sibling there is")
        run, is_first = run.get("init"), False


def _check_run(run: Any) -> None:
    if not isinstance(run, dict):
        raise ValueError("the training record is no table")
    kinds: dict[str, type | tuple[type, ...]] = {
        "steps": int,
        "minutes": (int, float),
        "share_of_init": (int, float),
        "recipe": dict,
        "options": dict,
        "data": list,
    }
    for name, kind in kinds.items():
        if name in run and (not isinstance(run[name], kind) or isinstance(run[name], bool)):
            raise ValueError(f"{name!r} in the training record is of a wrong type")


def _config(path: Path, values: dict[str, Any]) -> MagnConfig:
    try:
        return MagnConfig.from_dict(values)
    except ValueError as error:
        raise WeightsError(f"{path} describes an invalid network ({error}); download it again.") from error
