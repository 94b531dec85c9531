"""The picture of ``magn graph``: the neighbours of one node, for all heads together and for each."""

from __future__ import annotations

import math

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from magn_cli.files import printable
from magn_cli.images import Photo
from magn_cli.inference.graph_choice import GraphChoice
from magn_cli.inference.graph_window import GraphWindow, WindowGraph
from magn_cli.report import plotting
from magn_cli.report.graph_drawing import Canvas, as_canvas, draw_frame, draw_neighbours

MARGIN, GAP, LINE = 24, 16, 28
LEFT, RIGHT = 480, 768
"""Widths of the two columns, in pixels."""

HIGHEST = 400
"""Maximum height of the whole photo, in pixels."""

MAX_HEADS = 16
"""Networks with more heads get no pictures of single heads."""


def still(photo: Photo, name: str, window: GraphWindow, choice: GraphChoice) -> Canvas:
    """Draw a node's neighbours, with the photo and the single heads beside them.

    Args:
        photo: the whole photo.
        name: its name.
        window: the window with the node.
        choice: which graph and head.

    Returns:
        ``(H, W, 3)``, uint8.
    """
    graph = window.graph(choice)
    main = _drawn(window, graph, choice.head, RIGHT, named=5)
    overview = _overview(photo, window)
    heads = _heads(window, graph, choice.head)
    height = max(main.shape[0], overview.shape[0] + (GAP + heads.shape[0] if heads is not None else 0))
    sheet = Image.new("RGB", (2 * MARGIN + LEFT + GAP + RIGHT, 2 * MARGIN + 3 * LINE + height), plotting.PAPER)
    pen = ImageDraw.Draw(sheet)
    _write(pen, (MARGIN, MARGIN - 4), _title(name, window, graph, choice), 20)
    top = MARGIN + LINE + 8
    sheet.paste(Image.fromarray(overview), (MARGIN, top))
    if heads is not None:
        sheet.paste(Image.fromarray(heads), (MARGIN, top + overview.shape[0] + GAP))
    sheet.paste(Image.fromarray(main), (MARGIN + LEFT + GAP, top))
    for row, text in enumerate(_caption(window, graph, choice)):
        _write(pen, (MARGIN, top + height + 10 + row * 22), text, 15)
    return np.asarray(sheet)


def window_drawing(window: GraphWindow, choice: GraphChoice) -> Canvas:
    """Draw only the window with the neighbours of its node."""
    return _drawn(window, window.graph(choice), choice.head, RIGHT, named=5)


def _drawn(window: GraphWindow, graph: WindowGraph, head: int | None, width: int, named: int) -> Canvas:
    node, pixels = window.node(graph), as_canvas(window.pixels)
    zoom = max(width // max(pixels.shape[:2]), 1)
    return draw_neighbours(pixels, graph.nodes, graph.weights(node, head), node, zoom, named)


def _overview(photo: Photo, window: GraphWindow) -> Canvas:
    """Draw the photo with a frame around the window."""
    height, width = window.photo_size
    scale = min(LEFT / width, HIGHEST / height)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    small = np.array(cv2.resize(as_canvas(photo.pixels), size, interpolation=way), np.uint8)
    rows, columns = window.pixels.shape[:2]
    box = (
        max(window.left, 0) * scale,
        max(window.top, 0) * scale,
        min(window.left + columns, width) * scale,
        min(window.top + rows, height) * scale,
    )
    draw_frame(small, box)
    return small


def _heads(window: GraphWindow, graph: WindowGraph, chosen: int | None) -> Canvas | None:
    """Draw the window for each head, numbered, in a square arrangement."""
    if not 1 < graph.heads <= MAX_HEADS:
        return None
    across = math.ceil(math.sqrt(graph.heads))
    side = (LEFT - GAP * (across - 1)) // across
    parts: list[Canvas] = []
    for head in range(1, graph.heads + 1):
        # Drawn larger and reduced, so that its lines are thin and smooth.
        part = _drawn(window, graph, head, 2 * max(side, *window.pixels.shape[:2]), named=0)
        scale = side / max(part.shape[:2])
        size = round(part.shape[1] * scale), round(part.shape[0] * scale)
        parts.append(np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8))
    high, wide = parts[0].shape[:2]
    down = -(-len(parts) // across)
    sheet = Image.new("RGB", (LEFT, down * (high + LINE)), plotting.PAPER)
    pen = ImageDraw.Draw(sheet)
    for index, part in enumerate(parts):
        at = (index % across) * (wide + GAP), index // across * (high + LINE)
        sheet.paste(Image.fromarray(part), (at[0], at[1] + LINE - 6))
        kept = int((graph.weights(window.node(graph), index + 1) > 0).sum())
        mark = " (shown)" if index + 1 == chosen else ""
        _write(pen, at, f"head {index + 1}: {kept} of {len(graph.nodes)}{mark}", 14)
    return np.asarray(sheet)


def _title(name: str, window: GraphWindow, graph: WindowGraph, choice: GraphChoice) -> str:
    head = f"mean of {graph.heads} heads" if choice.head is None else f"head {choice.head}"
    where = f"block {graph.block}, convolution {graph.convolution}"
    return f"{printable(name)} at {window.at[0]},{window.at[1]}: {graph.level} graph, {where}, {head}"


def _caption(window: GraphWindow, graph: WindowGraph, choice: GraphChoice) -> list[str]:
    weights = graph.weights(window.node(graph), choice.head)
    kept = int((weights > 0).sum())
    side = graph.nodes.rows.side
    rows, columns = window.pixels.shape[:2]
    dropped = "below the mean" if choice.head is not None else "below the mean for every head"
    return [
        f"One window of {columns} x {rows} pixels; a node is {side} x {side} pixels. The framed node keeps {kept} "
        f"of {len(weights)} nodes as its neighbours; the dark ones scored {dropped} and are dropped.",
        "The area of a disc is the weight of that neighbour; all weights add up to 100 %. Lines lead to the "
        f"strongest. {window.task}, {window.level}, {window.network}.",
    ]


def _write(pen: ImageDraw.ImageDraw, at: tuple[int, int], text: str, size: int) -> None:
    pen.text(at, text, fill=plotting.INK, font=ImageFont.load_default(size))
