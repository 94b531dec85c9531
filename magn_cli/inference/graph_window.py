"""The graphs that a network builds in one window of a photo: their nodes, and what their edges are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from magn_cli import images
from magn_cli.analysis import findings
from magn_cli.images import Array, Photo
from magn_cli.inference.dihedral import DihedralTransform
from magn_cli.inference.edges import edge_weights
from magn_cli.inference.graph_choice import GraphChoice, check_inside
from magn_cli.inference.graph_nodes import NodeAxis, NodeGrid, stored_position, transformed, transformed_corner
from magn_cli.inference.memory import Tile
from magn_cli.inference.options import Level
from magn_cli.inference.padding import padding_index
from magn_cli.inference.picture import PhotoRestorer
from magn_cli.inference.restored_photo import describe_level
from magn_cli.inference.tiled_inference import TiledInference
from magn_cli.inference.tiling import Span, blending, windows
from magn_cli.model import Magn, MagnConfig
from magn_cli.model.config import GraphLevel
from magn_cli.model.graph import GraphBlock, PatchGraph, PixelGraph
from magn_cli.tasks import FoundLevel


@dataclass(frozen=True, eq=False)
class WindowGraph:
    """One graph of a window. Nodes are numbered row by row, as displayed."""

    level: GraphLevel
    block: int
    """Number of the graph block, from 1."""

    convolution: int
    """1 or 2: which graph convolution of the block."""

    nodes: NodeGrid
    """Where the nodes lie in the window, as displayed."""

    query: Tensor
    """``(heads, N, d)``, scaled, float32 on the CPU."""

    key: Tensor
    """``(heads, N, d)``."""

    @property
    def heads(self) -> int:
        """Number of heads."""
        return len(self.query)

    def weights(self, node: int, head: int | None = None) -> NDArray[np.float32]:
        """Return the weight of each node for one node's result, ``(N,)``; 0 where the mask drops the edge.

        Args:
            node: the node whose neighbours are wanted.
            head: number of the head, from 1; None for the mean of all heads.
        """
        of_heads = edge_weights(self.query, self.key, slice(node, node + 1))[:, 0]
        return np.asarray(of_heads.mean(0) if head is None else of_heads[head - 1])


@dataclass(frozen=True, eq=False)
class GraphWindow:
    """One of the windows in which ``restore`` runs the graphs of a network over a photo."""

    pixels: Array
    """The window as displayed, ``(H, W)`` or ``(H, W, 3)``; padded where it reaches over the edge of the photo."""

    left: int
    """Column of the photo at which the window begins; negative in the padding."""

    top: int
    """Row of the photo at which the window begins."""

    photo_size: tuple[int, int]
    """Height and width of the photo, as displayed."""

    at: tuple[int, int]
    """x and y of the pixel that the window was chosen for, in the photo."""

    graphs: tuple[WindowGraph, ...]
    """All graphs, in the order of the network."""

    task: str
    level: str
    """The degradation level in words, and where it comes from."""

    network: str
    """Name of the network."""

    def graph(self, choice: GraphChoice) -> WindowGraph:
        """Return the first graph that was asked for, see :meth:`GraphChoice.check`."""
        wanted = (choice.level, choice.block, choice.convolution)
        return next(g for g in self.graphs if (g.level, g.block, g.convolution) == wanted)

    def node(self, graph: WindowGraph) -> int:
        """Return the node of a graph that is nearest to :attr:`at`."""
        return graph.nodes.at(self.at[0] - self.left, self.at[1] - self.top)

    def describe(self, choice: GraphChoice) -> str:
        """Return the level and what the node keeps, in words."""
        graph = self.graph(choice)
        weights = graph.weights(self.node(graph), choice.head)
        kept = int((weights > 0).sum())
        where = f"{self.at[0]},{self.at[1]}"
        return (
            f"{self.task}, {self.level}; {graph.level} graph at {where}: {kept} of {len(weights)} nodes kept, "
            f"the strongest with a weight of {100 * weights.max():.1f} %"
        )


def graph_window(
    restorer: PhotoRestorer,
    photo: Photo,
    at: tuple[int, int],
    level: Level = "auto",
    known_level: FoundLevel | None = None,
) -> GraphWindow:
    """Return the graphs of the window in which ``restore`` gives a pixel the greatest weight.

    Args:
        restorer: the task and its network.
        photo: the photo.
        at: x and y of the pixel, as displayed, from 0.
        level: degradation level: a number in the task's units, ``auto`` or ``unknown``.
        known_level: the level found in the photo, if it is known already.

    Raises:
        UsageError: the pixel is outside of the photo, or the level is invalid or out of range.
        ImageError: the task cannot be applied to this photo.
    """
    check_inside("the photo", photo, at)
    restorer = restorer.suited(photo)
    found = restorer.resolve(findings.visible(photo), level, known_level)
    stored, options, _ = restorer.prepare(photo)
    task, tiled = restorer.task, restorer.tiled
    network_input = task.network_input(stored, **options)
    margin = task.margin(**options)
    config, bayer = tiled.model.config, task.keeps_bayer_phase
    inference = TiledInference(tiled.model, tiled.device, tiled.dtype, Tile(config.window, config.window), 1)
    index = [padding_index(side, inference.multiple, bayer) for side in network_input.shape[:2]]
    upright = DihedralTransform.of_orientation(photo.turned)
    place = stored_position(*at, upright, stored.shape[:2])
    rows, columns = (window_around(p + m, len(i), config) for p, m, i in zip(place, margin, index, strict=True))
    level_input = restorer.scale.to_network(found.level) if restorer.scale and found.level is not None else None
    nodes = inference.nodes(network_input, level_input, bayer, rows, columns)
    # The margin is a reflection, so its pixels are those inside of the edge.
    sources = [np.abs(i[s.slice] - m) for i, s, m in zip(index, (rows, columns), margin, strict=True)]
    pixels = images.as_seen(stored[sources[0][:, None], sources[1]], photo.turned)
    size = len(rows), len(columns)
    corner = rows.start - margin[0], columns.start - margin[1]
    left, top = transformed_corner(corner, size, upright, stored.shape[:2])
    recorded = _recorded(tiled.model, size, photo.turned)
    with torch.inference_mode(), inference.computing(), recorded as graphs:
        tiled.model.graph(nodes)
    return GraphWindow(
        pixels=np.ascontiguousarray(pixels),
        left=left,
        top=top,
        photo_size=photo.pixels.shape[:2],
        at=at,
        graphs=tuple(graphs),
        task=task.name,
        level=describe_level(restorer.scale, found),
        network=restorer.network,
    )


def window_around(position: int, length: int, config: MagnConfig) -> Span:
    """Return the window whose result counts most at a position, on one axis of the padded picture."""
    spans = windows(length, config.window, config.window_overlap)
    weights = blending(spans, config.window_overlap)
    inside = [
        (w[position - s.start], s) for s, w in zip(spans, weights, strict=True) if s.start <= position < s.stop
    ]
    return max(inside, key=lambda weighted: weighted[0])[1]


@contextmanager
def _recorded(model: Magn, size: tuple[int, int], turned: int) -> Iterator[list[WindowGraph]]:
    """Yield a list that gets the graphs of the next forward pass, with the queries and keys of the network.

    Args:
        model: the network.
        size: height and width of the window as stored, in pixels.
        turned: see :attr:`Photo.turned`. The graphs are turned in the same way.
    """
    graphs: list[WindowGraph] = []
    hooks: list[RemovableHandle] = []
    for block, pair in enumerate(model.graph.blocks, 1):
        assert isinstance(pair, GraphBlock)
        for convolution, graphs_of in enumerate((pair.first.graphs, pair.second.graphs), 1):
            for level, graph in zip(model.config.graphs, graphs_of, strict=True):
                assert isinstance(graph, PixelGraph | PatchGraph)
                rows, columns = (NodeAxis.of(model.config, level, side) for side in size)
                stored = partial(WindowGraph, level, block, convolution, NodeGrid(rows, columns))

                def record(
                    scale: nn.Module,
                    given: object,
                    scaled: tuple[Tensor, Tensor],
                    stored: Callable[..., WindowGraph] = stored,
                ) -> None:
                    graphs.append(_as_seen(stored(*(t[0].float().cpu() for t in scaled)), size, turned))

                hooks.append(graph.scale.register_forward_hook(record))
    try:
        yield graphs
    finally:
        for hook in hooks:
            hook.remove()


def _as_seen(graph: WindowGraph, size: tuple[int, int], turned: int) -> WindowGraph:
    """Return a graph with its nodes in the order in which they are displayed."""
    stored = np.arange(len(graph.nodes)).reshape(graph.nodes.rows.count, graph.nodes.columns.count)
    order = torch.from_numpy(np.ascontiguousarray(images.as_seen(stored, turned)).ravel())
    return replace(
        graph,
        nodes=transformed(graph.nodes, DihedralTransform.of_orientation(turned), size),
        query=graph.query[:, order],
        key=graph.key[:, order],
    )
