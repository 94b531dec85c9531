"""The network as an ONNX graph: the same stages as in ``magn_cli/model/``, for inputs of any size.

It is written node by node, as neither of the exporters of torch 2.13 can export it with free sides: the older one,
which is deprecated, fails at the folding of patches, the newer one at the count of windows. ``check.py`` compares
the result with torch.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from magn_cli.export.builder import Builder, Value
from magn_cli.export.graphs import graph_block
from magn_cli.export.layers import convolution, residual_blocks
from magn_cli.export.placing import cut, padding, together, windows
from magn_cli.inference.tiling import LATTICE
from magn_cli.model import Magn
from magn_cli.version import __version__

INPUT, LEVEL, OUTPUT = "input", "level", "output"
"""Names of the inputs and the output."""


def onnx_network(model: Magn, opset: int, keeps_bayer: bool, level: float | None = None) -> onnx.ModelProto:
    """Write a network as ONNX.

    Input ``input`` and output ``output`` are ``(batch, C, height, width)``; batch, height and width are free.
    Networks with a level channel also have the input ``level``, ``(batch,)``, unless ``level`` is given here.

    Args:
        model: the network, folded, float32.
        opset: version of ONNX's operators.
        keeps_bayer: pad so that even tiny pictures keep their Bayer phase.
        level: value of the level channel to build in; None to make it an input.
    """
    b, config = Builder(opset), model.config
    asked = config.level_channel and level is None
    given = b.constant(np.array([level], np.float32)) if level is not None else LEVEL
    height, width = b.side(INPUT, 2), b.side(INPUT, 3)
    multiple = int(np.lcm(LATTICE, config.multiple))
    rows, columns = (padding(b, side, multiple, keeps_bayer) for side in (height, width))
    padded = b.op("Gather", b.op("Gather", INPUT, rows, axis=2), columns, axis=3)
    features = _encoded(b, model, padded, given if config.level_channel else None)
    nodes = features
    if model.graph.gather is not None:
        nodes = residual_blocks(b, model.graph.before, convolution(b, model.graph.gather, features))
    nodes = _graph(b, model, nodes)
    if model.graph.gather is not None:
        nodes = residual_blocks(b, model.graph.after, nodes)
        spread = convolution(b, model.graph.spread[0], nodes)
        nodes = b.op("Add", features, _shuffled(b, spread, config.graph_stride))
    change = convolution(b, model.tail, residual_blocks(b, model.after, nodes))
    whole = b.op("Add", padded, _shuffled(b, change, config.stem))
    cropped = b.op("Slice", whole, b.whole(0, 0), b.shape(height, width), b.whole(2, 3))
    b.nodes.append(helper.make_node("Identity", [cropped], [OUTPUT], name=OUTPUT))
    picture: list[str | int | None] = ["batch", config.channels, "height", "width"]
    inputs = [helper.make_tensor_value_info(INPUT, onnx.TensorProto.FLOAT, picture)]
    if asked:
        inputs.append(helper.make_tensor_value_info(LEVEL, onnx.TensorProto.FLOAT, ["batch"]))
    graph = helper.make_graph(
        b.nodes,
        "magn",
        inputs,
        [helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, picture)],
        b.constants,
    )
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(
        graph,
        producer_name="magn",
        producer_version=__version__,
        opset_imports=imports,
        ir_version=helper.find_min_ir_version_for(imports),
    )


def _encoded(b: Builder, model: Magn, padded: Value, level: Value | None) -> Value:
    stem, channels = model.config.stem, model.config.channels
    x = padded
    if stem > 1:
        # ONNX puts the position first and the channel last, torch the other way round.
        order = np.arange(channels * stem**2).reshape(stem**2, channels).T.reshape(-1)
        x = b.op("Gather", b.op("SpaceToDepth", x, blocksize=stem), b.constant(order), axis=1)
    if level is not None:
        sides = b.shape(b.side(x, 0), 1, b.side(x, 2), b.side(x, 3))
        plane = b.op("Expand", b.reshape(level, -1, 1, 1, 1), sides)
        x = b.op("Concat", x, plane, axis=1)
    return residual_blocks(b, model.before, convolution(b, model.head, x))


def _shuffled(b: Builder, x: Value, factor: int) -> Value:
    return b.op("DepthToSpace", x, blocksize=factor, mode="CRD") if factor > 1 else x


def _graph(b: Builder, model: Magn, nodes: Value) -> Value:
    """Run the graph blocks on windows and blend these; ``(B, F, H, W)`` in and out."""
    config, cell = model.config, model.config.multiple
    rows, columns = (
        windows(b, b.side(nodes, axis), config.window // cell, config.window_overlap // cell) for axis in (2, 3)
    )
    width = config.graph_features
    every = b.transpose(cut(b, nodes, rows, columns), 0, 2, 4, 1, 3, 5)
    x = b.reshape(every, -1, width, rows.side, columns.side)
    for block in model.graph.blocks.children():
        x = graph_block(b, block, x, rows.side, columns.side)
    x = b.reshape(x, -1, rows.count, columns.count, width, rows.side, columns.side)
    x = b.transpose(x, 0, 3, 1, 4, 2, 5)
    high, wide = b.op("Mul", rows.count, rows.side), b.op("Mul", columns.count, columns.side)
    return together(b, b.reshape(x, -1, width, high, wide), rows, columns)
