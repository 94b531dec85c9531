"""What a person sees of a training run: a live table in a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from rich.live import Live
from rich.table import Table

from magn_cli.cli import console

if TYPE_CHECKING:
    from magn_cli.training.record import Progress


class TrainingView:
    """Use as a context; call it with each line of the log."""

    def __init__(self, steps: Callable[[], int | None], batch: int, quiet: bool) -> None:
        """``steps``: asked for the length of the run each time, None while it is not known."""
        self._steps, self._batch, self._quiet = steps, batch, quiet
        self._live = Live(console=console.messages, auto_refresh=False) if self._wants_table(quiet) else None
        self._validated: Progress | None = None

    def __enter__(self) -> TrainingView:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, progress: Progress) -> None:
        """Show a line of the log."""
        if progress.psnr is not None:
            self._validated = progress
        if self._live is not None:
            self._live.update(self._table(progress), refresh=True)
        elif not self._quiet:
            console.say(self._line(progress))

    @staticmethod
    def _wants_table(quiet: bool) -> bool:
        return console.messages.is_terminal and not quiet

    def _left(self, progress: Progress) -> str:
        steps = self._steps()
        if steps is None:
            return "unknown yet"
        minutes = (steps - progress.step) * self._batch / progress.patches_a_second / 60
        return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"

    def _line(self, progress: Progress) -> str:
        line = (
            f"step {progress.step}/{self._steps() or '?'}  loss {progress.loss:.5f}  "
            f"lr {progress.learning_rate:.1e}  score {progress.largest_score:.1f}  "
            f"{progress.patches_a_second:.0f} patches/s  waiting {progress.waiting:.0%}  "
            f"{self._left(progress)} left"
        )
        if progress.psnr is not None:
            line += f"  PSNR {progress.psnr:.2f} ({progress.gain:+.2f}) SSIM {progress.ssim:.4f}"
        return line

    def _table(self, progress: Progress) -> Table:
        table = Table.grid(padding=(0, 2))
        best = self._validated
        quality = (
            "none yet"
            if best is None
            else (f"PSNR {best.psnr:.2f} dB ({best.gain:+.2f}), SSIM {best.ssim:.4f} at step {best.step}")
        )
        for name, value in (
            (
                "step",
                f"{progress.step:,} of {f'{self._steps():,}' if self._steps() else 'a number still measured'}",
            ),
            ("loss", f"{progress.loss:.5f}, gradient {progress.gradient:.4f}"),
            ("validation", quality),
            ("learning rate", f"{progress.learning_rate:.2e}"),
            ("largest attention score", f"{progress.largest_score:.1f}"),
            ("speed", f"{progress.patches_a_second:.1f} patches/s, {progress.waiting:.0%} waiting for data"),
            ("time", f"{progress.minutes:.1f} min so far, {self._left(progress)} left"),
        ):
            table.add_row(name, value)
        return table
