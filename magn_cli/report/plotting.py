"""Common style of all plots, with colours for colour-blind people and labels at the lines."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, RULE, PAPER = "#1f1f1f", "#5c5c5c", "#dcdcdc", "#ffffff"
OURS, PRINTED, OTHERS = "#0069b4", "#b04a00", ("#00785a", "#8c4a85", "#6b6300")
"""Blue, vermilion, green, purple and olive of Okabe and Ito, darkened so that text in them is legible."""

_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "ytick.left": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "lines.solid_capstyle": "round",
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    # Keep text as text, in the reader's font, and make the bytes reproducible.
    "svg.fonttype": "none",
    "svg.hashsalt": "magn",
}


def is_available() -> bool:
    """Return whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def style() -> Any:
    """Return a context manager that applies the style. Raises ImportError without matplotlib."""
    from matplotlib import rc_context

    @contextmanager
    def styled() -> Iterator[None]:
        with warnings.catch_warnings(), rc_context(_STYLE):
            # The reader's font may have the characters of a name that this machine's lacks.
            warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
            yield

    return styled()


def figure(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches, for use within :func:`style`."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def label_lines(axes: Axes, labels: Sequence[tuple[float, float, str, str]]) -> None:
    """Write names beside the ends of lines, without overlaps.

    Args:
        axes: axes with their final limits. They become narrower to make room for the names.
        labels: x and y of the end, name and colour of each line.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    low, high = axes.get_ylim()
    # Height of a line of text in data units.
    step = (high - low) * 13 / 72 * figure.dpi / axes.get_window_extent().height
    placed: list[float] = []
    for x, y, name, colour in sorted(labels, key=lambda label: label[1]):
        height = max([y, *(p + step for p in placed[-1:])])
        placed.append(height)
        axes.annotate(
            name,
            (x, height),
            xytext=(8, 0),
            textcoords="offset points",
            color=colour,
            va="center",
            annotation_clip=False,
            parse_math=False,
        )
