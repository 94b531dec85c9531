"""Prepares the tables and plots of an evaluation's report as plain values for its template."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from magn_cli.evaluation.report import MethodResult, title
from magn_cli.evaluation.run import ssim_name
from magn_cli.report import formatting
from magn_cli.report.plots import Line, Plot

INPUT = "input"
"""Name of the method that returns the degraded picture itself."""


def gains(results: Sequence[MethodResult]) -> str | None:
    """Return a sentence about the network's gain on one set; None if it is not finite."""
    inputs = {r.level: r.mean.psnr for r in results if r.method == INPUT}
    ours = [r for r in results if r.method != INPUT and r.level in inputs]
    found = [r.mean.psnr - inputs[r.level] for r in ours]
    if not found or not all(map(math.isfinite, found)):
        return None
    form = ".2f" if min(found) > 0 else "+.2f"
    low, high = (formatting.number(f(found), form) for f in (min, max))
    span = low if low == high else f"{low} to {high}"
    verb = "gains" if min(found) > 0 else "changes PSNR by"
    pictures = max(len(r.rows) for r in ours)
    return (
        f"{formatting.method(ours[0])} {verb} {span} dB on {ours[0].dataset}, the mean over "
        f"{pictures} picture{'s' if pictures > 1 else ''}{' at each level' if len(found) > 1 else ''}."
    )


def means(results: Sequence[MethodResult], heading: str, network: str | None) -> dict[str, Any]:
    """Return the table of means for one protocol and task."""
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
                formatting.method(result),
                formatting.number(whole.psnr, ".2f"),
                "" if result.method == INPUT else formatting.number(gain, "+.2f"),
                formatting.number(result.ssim, ".4f"),
                *([formatting.number(whole.psnr_b, ".2f")] if blocking else []),
                "" if result.method == INPUT else formatting.number(speed, ".2f"),
            ]
            kind = "input" if result.method == INPUT else "ours" if result.method == network else "other"
            rows.append({"cells": cells, "printed": _printed(result), "kind": kind, "first": first})
            seen = result.level
        pictures = max(len(r.rows) for r in group)
        groups.append({"name": f"{dataset}, {pictures} picture{'s' if pictures > 1 else ''}", "rows": rows})
    has_paper = any(cell for result in own for cell in _printed(result))
    level = [scale.name] if scale is not None and has_level else []
    return {
        "title": heading,
        "columns": level + columns,
        "words": 1 + has_level,
        "groups": groups,
        "has_paper": has_paper,
    }


def _printed(result: MethodResult) -> list[str]:
    cell, other = result.against(), result.printed()["best_other"]
    return [
        str(cell) if cell else "",
        formatting.number(round(result.mean.psnr, 2) - cell.psnr, "+.2f") if cell else "",
        str(other) if other and result.method != INPUT else "",
    ]


def each_picture(
    results: Sequence[MethodResult], numbers: Mapping[tuple[str, str, float | None, str], int]
) -> dict[str, Any]:
    """Return the table of all pictures.

    Args:
        results: results of the evaluation.
        numbers: number of the picture in the page by set, task, level and name.
    """
    others = [r for r in results if r.method != INPUT] or list(results)
    blocking = any(r.mean.psnr_b is not None for r in others)
    several = {
        "set": len({r.dataset for r in others}) > 1,
        "level": any(row.level is not None for r in others for row in r.rows),
        "method": len({formatting.method(r) for r in others}) > 1,
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
                *([(formatting.method(result),) * 2] if several["method"] else []),
                *([formatting.sortable(row.level, "g")] if several["level"] else []),
                formatting.sortable(before, ".2f"),
                formatting.sortable(row.psnr, ".2f"),
                formatting.sortable(row.psnr - before, "+.2f"),
                formatting.sortable(ssim, ".4f"),
                *([formatting.sortable(row.psnr_b, ".2f")] if blocking else []),
            ]
            rows.append({"name": row.name, "target": numbers.get(key), "cells": cells})
    return {"columns": columns + (["PSNR-B"] if blocking else []), "words": len(words), "rows": rows}


def plots_of(results: Sequence[MethodResult], network: str | None) -> list[Plot]:
    """Return a plot for each set with several levels."""
    found = []
    for dataset, every in groupby(results, key=lambda r: r.dataset):
        group = list(every)
        if group[0].task.scale is None or len({r.level for r in group}) < 2:
            continue
        methods = list(dict.fromkeys(r.method for r in group))
        lines = [
            _line(r.method, [s for s in group if s.method == r.method], network) for r in group[: len(methods)]
        ]
        if network in methods:
            cells = {r.level: r.printed()["magn"] for r in group}
            points = [(level, cell.psnr) for level, cell in cells.items() if level is not None and cell]
            if points:
                lines.append(Line("MAGN (paper)", "printed", points))
        found.append(Plot(dataset, group[0].task.scale.name, [line for line in lines if line.points]))
    return found


def _line(method: str, results: Sequence[MethodResult], network: str | None) -> Line:
    kind = "input" if method == INPUT else "ours" if method == network else "other"
    measured = [(r.level, r.mean.psnr) for r in results]
    points = [(level, psnr) for level, psnr in measured if level is not None and math.isfinite(psnr)]
    return Line(formatting.method(results[0]), kind, points)
