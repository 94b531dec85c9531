"""What a run writes down while it goes: a line for each interval, as CSV and for TensorBoard."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from magn_cli.errors import TrainingError
from magn_cli.files import atomic

_NOT_COLUMNS = ("figures", "length", "seconds_left")


@dataclass(frozen=True)
class Progress:
    """One line of the log: means since the line before."""

    step: int
    minutes: float
    """Of training so far, those before a resume included."""

    loss: float
    learning_rate: float
    gradient: float
    """Norm, before clipping."""

    largest_score: float
    """Of all attention scores, in the last step."""

    patches_a_second: float
    waiting: float
    """Share of the time in which the loop waited for data, 0..1."""

    psnr: float | None = None
    """dB, of the averaged weights on the validation pictures; None between validations."""

    ssim: float | None = None
    gain: float | None = None
    """dB more than the degraded validation pictures."""

    figures: Mapping[str, float] = field(default_factory=dict)
    """Further figures of the validation, by column: see :class:`~magn_cli.training.validation.Quality`."""

    length: int | None = None
    """Steps of the whole run, None while it is not known; not in the log."""

    seconds_left: float | None = None
    """Of the steps that are left, at the speed of these; not in the log."""

    def columns(self) -> dict[str, float | None]:
        """Return the line by column, without those of ``figures``."""
        values = asdict(self)
        return {name: value for name, value in values.items() if name not in _NOT_COLUMNS}


class Record:
    """The log of a run: ``log.csv``, and ``tensorboard/`` where that is asked for."""

    def __init__(self, out: Path, step: int, tensorboard: bool, figures: Sequence[str] = ()) -> None:
        """Begin at ``step``: lines after it, which a resumed run does again, are dropped.

        ``figures``: the columns of :attr:`Progress.figures`.

        Raises :class:`TrainingError` where the log cannot be written or TensorBoard is not installed.
        """
        self.path = out / "log.csv"
        self._names = [*(f.name for f in fields(Progress) if f.name not in _NOT_COLUMNS), *figures]
        self._text = self._until(step)
        self._board: Any = None
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise TrainingError(
                    "TensorBoard is not installed: run pip install 'magn-cli[train]', or omit --tensorboard."
                ) from error
            self._board = SummaryWriter(str(out / "tensorboard"), purge_step=step + 1)

    def add(self, progress: Progress) -> None:
        """Append a line."""
        values = {**progress.columns(), **progress.figures}
        if not self._text:
            self._text = _line(self._names)
        self._text += _line([_shown(values.get(name)) for name in self._names])
        try:
            atomic.write_bytes(self.path, self._text.encode())
        except OSError as error:
            raise TrainingError(
                f"the log {self.path} cannot be written ({error.strerror}); free some space, then use --resume."
            ) from error
        if self._board is not None:
            for name, value in values.items():
                if value is not None and name != "step":
                    self._board.add_scalar(name, value, progress.step)
            self._board.flush()

    def close(self) -> None:
        """Finish what is open."""
        if self._board is not None:
            self._board.close()

    def _until(self, step: int) -> str:
        if step == 0 or not self.path.exists():
            return ""
        with self.path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if float(row["step"]) <= step]
        # A version of magn that measured less, or more, may have written them.
        return "".join(
            [_line(self._names), *(_line([row.get(name) or "" for name in self._names]) for row in rows)]
        )


def _line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def read(path: Path) -> list[dict[str, float]]:
    """Return the lines of a ``log.csv``; what was not measured is left out of a line."""
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
