"""What ``magn train`` shows: a live table in a terminal, lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import math
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.live import Live
from rich.progress import Progress as Bar
from rich.table import Table

from magn_cli.cli import console
from magn_cli.files import printable
from magn_cli.version import __version__

if TYPE_CHECKING:
    from magn_cli.training import Progress, TrainingResult

SCHEMA = 1


class TrainingView:
    """Use as a context; call it with each line of the log."""

    def __init__(self, quiet: bool, as_json: bool) -> None:
        """``quiet``: errors only. ``as_json``: write lines for programs."""
        self._quiet, self._as_json = quiet, as_json
        self._bar: Bar | None = None
        self._live: Live | None = None
        self._validated: Progress | None = None

    def __enter__(self) -> TrainingView:
        self._emit("start", magn=__version__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_bar()
        if self._live is not None:
            self._live.stop()

    def look_through(self, what: str, done: int, total: int) -> None:
        """Show how many photographs were looked through."""
        if self._bar is None:
            self._bar = console.bar(self._quiet)
            self._bar.start()
            self._line = self._bar.add_task(f"reading {printable(what)}")
        self._bar.update(self._line, completed=done, total=total)
        if done == total:
            self._end_bar()

    def __call__(self, progress: Progress) -> None:
        """Show a line of the log."""
        if progress.psnr is not None:
            self._validated = progress
        self._emit(
            "progress",
            length=progress.length,
            seconds_left=progress.seconds_left,
            **progress.columns(),
            **progress.figures,
        )
        if self._quiet or self._as_json:
            return
        if console.messages.is_terminal:
            self._show_table(progress)
        else:
            console.say(self._text(progress))

    def finish(self, result: TrainingResult) -> None:
        """Sum up."""
        self._emit(
            "summary",
            step=result.step,
            minutes=round(result.minutes, 2),
            stopped=result.stopped,
            checkpoint=str(result.checkpoint),
            best_psnr=result.best_psnr,
        )
        if self._quiet:
            return
        if result.curves is not None:
            console.say(f"curves in {result.curves}")
        console.say(f"{result.step} steps in {result.minutes:.1f} min, checkpoint in {result.checkpoint}")

    def _emit(self, event: str, **fields: Any) -> None:
        if self._as_json:
            # JSON knows no infinity, the PSNR of a perfect result.
            plain = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in fields.items()}
            document = {"schema": SCHEMA, "event": event, "time": round(time.time(), 3), **plain}
            console.emit(document)

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    @staticmethod
    def _left(progress: Progress) -> str:
        if progress.seconds_left is None:
            return "unknown"
        minutes = progress.seconds_left / 60
        return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"

    def _text(self, progress: Progress) -> str:
        line = (
            f"step {progress.step}/{progress.length or '?'}  loss {progress.loss:.5f}  "
            f"lr {progress.learning_rate:.1e}  score {progress.largest_score:.1f}  "
            f"{progress.patches_a_second:.0f} patches/s  waiting {progress.waiting:.0%}  "
            f"{self._left(progress)} left"
        )
        if progress.psnr is not None:
            line += f"  PSNR {progress.psnr:.2f} ({progress.gain:+.2f}) SSIM {progress.ssim:.4f}"
        return line

    def _show_table(self, progress: Progress) -> None:
        if self._live is None:
            self._live = Live(console=console.messages, auto_refresh=False)
            self._live.start()
        self._live.update(self._table(progress), refresh=True)

    def _table(self, progress: Progress) -> Table:
        table = Table.grid(padding=(0, 2))
        best = self._validated
        quality = (
            "none yet"
            if best is None
            else (f"PSNR {best.psnr:.2f} dB ({best.gain:+.2f}), SSIM {best.ssim:.4f} at step {best.step}")
        )
        rows = [
            ("step", f"{progress.step:,} of {progress.length:,}" if progress.length else f"{progress.step:,}"),
            ("loss", f"{progress.loss:.5f}, gradient {progress.gradient:.4f}"),
            ("validation", quality),
            ("learning rate", f"{progress.learning_rate:.2e}"),
            ("largest attention score", f"{progress.largest_score:.1f}"),
            ("speed", f"{progress.patches_a_second:.1f} patches/s, {progress.waiting:.0%} waiting for data"),
            ("time", f"{progress.minutes:.1f} min so far, {self._left(progress)} left"),
        ]
        if best is not None and best.figures:
            shown = ", ".join(f"{name} {value:.2f}" for name, value in best.figures.items())
            rows.insert(3, ("", shown))
        for name, value in rows:
            table.add_row(name, value)
        return table
