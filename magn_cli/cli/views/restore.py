"""What ``magn restore`` says while it works: to people on stderr, to programs as JSON lines on stdout."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from pathlib import PurePath
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, Progress, TextColumn

from magn_cli.cli import console
from magn_cli.errors import MagnError
from magn_cli.files import WithMemory, printable, without_secrets
from magn_cli.version import __version__

if TYPE_CHECKING:
    from magn_cli.batch import BatchPlan, Done, Event, Failed, Job
    from magn_cli.report.compare import Comparison

SCHEMA = 1

SORTED_UP_TO = 10_000
"""Pictures of a preview; those of longer plans come in the order of the plan."""

SCROLLED_BY = 10
"""From so many pictures on, the failures are told again at the end."""


class RestoreView:
    """Use as a context; call it with each event of a run; it counts."""

    def __init__(self, plan: BatchPlan, quiet: bool, as_json: bool, compared: Comparison | None = None) -> None:
        """Take what is to be shown.

        Args:
            plan: of the run.
            quiet: errors only.
            as_json: write lines for programs.
            compared: is given each picture that is done.
        """
        from magn_cli.batch import Pace

        self.plan, self.quiet, self.as_json = plan, quiet, as_json
        self.compared = compared
        self.done = self.kept = 0
        self.lacks_comparison = False
        self.failures: list[str] = []
        self.pace, self.began = Pace(sum(plan.megapixels)), time.monotonic()
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[count]}", markup=False),
            console=console.messages,
            transient=True,
            disable=quiet or not console.messages.is_terminal,
        )

    def __enter__(self) -> RestoreView:
        self.emit(
            "start", pictures=self.plan.total, megapixels=round(self.pace.total, 3), settings=self.plan.settings
        )
        self.bar.start()
        self.line = self.bar.add_task("", total=self.pace.total or None, count="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def __call__(self, event: Event) -> None:
        """Show what happened."""
        from magn_cli.batch import Done, Failed, Kept, Working

        match event:
            case Working(job, megapixels, share):
                self.pace.work(job, megapixels, share)
                count = f"{self._nth() + 1} of {self.plan.total}" if self.plan.total > 1 else f"{share:.0%}"
                self.bar.update(
                    self.line,
                    description=printable(job.source.name),
                    completed=self.pace.worked,
                    total=self.pace.total or None,
                    count=f"{count}{self._left(', ')}",
                )
            case Done():
                self._show_done(event)
            case Failed():
                self._show_failed(event)
            case Kept(job):
                self.kept += 1
                self.emit("kept", source=job.source, result=job.target)

    def finish(self, untried: int) -> int:
        """Sum up; return the exit code."""
        code = 1 if self.failures or self.lacks_comparison else 0
        if self.compared is not None and self.kept and not self.quiet:
            several = self.kept > 1
            before = f"{self.kept} picture{'s' if several else ''} restored earlier {'are' if several else 'is'}"
            them = "them" if several else "it"
            console.say(f"{before} not in the comparison: use --overwrite to include {them}.")
        self._sum_up(untried, code)
        if self.plan.total == 1 and self.done + len(self.failures) == 1:
            return code
        if self.failures:
            says = f"{len(self.failures)} of {self.plan.total} pictures could not be restored"
            again = self.failures if self.plan.total > SCROLLED_BY else []
            console.complain(f"{says}{':' if again else '.'}", again)
        if untried:
            console.complain(f"stopped; {untried} of {self.plan.total} pictures were not tried.")
        if not self.quiet:
            from magn_cli.batch import in_words

            before = f", {self.kept} already done with the same settings" if self.kept else ""
            console.say(f"{self.done} restored{before}, in {in_words(time.monotonic() - self.began)}.")
        return code

    def interrupted(self) -> int:
        """Say how far the run came; return the exit code."""
        self._sum_up(self.plan.total - self.done - self.kept - len(self.failures), 130)
        if self.plan.total == 1:
            console.complain("interrupted; no partial output was kept.")
        else:
            console.complain(
                f"interrupted after {self._nth()} of {self.plan.total} pictures, all of them complete; "
                + (
                    "run the same command to start over."
                    if self.plan.overwrite
                    else "run the same command again to resume."
                )
            )
        return 130

    def preview(self) -> int:
        """Say what would be done; return the exit code. Raises :class:`UsageError` where it would be refused."""
        from magn_cli.batch import Failed

        for source, error in self.plan.failures:
            self(Failed(source, error))
        rows = self._planned()
        if self.plan.total <= SORTED_UP_TO:
            rows = iter(sorted(rows, key=lambda row: row[1].source))
        for name, job, fields, says in rows:
            self.emit(name, source=job.source, result=job.target, **fields)
            if not self.as_json:
                console.answer(f"{job.source} -> {job.target} ({says})")
        if not self.quiet:
            console.say(
                f"{len(self.plan.jobs)} to restore ({sum(self.plan.megapixels):.1f} MP), "
                f"{len(self.plan.kept)} already done, {len(self.plan.refusals)} refused; nothing was written."
            )
        self.plan.check()
        return 1 if self.failures else 0

    def _planned(self) -> Iterator[tuple[str, Job, dict[str, Any], str]]:
        for job, size in zip(self.plan.jobs, self.plan.megapixels, strict=True):
            yield "planned", job, {"megapixels": round(size, 3)}, f"{size:.1f} MP"
        for job in self.plan.kept:
            yield "kept", job, {}, "already done with the same settings"
        for refusal in self.plan.refusals:
            yield "refused", refusal.job, {"reason": refusal.reason}, f"refused: it {refusal.reason}"

    def tell(self, text: str) -> None:
        """Show what the library logged, with the picture that it is about."""
        from magn_cli.batch.events import picture, worker

        source = picture.get()
        if self.as_json:
            self.emit("warning", source=source, message=text, **_worker(worker.get()))
        named = source is None or source.name in text or self.plan.total == 1
        console.say(text if named else f"{source.name}: {text}")  # type: ignore[union-attr]

    def emit(self, event: str, **fields: Any) -> None:
        """Write a line for programs, where it is asked for."""
        if not self.as_json:
            return
        document = {"schema": SCHEMA, "event": event, "time": round(time.time(), 3)}
        if event == "start":
            document["magn"] = __version__
        for name, value in fields.items():
            document[name] = str(value) if isinstance(value, str | PurePath) else value
        console.emit(document)

    def _show_done(self, event: Done) -> None:
        if self.compared is not None and event.before is not None:
            try:
                said = sentence(event)
                self.compared.add(event.job.name, event.before, event.restored.pixels, said)
            except MagnError as error:
                # The result itself is there.
                self.lacks_comparison = True
                console.complain(str(error))
        self.done += 1
        left = self.pace.seconds_left()
        self.emit(
            "done",
            source=event.job.source,
            result=event.job.target,
            task=event.restored.task,
            level=event.restored.found.level,
            how=event.restored.found.how,
            megapixels=round(event.megapixels, 3),
            seconds=round(event.seconds, 3),
            seconds_left=None if left is None else round(left),
            **_worker(event.worker),
        )
        if self.quiet or self.as_json:
            return
        more = self.plan.total > 1 and not console.messages.is_terminal
        ending = self._left("; about ") if more else ""
        console.say(f"{event.job.source.name}: {sentence(event)}{ending}")

    def _show_failed(self, event: Failed) -> None:
        self.failures.append(str(event.error))
        if event.job is not None:
            self.pace.drop(event.job)
        self.emit(
            "failed",
            source=event.source,
            result=event.job.target if event.job else None,
            reason=str(event.error),
            **_worker(event.worker),
        )
        if console.debugging():
            for line in "".join(traceback.format_exception(event.error)).splitlines():
                console.say(without_secrets(line))
        console.complain(str(event.error))

    def _sum_up(self, untried: int, code: int) -> None:
        self.emit(
            "summary",
            done=self.done,
            kept=self.kept,
            failed=len(self.failures),
            untried=untried,
            seconds=round(time.monotonic() - self.began, 3),
            exit_code=code,
        )

    def _nth(self) -> int:
        return self.done + self.kept + len(self.failures)

    def _left(self, before: str) -> str:
        from magn_cli.batch import in_words

        left = self.pace.seconds_left()
        return "" if left is None else f"{before}{in_words(left)} left"


def _worker(name: str | None) -> dict[str, str]:
    """Return the field that names a worker, on a cluster."""
    return {} if name is None else {"worker": name}


def sentence(done: Done) -> str:
    """Say what was done to a picture, how fast, and where it is."""
    restored = done.restored
    if restored.task is None:
        return f"{restored.describe_level()}, {_where(done.job)}"
    level = "" if restored.scale is None else f" {restored.describe_level()}"
    speed = f" ({done.megapixels / done.seconds:.2f} MP/s)" if done.seconds else ""
    return f"{restored.task}{level}, {done.megapixels:.1f} MP in {done.seconds:.1f} s{speed}, {_where(done.job)}"


def _where(job: Job) -> str:
    """Say where a result is; what is held in memory is on its way to standard output."""
    held = isinstance(job.store, WithMemory) and job.target in job.store.held
    return "to standard output" if held else f"in {job.target}"
