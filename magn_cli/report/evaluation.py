"""The report of ``magn eval``: summary beside the paper's cells, plots, figures of each picture, pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from markupsafe import Markup

from magn_cli.evaluation import metrics
from magn_cli.evaluation.report import Result, title
from magn_cli.evaluation.run import Row, ssim_name
from magn_cli.images import Array
from magn_cli.report import page, plots
from magn_cli.report.gallery import REGION_SIDE, Gallery, State
from magn_cli.report.regions import most_different

INPUT = "input"
"""What the evaluation calls the degraded picture as a method."""


class Report:
    """Collects the pictures of an evaluation and draws the page at its end."""

    def __init__(self, gallery: Gallery, network: str | None) -> None:
        """``network``: which of the methods is one, not a baseline; None: none is."""
        self._gallery, self._network = gallery, network
        self._numbers: dict[tuple[str, str, float | None, str], int] = {}

    def add(self, results: Sequence[Result], shown: dict[str, Array], clean: Array) -> None:
        """Take one picture as every method left it.

        Args:
            results: one for each method on this set at this level; those in ``shown`` end with its row.
            shown: pixels by method, ``(H, W)`` or ``(H, W, 3)``, 0..1, as they were measured.
            clean: the same shape.
        """
        rows = {r.method: r.rows[-1] for r in results if r.method in shown}
        if not rows:
            return
        # What is judged: the network, else the last baseline.
        judged = self._network if self._network in rows else list(rows)[-1]
        regions = most_different(shown[judged], clean, REGION_SIDE)

        def state(label: str, method: str) -> State:
            notes = [decibel(metrics.psnr(r.of(shown[method]), r.of(clean))) for r in regions]
            return State(label, shown[method], decibel(rows[method].psnr), notes)

        states = [state(self._label(method), method) for method in rows]
        states.append(State("clean", clean, "", [""] * len(regions)))
        first, row = results[0], rows[judged]
        gain = row.psnr - rows[INPUT].psnr if INPUT in rows and judged != INPUT else 0.0
        number = self._gallery.add(
            row.name,
            f"{first.dataset}{_comma(_level(first, row))}"
            + (f", {first.task.name}: {signed(gain)} dB." if judged != INPUT else f", {first.task.name}."),
            states,
            regions,
            rank=gain if math.isfinite(gain) else math.inf,
        )
        self._numbers[(first.dataset, first.task.name, first.level, row.name)] = number

    def draw(
        self, results: Sequence[Result], settings: dict[str, str], *, limit: float, beside: Path | None = None
    ) -> str:
        """Return the page.

        Args:
            results: of the whole evaluation.
            settings: how it was made, name and value.
            limit: of the page's size in megabytes.
            beside: the page, where its pictures shall lie beside it.

        Raises :class:`ImageError` where the pictures cannot be written.
        """
        sets = list(dict.fromkeys(r.dataset for r in results))
        tasks = list(dict.fromkeys(r.task.name for r in results))
        failures = dict.fromkeys(sentence for r in results for sentence in r.failures)
        return page.render(
            "report.html.j2",
            self._gallery.pictures,
            limit=limit,
            beside=beside,
            title=f"magn eval: {', '.join(sets)}",
            heading=", ".join(sets),
            subtitle=f"Evaluation of {' and '.join(tasks)}, {page.today()}",
            lead=[_gains(list(group)) for group in self._of_networks(results)],
            tables=[_table(results, heading, self._network) for heading in _headings(results)],
            plots=[Markup(plots.svg(p, i)) for i, p in enumerate(plots_of(results, self._network), 1)],
            failures=list(failures),
            settings=list(settings.items()),
            each=self._each(results),
        )

    def _label(self, method: str) -> str:
        return {INPUT: "degraded", self._network: "restored"}.get(method, method)

    def _of_networks(self, results: Sequence[Result]) -> Iterable[list[Result]]:
        for _, group in groupby(results, key=lambda r: r.dataset):
            every = list(group)
            if any(r.method == self._network for r in every):
                yield [r for r in every if r.method in (INPUT, self._network)]

    def _each(self, results: Sequence[Result]) -> dict[str, Any]:
        others = [r for r in results if r.method != INPUT] or list(results)
        blocking = any(r.mean.psnr_b is not None for r in others)
        several = {
            "set": len({r.dataset for r in others}) > 1,
            "level": any(row.level is not None for r in others for row in r.rows),
            "method": len({_method(r) for r in others}) > 1,
        }
        words = ["picture", *(name for name in ("set", "method") if several[name])]
        columns = [*words, *(["level"] if several["level"] else []), "input PSNR", "PSNR", "gain", "SSIM"]
        inputs = {
            (r.dataset, r.task.name, r.level, row.name): row.psnr
            for r in results
            if r.method == INPUT
            for row in r.rows
        }
        rows = []
        for result in others:
            for row in result.rows:
                key = (result.dataset, result.task.name, result.level, row.name)
                before = inputs.get(key, math.nan)
                ssim = getattr(row, ssim_name(result.task, result.protocol))
                cells = [
                    *([(result.dataset,) * 2] if several["set"] else []),
                    *([(_method(result),) * 2] if several["method"] else []),
                    *([_sorted_by(row.level, "g")] if several["level"] else []),
                    _sorted_by(before, ".2f"),
                    _sorted_by(row.psnr, ".2f"),
                    _sorted_by(row.psnr - before, "+.2f"),
                    _sorted_by(ssim, ".4f"),
                    *([_sorted_by(row.psnr_b, ".2f")] if blocking else []),
                ]
                rows.append({"name": row.name, "target": self._numbers.get(key), "cells": cells})
        return {"columns": columns + (["PSNR-B"] if blocking else []), "words": len(words), "rows": rows}


def plots_of(results: Sequence[Result], network: str | None) -> list[plots.Plot]:
    """Return a plot for each set that was measured at several levels."""
    found = []
    for dataset, every in groupby(results, key=lambda r: r.dataset):
        group = list(every)
        if group[0].task.scale is None or len({r.level for r in group}) < 2:
            continue
        methods = list(dict.fromkeys(r.method for r in group))
        lines = [_line(r.method, [s for s in group if s.method == r.method], network) for r in group[: len(methods)]]
        if network in methods:
            cells = {r.level: r.printed()["magn"] for r in group}
            points = [(level, cell.psnr) for level, cell in cells.items() if level is not None and cell]
            if points:
                lines.append(plots.Line("MAGN (paper)", "printed", points))
        found.append(plots.Plot(dataset, group[0].task.scale.name, [line for line in lines if line.points]))
    return found


def _line(method: str, results: Sequence[Result], network: str | None) -> plots.Line:
    kind = "input" if method == INPUT else "ours" if method == network else "other"
    measured = [(r.level, r.mean.psnr) for r in results]
    points = [(level, psnr) for level, psnr in measured if level is not None and math.isfinite(psnr)]
    return plots.Line(_method(results[0]), kind, points)


def _gains(results: Sequence[Result]) -> str:
    """Return in a sentence what the network gains on one set."""
    inputs = {r.level: r.mean.psnr for r in results if r.method == INPUT}
    ours = [r for r in results if r.method != INPUT and r.level in inputs]
    gains = [r.mean.psnr - inputs[r.level] for r in ours]
    low, high = (signed(f(gains)) for f in (min, max))
    span = low if low == high else f"{low} to {high}"
    pictures = max(len(r.rows) for r in ours)
    return (
        f"{_method(ours[0])} changes PSNR by {span} dB on {ours[0].dataset}, the mean over "
        f"{pictures} picture{'s' if pictures > 1 else ''}{' at each level' if len(gains) > 1 else ''}."
    )


def _headings(results: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(title(r.protocol, r.task) for r in results))


def _table(results: Sequence[Result], heading: str, network: str | None) -> dict[str, Any]:
    """Return the means of one protocol and task, for the template."""
    own = [r for r in results if title(r.protocol, r.task) == heading]
    scale = own[0].task.scale
    has_level = scale is not None and any(r.level is not None for r in own)
    blocking = any(r.mean.psnr_b is not None for r in own)
    columns = ["method", "PSNR", "gain", "SSIM", *(["PSNR-B"] if blocking else []), "MP/s"]
    groups = []
    for dataset, every in groupby(own, key=lambda r: r.dataset):
        group = list(every)
        inputs = {r.level: r.mean.psnr for r in group if r.method == INPUT}
        rows, seen = [], None
        for result in group:
            whole = result.mean
            gain = whole.psnr - inputs.get(result.level, math.nan)
            speed = whole.megapixels / whole.seconds if whole.seconds > 0 else math.nan
            first = result.level != seen
            cells = [
                *([f"{result.level:g}" if first and result.level is not None else ""] if has_level else []),
                _method(result),
                number(whole.psnr, ".2f"),
                "" if result.method == INPUT else number(gain, "+.2f"),
                number(result.ssim, ".4f"),
                *([number(whole.psnr_b, ".2f")] if blocking else []),
                "" if result.method == INPUT else number(speed, ".2f"),
            ]
            kind = "input" if result.method == INPUT else "ours" if result.method == network else "other"
            rows.append({"cells": cells, "printed": _printed(result), "kind": kind, "first": first})
            seen = result.level
        pictures = max(len(r.rows) for r in group)
        groups.append({"name": f"{dataset}, {pictures} picture{'s' if pictures > 1 else ''}", "rows": rows})
    has_paper = any(cell for group in groups for row in group["rows"] for cell in row["printed"])
    level = [scale.name] if scale is not None and has_level else []
    return {
        "title": heading,
        "columns": level + columns,
        "words": 1 + has_level,
        "groups": groups,
        "has_paper": has_paper,
    }


def _printed(result: Result) -> list[str]:
    cell, other = result.against(), result.printed()["best_other"]
    return [
        f"{cell.method} {cell.psnr:.2f} / {cell.ssim:.4f}" if cell else "",
        number(round(result.mean.psnr, 2) - cell.psnr, "+.2f") if cell else "",
        f"{other.method} {other.psnr:.2f} / {other.ssim:.4f}" if other and result.method != INPUT else "",
    ]


def _method(result: Result) -> str:
    return result.method + (", level unknown" if result.told == "unknown" else "")


def _level(result: Result, row: Row) -> str:
    scale = result.task.scale
    return "" if scale is None or row.level is None else f"{scale.name} {row.level:g}"


def _comma(text: str) -> str:
    return f", {text}" if text else ""


def decibel(psnr: float) -> str:
    """Return a PSNR with its unit."""
    return f"{number(psnr, '.2f')} dB"


def signed(difference: float) -> str:
    """Return a difference in dB with its sign."""
    return number(difference, "+.2f")


def number(value: float | None, form: str) -> str:
    """Return a figure for people; empty where there is none."""
    if value is None or math.isnan(value):
        return ""
    return "∞" if math.isinf(value) else format(value, form).replace("-", "−")


def _sorted_by(value: float | None, form: str) -> tuple[str, str]:
    """Return a figure for people and for sorting."""
    if value is None or math.isnan(value):
        return "", "-Infinity"
    return number(value, form), str(value).replace("inf", "Infinity")
