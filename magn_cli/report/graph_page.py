"""The HTML page of ``magn graph``: click a node of one window, see its neighbours."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from torch import Tensor

from magn_cli.errors import UsageError
from magn_cli.images import Photo, preview
from magn_cli.inference.graph_choice import GraphChoice
from magn_cli.inference.graph_nodes import NodeAxis
from magn_cli.inference.graph_window import GraphWindow, WindowGraph
from magn_cli.report import page
from magn_cli.report.embedding import data_url
from magn_cli.report.graph_drawing import as_canvas
from magn_cli.report.graph_still import window_drawing

OVERVIEW_SIDE = 640
"""Longest side of the whole photo on the page, in pixels."""

LEVELS = 32767
"""Largest whole number that queries and keys are rounded to."""

SEPARATOR = ", "

_ORDINALS = ("", "first", "second")


def graph_page(
    photo: Photo, name: str, window: GraphWindow, choice: GraphChoice, limit: float = page.LIMIT
) -> str:
    """Return the page as HTML.

    It holds the queries and keys of all graphs of the window as 16-bit numbers. From these, its script computes
    the weights of one node at a time. They take much less room than N x N weights for each head.

    Args:
        photo: the whole photo.
        name: its name.
        window: the window to show.
        choice: the graph and head that are shown first.
        limit: maximum size of the page in megabytes. Graphs that do not fit are left out.

    Raises:
        UsageError: not even the chosen graph fits.
    """
    encoded = [json.dumps(_graph(graph)) for graph in window.graphs]
    first = window.graphs.index(window.graph(choice))
    values = _values(photo, name, window, choice)
    empty = len(_rendered(window, choice, values, [], 0).encode())
    room = limit * 1e6 - empty - len(encoded[first])
    if room < 0:
        needed = (empty + len(encoded[first])) / 1e6
        raise UsageError(
            f"the page needs {needed:.1f} MB, more than --html-limit {limit:g}: raise the limit, or write a "
            "picture such as graph.png."
        )
    kept = [first]
    for index, text in enumerate(encoded):
        if index != first and room >= len(text) + len(SEPARATOR):
            kept.append(index)
            room -= len(text) + len(SEPARATOR)
    kept.sort()
    return _rendered(window, choice, values, [encoded[i] for i in kept], kept.index(first))


def _rendered(
    window: GraphWindow, choice: GraphChoice, values: dict[str, Any], graphs: Sequence[str], first: int
) -> str:
    """Render the page with some of the graphs, as JSON; ``first`` is the number of the one shown first."""
    rows, columns = window.pixels.shape[:2]
    height, width = window.photo_size
    data = {
        "window": {"left": window.left, "top": window.top, "width": columns, "height": rows},
        "photo": {"width": width, "height": height},
        "first": {"graph": first, "head": choice.head or 0, "node": window.node(window.graph(choice))},
    }
    return page.render(
        "graph.html.j2",
        [],
        limit=0,
        script="graph.js",
        styles=("style.css", "graph.css"),
        left_out=len(window.graphs) - len(graphs),
        data=f'{json.dumps(data)[:-1]}, "graphs": [{SEPARATOR.join(graphs)}]}}',
        **values,
    )


def _values(photo: Photo, name: str, window: GraphWindow, choice: GraphChoice) -> dict[str, Any]:
    """Return what the template needs beside the graphs themselves."""
    rows, columns = window.pixels.shape[:2]
    height, width = window.photo_size
    icc = photo.metadata.icc
    return {
        "title": f"magn graph: {name}",
        "heading": f"The graph in {name}",
        "subtitle": f"{window.task}, {window.level}; network {window.network}; {page.today()}",
        "name": name,
        "window": window,
        "columns": columns,
        "rows": rows,
        "picture": data_url("png", preview.lossless(window.pixels, icc=icc)),
        "overview": _overview(photo),
        "mark": _mark(window),
        "padded": window.left < 0 or window.top < 0 or window.left + columns > width or window.top + rows > height,
        "still": data_url("webp", preview.smaller(preview.lossless(window_drawing(window, choice), icc=icc), 80)),
        "heads": window.graph(choice).heads,
        "sizes": _sizes(window.graphs),
        "convolutions": len({(g.block, g.convolution) for g in window.graphs}),
        "total": len(window.graphs),
    }


def _graph(graph: WindowGraph) -> dict[str, Any]:
    return {
        "level": graph.level,
        "step": f"block {graph.block}, {_ORDINALS[graph.convolution]} convolution",
        "rows": _axis(graph.nodes.rows),
        "columns": _axis(graph.nodes.columns),
        "query": _packed(graph.query),
        "key": _packed(graph.key),
    }


def _axis(axis: NodeAxis) -> dict[str, int]:
    return {"count": axis.count, "start": axis.start, "step": axis.step, "side": axis.side}


def _packed(values: Tensor) -> dict[str, Any]:
    """Round ``(heads, N, d)`` to 16 bits, with one step for each head."""
    array = values.numpy().astype(np.float64)
    steps = np.maximum(np.abs(array).max(axis=(1, 2)), np.finfo(np.float32).tiny) / LEVELS
    whole = np.rint(array / steps[:, None, None]).astype("<i2")
    return {"steps": steps.tolist(), "width": array.shape[2], "data": base64.b64encode(whole.tobytes()).decode()}


def _sizes(graphs: Sequence[WindowGraph]) -> list[dict[str, Any]]:
    """Return what the page says of each level: its name, the number of its nodes and their side."""
    found = {}
    for graph in graphs:
        rows = graph.nodes.rows
        about = {"nodes": len(graph.nodes), "side": rows.side, "overlaps": rows.side > rows.step}
        found[graph.level] = {"level": graph.level, **about}
    return list(found.values())


def _overview(photo: Photo) -> str:
    height, width = photo.pixels.shape[:2]
    scale = min(OVERVIEW_SIDE / max(height, width), 1)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    small = cv2.resize(as_canvas(photo.pixels), size, interpolation=cv2.INTER_AREA)
    png = preview.lossless(np.asarray(small), icc=photo.metadata.icc)
    return data_url("webp", preview.smaller(png, 85))


def _mark(window: GraphWindow) -> dict[str, float]:
    """Return where the window lies in the photo, in percent of its sides."""
    (height, width), (rows, columns) = window.photo_size, window.pixels.shape[:2]
    left, top = max(window.left, 0), max(window.top, 0)
    right, bottom = min(window.left + columns, width), min(window.top + rows, height)
    return {
        "left": 100 * left / width,
        "top": 100 * top / height,
        "width": 100 * (right - left) / width,
        "height": 100 * (bottom - top) / height,
    }
