"""Plots of PSNR against the level, as SVG with the colours of the page."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from xml.sax.saxutils import escape

from magn_cli.files import printable
from magn_cli.report import plotting


@dataclass(frozen=True)
class Line:
    """Results of one method at all levels of a set."""

    name: str
    kind: str
    """``input``, ``ours``, ``other``, or ``printed`` for figures of the paper."""

    points: Sequence[tuple[float, float]]
    """Pairs of level and PSNR in dB."""


@dataclass(frozen=True)
class Plot:
    """All methods on one set."""

    title: str
    level: str
    """Name of the level, such as ``sigma``."""

    lines: Sequence[Line]

    def description(self) -> str:
        """Return the figures as text, for screen readers."""
        figures = {
            line.name: ", ".join(f"{psnr:.2f} dB at {self.level} {level:g}" for level, psnr in line.points)
            for line in self.lines
        }
        return " ".join(f"{printable(name)}: {said}." for name, said in figures.items())


def svg(plot: Plot, number: int) -> str:
    """Return an ``<svg>`` element with title and description. ``number`` must be unique in the page."""
    drawn = io.StringIO()
    plot = replace(plot, title=printable(plot.title))
    with plotting.style():
        figure = plotting.figure(4.6, 3.1)
        axes = figure.subplots()
        others = itertools.cycle(plotting.OTHERS)
        labels = []
        levels = sorted({level for line in plot.lines for level, _ in line.points})
        for line in plot.lines:
            colour = {"input": plotting.SOFT, "ours": plotting.OURS, "printed": plotting.PRINTED}.get(line.kind)
            colour = colour or next(others)
            dashes = {"printed": (0, (2, 2)), "input": "solid"}.get(line.kind, "solid")
            xs, ys = zip(*sorted(line.points), strict=True)
            axes.plot(xs, ys, color=colour, linestyle=dashes, marker="o", markerfacecolor=_filled(line, colour))
            labels.append((xs[-1], ys[-1], printable(line.name), colour))
        axes.set_xticks(levels, [f"{level:g}" for level in levels])
        axes.set_xlabel(plot.level)
        axes.set_title(f"PSNR in dB, {plot.title}", parse_math=False)
        axes.margins(x=0.03, y=0.08)
        plotting.label_lines(axes, labels)
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    return _for_page(drawn.getvalue(), plot, number)


def _filled(line: Line, colour: str) -> str:
    return plotting.PAPER if line.kind == "printed" else colour


def _for_page(text: str, plot: Plot, number: int) -> str:
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    head, _, rest = text.partition(">")
    box = re.search(r'viewBox="[^"]+"', head)
    assert box is not None
    names = {
        plotting.INK: "ink",
        plotting.SOFT: "soft",
        plotting.RULE: "rule",
        plotting.PAPER: "paper",
        plotting.OURS: "ours",
        plotting.PRINTED: "printed",
        **{colour: f"other-{i}" for i, colour in enumerate(plotting.OTHERS, 1)},
    }
    for colour, name in names.items():
        rest = rest.replace(colour, f"var(--{name})")
    # Ids must be unique in the page, but each figure starts with the same ones.
    rest = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>plot{number}-", rest)
    return (
        f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" {box[0]} role="img" '
        f'aria-labelledby="plot{number}-title plot{number}-description">'
        f'<title id="plot{number}-title">{escape(f"PSNR against {plot.level}, {plot.title}")}</title>'
        f'<desc id="plot{number}-description">{escape(plot.description())}</desc>{rest}'
    )
