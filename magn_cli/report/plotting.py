"""One look for every plot: colours that colour-blind people tell apart, labels at the lines, little else."""

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
"""Blue, vermilion, then green, purple and olive: Okabe and Ito's, darkened until text in them can be read."""

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
    # Text stays text, in a font of the reader's, and the same figure gives the same bytes.
    "svg.fonttype": "none",
    "svg.hashsalt": "magn",
}


def is_available() -> bool:
    """Whether the library that draws is installed."""
    return find_spec("matplotlib") is not None


def style() -> Any:
    """Return a context in which figures are made and saved in this look. Raises ImportError without matplotlib."""
    from matplotlib import rc_context

    @contextmanager
    def styled() -> Iterator[None]:
        with warnings.catch_warnings(), rc_context(_STYLE):
            # The reader's font may have the characters of a name that this machine's lacks.
            warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
            yield

    return styled()


def figure(width: float, height: float) -> Figure:
    """Return an empty figure of so many inches, to be used within :func:`style`."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def label_lines(axes: Axes, labels: Sequence[tuple[float, float, str, str]]) -> None:
    """Write names beside the ends of lines, moved apart where they would lie on each other.

    Args:
        axes: whose limits are set already; it becomes narrower by the names.
        labels: x and y of the end, the name, the colour.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    low, high = axes.get_ylim()
    # The height of a line of text in the axes' own units.
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
