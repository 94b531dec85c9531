"""Tiny networks as ONNX files. Import it only where ``onnx`` is installed."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FLOAT, UINT8 = TensorProto.FLOAT, TensorProto.UINT8
PICTURE = ["batch", 3, "height", "width"]


def constant(name, values, dtype=np.float32):
    return numpy_helper.from_array(np.array(values, dtype), name)


def model(nodes, inputs, outputs=(("output", FLOAT, PICTURE),), constants=(), **rest):
    """A model; ``inputs`` and ``outputs`` are ``(name, type, shape)``."""
    ends = [[helper.make_tensor_value_info(*one) for one in side] for side in (inputs, outputs)]
    graph = helper.make_graph(list(nodes), "graph", *ends, list(constants))
    imports = [helper.make_opsetid("", 17), *rest.pop("imports", [])]
    return helper.make_model(graph, opset_imports=imports, ir_version=8, **rest)


def save(path, *nodes, inputs=(("input", FLOAT, PICTURE),), **rest):
    """Write a model, and return its path."""
    path.write_bytes(model(nodes, inputs, **rest).SerializeToString())
    return path


def plus(path, number, shape=PICTURE, dtype=FLOAT, **rest):
    """A network that adds a number to a picture."""
    own = constant("number", number, {FLOAT: np.float32, UINT8: np.uint8}[dtype])
    return save(
        path,
        helper.make_node("Add", ["input", "number"], ["output"]),
        inputs=[("input", dtype, shape)],
        outputs=[("output", dtype, shape)],
        constants=[own],
        **rest,
    )


def with_level(path, shape, picture=PICTURE, **rest):
    """A network that adds its level to a picture."""
    return save(
        path,
        helper.make_node("Add", ["input", "noise"], ["output"]),
        inputs=[("input", FLOAT, picture), ("noise", FLOAT, shape)],
        outputs=[("output", FLOAT, picture)],
        **rest,
    )


def multiple_of(path, number):
    """A network for sides that are multiples of a number, which returns its input."""
    down = helper.make_node("SpaceToDepth", ["input"], ["deep"], blocksize=number)
    return save(path, down, helper.make_node("DepthToSpace", ["deep"], ["output"], blocksize=number))


def blur(path):
    """A 3x3 mean, with zeros around the picture."""
    weight = np.zeros((3, 3, 3, 3))
    weight[range(3), range(3)] = 1 / 9
    node = helper.make_node("Conv", ["input", "weight"], ["output"], pads=[1, 1, 1, 1])
    return save(path, node, constants=[constant("weight", weight)])
