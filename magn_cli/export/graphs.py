"""The graph blocks as ONNX nodes; shapes as in ``magn_cli/model/graph.py``."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from magn_cli.export.builder import Builder, Value
from magn_cli.export.layers import array, convolution, prelu
from magn_cli.export.placing import cut, patches, together
from magn_cli.model.graph import MAX_SCORE_SCALE, PatchGraph, PixelGraph, ScoreScale
from magn_cli.model.kernels.blocked import MASKED

SHORTEST = 1e-12
"""Shortest length that ``torch.nn.functional.normalize`` divides by."""


def graph_block(b: Builder, block: nn.Module, x: Value, height: Value, width: Value) -> Value:
    """Add a graph block (eq. 3); ``(B, F, H, W)`` in and out."""
    first = _convolution(b, block.get_submodule("first"), x, height, width)
    inner = prelu(b, block.get_submodule("activation"), first)
    return b.op("Add", x, _convolution(b, block.get_submodule("second"), inner, height, width))


def _convolution(b: Builder, layer: nn.Module, x: Value, height: Value, width: Value) -> Value:
    """Add a graph convolution (eq. 11), whose batch norm is folded."""
    assert isinstance(layer.get_submodule("norm"), nn.Identity)
    parts = []
    for graph in layer.get_submodule("graphs").children():
        if isinstance(graph, PixelGraph):
            parts.append(_pixel_graph(b, graph, x, height, width))
        else:
            assert isinstance(graph, PatchGraph)
            parts.append(_patch_graph(b, graph, x, height, width))
    joined = b.op("Sum", *parts) if len(parts) > 1 else parts[0]
    return convolution(b, layer.get_submodule("join"), joined)


def _sequence(b: Builder, layers: nn.Sequential, x: Value) -> Value:
    for layer in layers:
        x = convolution(b, layer, x) if isinstance(layer, nn.Conv2d) else prelu(b, layer, x)
    return x


def _pixel_graph(b: Builder, graph: PixelGraph, x: Value, height: Value, width: Value) -> Value:
    def nodes(features: Value) -> Value:
        """``(B, F, H, W)`` to ``(B, heads, H * W, F / heads)``."""
        return b.transpose(b.op("Reshape", features, b.whole(0, graph.heads, each, -1)), 0, 1, 3, 2)

    features = graph.weight.out_channels
    each = features // graph.heads
    query, key = _scaled(
        b, graph.scale, nodes(_sequence(b, graph.query, x)), nodes(_sequence(b, graph.key, x)), each
    )
    out = _attention(b, query, key, nodes(convolution(b, graph.weight, x)))
    return b.reshape(b.transpose(out, 0, 2, 1), -1, features, height, width)


def _patch_graph(b: Builder, graph: PatchGraph, x: Value, height: Value, width: Value) -> Value:
    heads, size = graph.heads, graph.size
    rows, columns = (patches(b, side, size, graph.stride, graph.padding) for side in (height, width))
    count = b.op("Mul", rows.count, columns.count)
    convolved = graph.value[0]
    assert isinstance(convolved, nn.Conv2d)
    features = convolved.out_channels
    each = features // heads

    def unfolded(maps: Value) -> Value:
        """``(B, F, H, W)`` to ``(B, heads, count, F / heads * size * size)``."""
        around = b.op("Pad", maps, b.whole(*(0, 0, graph.padding, graph.padding) * 2), b.number(0))
        pieces = b.reshape(cut(b, around, rows, columns), -1, each, rows.count, size, columns.count, size)
        return b.reshape(b.transpose(pieces, 0, 2, 4, 1, 3, 5), -1, heads, count, each * size**2)

    def reduced(layers: nn.Sequential, by: nn.ModuleList) -> Value:
        """Reduce each patch by the fully connected layer of its head; ``(B, heads, count, features)``."""
        linear, slopes = [layer.get_submodule("0") for layer in by], [layer.get_submodule("1") for layer in by]
        weight = np.stack([array(layer.get_parameter("weight")).T for layer in linear])
        bias = np.stack([array(layer.get_parameter("bias"))[None] for layer in linear])
        slope = np.stack([array(layer.get_parameter("weight")).reshape(1, 1) for layer in slopes])
        product = b.op("MatMul", unfolded(_sequence(b, layers, x)), b.constant(weight))
        return b.op("PRelu", b.op("Add", product, b.constant(bias)), b.constant(slope))

    query, key = _scaled(
        b,
        graph.scale,
        reduced(graph.query, graph.reduce_query),
        reduced(graph.key, graph.reduce_key),
        graph.reduce_query[0].get_submodule("0").get_parameter("bias").numel(),
    )
    out = _attention(b, query, key, unfolded(_sequence(b, graph.value, x)))
    pieces = b.transpose(b.reshape(out, -1, rows.count, columns.count, each, size, size), 0, 3, 1, 4, 2, 5)
    high, wide = (b.op("Mul", placing.count, b.whole(size)) for placing in (rows, columns))
    return together(b, b.reshape(pieces, -1, features, high, wide), rows, columns)


def _scaled(b: Builder, scale: ScoreScale, query: Value, key: Value, width: int) -> tuple[Value, Value]:
    """Scale queries and keys ``(B, heads, N, width)``."""
    if scale.scale is None:
        return b.op("Mul", query, b.number(width**-0.5)), key
    factor = b.constant(array(scale.scale.clamp(max=MAX_SCORE_SCALE)).reshape(-1, 1, 1))
    return b.op("Mul", _normalized(b, query), factor), _normalized(b, key)


def _normalized(b: Builder, x: Value) -> Value:
    return b.op("Div", x, b.op("Max", b.reduced("ReduceL2", x, -1), b.number(SHORTEST)))


def _attention(b: Builder, query: Value, key: Value, value: Value) -> Value:
    """Add mean-masked attention, as in ``magn_cli/model/attention.py``.

    Groups are computed one after the other, since the scores of one are large enough.

    Args:
        b: the builder.
        query: ``(B, heads, N, d)``.
        key: ``(B, heads, N, d)``.
        value: ``(B, heads, N, e)``.

    Returns:
        ``(B * heads, N, e)``.
    """
    centred = b.op("Sub", key, b.reduced("ReduceMean", key, -2))
    longest = b.reduced("ReduceMax", b.reduced("ReduceL2", key, -1), -2)
    lowest = b.op("Mul", b.reduced("ReduceL2", query, -1), b.op("Mul", longest, b.number(-4 * torch.finfo().eps)))

    def groups(x: Value) -> Value:
        sides = b.op("Shape", x, start=2)
        return b.op("Reshape", x, b.op("Concat", b.whole(-1), sides, axis=0))

    parts = [groups(x) for x in (query, b.transpose(centred, 0, 1, 3, 2), value, lowest)]

    def attended(inner: Builder, turn: Value) -> Value:
        q, k, v, least = (inner.op("Gather", part, turn, axis=0) for part in parts)
        scores = inner.op("MatMul", q, k)
        kept = inner.op("Where", inner.op("Less", scores, least), inner.number(MASKED), scores)
        return inner.op("MatMul", inner.op("Softmax", kept, axis=-1), v)

    return b.each(b.side(parts[0], 0), attended)
