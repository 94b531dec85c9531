"""Draws the neighbours of one node over a window of a photo."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from magn_cli.images import Array, change_depth
from magn_cli.inference.graph_nodes import NodeGrid
from magn_cli.report.regions import Region

Canvas = NDArray[np.uint8]

LINES = 12
"""Strongest neighbours that a line leads to."""

NAMED = 3
"""Strongest neighbours whose weight is written beside them."""

LABEL = 17
"""Height of a written weight, in pixels."""

LARGEST_DISC = 1 / 32
"""Largest radius of a disc, as a share of the window's side."""

SHADE = 0.3
"""Brightness that dropped nodes keep."""

DISC, CASE, LINE = (255, 176, 0), (0, 0, 0), (255, 255, 255)

_SUBPIXELS = 4
"""Bits after the point in the coordinates that OpenCV gets."""


def as_canvas(pixels: Array) -> Canvas:
    """Return pixels of any depth, gray or RGB, as ``(H, W, 3)``, uint8."""
    picture = change_depth(pixels, np.uint8)
    return np.ascontiguousarray(np.dstack([picture] * 3) if picture.ndim == 2 else picture)


def strongest(weights: NDArray[np.float32], count: int) -> list[int]:
    """Return the nodes with the largest weights above 0, the largest first."""
    order = np.argsort(-weights, kind="stable")[:count]
    return [int(node) for node in order if weights[node] > 0]


def draw_neighbours(
    window: Canvas, nodes: NodeGrid, weights: NDArray[np.float32], node: int, zoom: int, named: int = NAMED
) -> Canvas:
    """Enlarge a window and draw what one node gets from the others.

    Dropped nodes are dark and gray. The area of a disc is in proportion to the weight of its node. Lines lead to
    the strongest neighbours.

    Args:
        window: ``(H, W, 3)``.
        nodes: where the nodes lie.
        weights: weight of each node, ``(N,)``; 0 for dropped ones.
        node: the node whose neighbours are drawn.
        zoom: whole factor by which the window is enlarged.
        named: number of the strongest neighbours whose weight is written.

    Returns:
        ``(H * zoom, W * zoom, 3)``.
    """
    height, width = window.shape[:2]
    canvas = _shaded(window, nodes, weights).repeat(zoom, 0).repeat(zoom, 1)
    thick = max(zoom // 4, 1)
    most, order = float(weights.max()), strongest(weights, len(weights))
    centre = nodes.centre(node)
    for other in order[:LINES][::-1]:
        _line(canvas, centre, nodes.centre(other), zoom, thick)
    widest = min(0.48 * nodes.rows.step, LARGEST_DISC * max(height, width))
    for other in order[::-1]:
        _disc(canvas, nodes.centre(other), widest * float(weights[other] / most) ** 0.5, zoom)
    wide, high = nodes.columns.side / 2, nodes.rows.side / 2
    box = (centre[0] - wide, centre[1] - high, centre[0] + wide, centre[1] + high)
    draw_frame(canvas, tuple(side * zoom for side in box), 2 * thick)
    labels = [(nodes.centre(other), f"{100 * weights[other]:.1f} %") for other in order[:named] if other != node]
    return _written(canvas, labels, widest, zoom)


def draw_frame(canvas: Canvas, box: tuple[float, ...], thick: int = 1) -> None:
    """Draw a frame that shows on any background: left, top, right and bottom, in pixels of the canvas."""
    left, top, right, bottom = (round(side) for side in box)
    for colour, by in ((CASE, thick), (LINE, 0)):
        cv2.rectangle(canvas, (left - by, top - by), (right - 1 + by, bottom - 1 + by), colour, thick)


def _shaded(window: Canvas, nodes: NodeGrid, weights: NDArray[np.float32]) -> Canvas:
    height, width = window.shape[:2]
    shaded = np.array(window)
    gray = (window @ np.array([0.299, 0.587, 0.114]) * SHADE)[..., None]
    for node in np.flatnonzero(weights <= 0):
        row, column = divmod(int(node), nodes.columns.count)
        part = tuple(
            slice(round(low), round(high))
            for low, high in (nodes.rows.own(row, height), nodes.columns.own(column, width))
        )
        shaded[part] = gray[part]
    return shaded


def _line(canvas: Canvas, a: tuple[float, float], b: tuple[float, float], zoom: int, thick: int) -> None:
    start, end = _fixed(a, zoom), _fixed(b, zoom)
    for colour, width in ((CASE, thick + 2), (LINE, thick)):
        cv2.line(canvas, start, end, colour, width, cv2.LINE_AA, _SUBPIXELS)


def _disc(canvas: Canvas, centre: tuple[float, float], radius: float, zoom: int) -> None:
    for colour, more in ((CASE, 1.0), (DISC, 0.0)):
        reach = round((radius * zoom + more) * (1 << _SUBPIXELS))
        cv2.circle(canvas, _fixed(centre, zoom), reach, colour, cv2.FILLED, cv2.LINE_AA, _SUBPIXELS)


def _fixed(point: tuple[float, float], zoom: int) -> tuple[int, int]:
    return round(point[0] * zoom * (1 << _SUBPIXELS)), round(point[1] * zoom * (1 << _SUBPIXELS))


def _written(
    canvas: Canvas, labels: Sequence[tuple[tuple[float, float], str]], widest: float, zoom: int
) -> Canvas:
    """Write weights beside their nodes, within the canvas and not over each other."""
    if not labels:
        return canvas
    sheet = Image.fromarray(canvas)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    taken: list[Region] = []
    for (x, y), text in labels:
        length = round(pen.textlength(text, font)) + 6
        top = min(max(round(y * zoom) - 8, 0), sheet.height - LABEL)
        beside = (round((x + widest) * zoom) + 2, round((x - widest) * zoom) - 2 - length)
        spots = [Region(left, top, length, LABEL) for left in beside if 0 <= left <= sheet.width - length]
        spot = next((s for s in spots if not any(_overlap(s, other) for other in taken)), None)
        if spot is None:
            continue
        taken.append(spot)
        pen.rectangle((spot.x, spot.y, spot.x + spot.width, spot.y + spot.height), fill=(0, 0, 0))
        pen.text((spot.x + 3, spot.y + LABEL // 2), text, fill=(255, 255, 255), font=font, anchor="lm")
    return np.asarray(sheet)


def _overlap(a: Region, b: Region) -> bool:
    return abs(a.x - b.x) < max(a.width, b.width) and abs(a.y - b.y) < a.height
