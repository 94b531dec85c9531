"""The HTML report of ``magn eval``: summary with the paper's figures, plots, and results of each picture."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from markupsafe import Markup

from magn_cli.evaluation import metrics
from magn_cli.evaluation.report import MethodResult, title
from magn_cli.evaluation.run import Row
from magn_cli.files import Access
from magn_cli.images import Array
from magn_cli.report import formatting, page, plots, tables
from magn_cli.report.gallery import REGION_SIDE, Gallery, State
from magn_cli.report.regions import most_different
from magn_cli.tasks import Task


class Report:
    """Collects the pictures of an evaluation and renders the page at the end."""

    def __init__(self, gallery: Gallery, network: str | None) -> None:
        """Create an empty report.

        Args:
            gallery: stores the pictures.
            network: name of the method that is a network; None if all are baselines.
        """
        self._gallery, self._network = gallery, network
        self._numbers: dict[tuple[str, str, float | None, str], int] = {}

    def add(
        self,
        results: Sequence[MethodResult],
        shown: dict[str, Array],
        clean: Array,
        access: Access | None = None,
    ) -> None:
        """Add the results of all methods for one picture.

        Args:
            results: one for each method on this set and level. In those of ``shown``, the last row is this
            picture.
            shown: measured pixels by method, ``(H, W)`` or ``(H, W, 3)``, 0..1.
            clean: the clean picture, of the same shape.
            access: who may read the files of both.
        """
        rows = {r.method: r.rows[-1] for r in results if r.method in shown}
        if not rows:
            return
        judged = self._judged(list(rows))
        regions = most_different(shown[judged], clean, REGION_SIDE)

        def state(label: str, method: str) -> State:
            notes = [formatting.decibel(metrics.psnr(r.of(shown[method]), r.of(clean))) for r in regions]
            return State(label, shown[method], formatting.decibel(rows[method].psnr), notes)

        states = [state(self._label(method), method) for method in rows]
        states.append(State("clean", clean, "", [""] * len(regions)))
        first, row = results[0], rows[judged]
        gain = row.psnr - rows[tables.INPUT].psnr if tables.INPUT in rows and judged != tables.INPUT else 0.0
        about = ", ".join(filter(None, [first.dataset, first.task.name, _level(first, row)]))
        number = self._gallery.add(
            row.name,
            f"{about}." if judged == tables.INPUT else f"{about}: {formatting.signed(gain)} dB.",
            states,
            regions,
            rank=gain if math.isfinite(gain) else math.inf,
            access=access,
        )
        self._numbers[(first.dataset, first.task.name, first.level, row.name)] = number

    def draw(
        self,
        results: Sequence[MethodResult],
        settings: dict[str, str],
        *,
        limit: float,
        beside: Path | None = None,
    ) -> str:
        """Render the page as HTML.

        Args:
            results: all results of the evaluation.
            settings: settings of the evaluation by name.
            limit: maximum size of the page in megabytes.
            beside: path of the page, to write its pictures to a folder beside it; None to embed them.

        Raises:
            ImageError: the pictures cannot be written.
        """
        sets = list(dict.fromkeys(r.dataset for r in results))
        tasks = list(dict.fromkeys(r.task for r in results))
        judged = self._judged([r.method for r in results])
        headings = dict.fromkeys(title(r.protocol, r.task) for r in results)
        failures = dict.fromkeys(sentence for r in results for sentence in r.failures)
        return page.render(
            "report.html.j2",
            self._gallery.pictures,
            limit=limit,
            beside=beside,
            title=f"magn eval: {', '.join(sets)}",
            heading=", ".join(sets),
            subtitle=f"Evaluation of {', '.join(f'{t.name}{_levels(t, results)}' for t in tasks)}; {page.today()}",
            judged=self._label(judged),
            lead=[sentence for group in self._of_networks(results) if (sentence := tables.gains(group))],
            tables=[tables.means(results, heading, self._network) for heading in headings],
            plots=[Markup(plots.svg(p, i)) for i, p in enumerate(tables.plots_of(results, self._network), 1)],
            failures=list(failures),
            settings=list(settings.items()),
            each=tables.each_picture(results, self._numbers),
        )

    def _judged(self, methods: Sequence[str]) -> str:
        """Return the method to show: the network, or else the last baseline."""
        return self._network if self._network is not None and self._network in methods else methods[-1]

    def _label(self, method: str) -> str:
        return {tables.INPUT: "degraded", self._network: "restored"}.get(method, method)

    def _of_networks(self, results: Sequence[MethodResult]) -> Iterable[list[MethodResult]]:
        for _, group in groupby(results, key=lambda r: r.dataset):
            every = list(group)
            if any(r.method == self._network for r in every):
                yield [r for r in every if r.method in (tables.INPUT, self._network)]


def _level(result: MethodResult, row: Row) -> str:
    return result.task.level_words(row.level)


def _levels(task: Task, results: Sequence[MethodResult]) -> str:
    levels = dict.fromkeys(r.level for r in results if r.task is task and r.level is not None)
    return f" at {task.scale.name} {', '.join(f'{level:g}' for level in levels)}" if task.scale and levels else ""
