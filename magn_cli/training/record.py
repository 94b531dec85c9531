"""What a run writes down while it goes: a line for each interval, as CSV and for TensorBoard."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from magn_cli.errors import TrainingError
from magn_cli.files import atomic


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


class Record:
    """The log of a run: ``log.csv``, and ``tensorboard/`` where that is asked for."""

    def __init__(self, out: Path, step: int, tensorboard: bool) -> None:
        """Begin at ``step``: lines after it, which a resumed run does again, are dropped.

        Raises :class:`TrainingError` where the log cannot be written or TensorBoard is not installed.
        """
        self.path = out / "log.csv"
        self._text = self._until(step)
        self._board: Any = None
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError as error:
                raise TrainingError(
                    "TensorBoard is not installed; use pip install 'magn-cli[train]', or leave --tensorboard out."
                ) from error
            self._board = SummaryWriter(str(out / "tensorboard"), purge_step=step + 1)

    def add(self, progress: Progress) -> None:
        """Append a line."""
        values = asdict(progress)
        line = io.StringIO()
        writer = csv.writer(line, lineterminator="\n")
        if not self._text:
            writer.writerow(values)
        writer.writerow([_shown(value) for value in values.values()])
        self._text += line.getvalue()
        try:
            atomic.write_bytes(self.path, self._text.encode())
        except OSError as error:
            raise TrainingError(
                f"the log {self.path} cannot be written ({error.strerror}); free some space, then --resume."
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
        header, *lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        return "".join([header, *(line for line in lines if float(line.partition(",")[0]) <= step)])


def _shown(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def read(path: Path) -> list[dict[str, float]]:
    """Return the lines of a ``log.csv``; what was not measured is left out of a line."""
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]
