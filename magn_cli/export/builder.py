"""Writes ONNX graphs node by node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Value = str
"""Name of a tensor in the graph."""

AXES_AS_INPUT = 18
"""First opset in which reductions take their axes as an input."""


class Builder:
    """Collects the nodes and constants of one graph.

    Whole numbers that depend on the size of the input (sides, counts) are int64 tensors of one element, so that
    they can be joined to shapes.

    Example:
        >>> from magn_cli.export.builder import Builder
        >>> builder = Builder(opset=17)
        >>> side = builder.side("input", 2)
        >>> builder.op("Mul", side, builder.whole(2))
        'Mul_1'
    """

    def __init__(self, opset: int, outer: Builder | None = None) -> None:
        """Start a graph; ``outer`` is the graph around it, which holds its constants and names."""
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self._outer = outer
        self._constants: dict[tuple[str, tuple[int, ...], bytes], onnx.TensorProto] = {}
        self._count = 0

    @property
    def constants(self) -> list[onnx.TensorProto]:
        """All constants, each value once."""
        return list(self._constants.values())

    def op(self, kind: str, *inputs: Value, **attributes: Any) -> Value:
        """Add a node with one output, and return the name of that output."""
        name = self._name(kind)
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, array: NDArray[Any]) -> Value:
        """Return a constant."""
        if self._outer is not None:
            return self._outer.constant(array)
        key = str(array.dtype), array.shape, array.tobytes()
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            self._constants[key] = numpy_helper.from_array(np.asarray(array, order="C"), name)
        return self._constants[key].name

    def number(self, value: float) -> Value:
        """Return a float32 constant."""
        return self.constant(np.array(value, np.float32))

    def whole(self, *values: int) -> Value:
        """Return a constant of whole numbers, ``(len(values),)``."""
        return self.constant(np.array(values, np.int64))

    def side(self, x: Value, axis: int) -> Value:
        """Return the length of an axis."""
        return self.op("Shape", x, start=axis, end=axis + 1)

    def shape(self, *sides: Value | int) -> Value:
        """Join lengths to a shape."""
        return self.op("Concat", *(self.whole(s) if isinstance(s, int) else s for s in sides), axis=0)

    def reshape(self, x: Value, *sides: Value | int) -> Value:
        """Give a tensor another shape; one side may be -1."""
        return self.op("Reshape", x, self.shape(*sides))

    def transpose(self, x: Value, *axes: int) -> Value:
        """Reorder the axes of a tensor."""
        return self.op("Transpose", x, perm=list(axes))

    def numbers(self, count: Value) -> Value:
        """Return 0, 1, ... ``count - 1`` as int64, ``(count,)``."""
        zero, one = (self.constant(np.array(n, np.int64)) for n in (0, 1))
        return self.op("Range", zero, self.op("Squeeze", count, self.whole(0)), one)

    def reduced(self, kind: str, x: Value, axis: int) -> Value:
        """Reduce an axis to length 1 by ``ReduceMean``, ``ReduceMax`` or ``ReduceL2``."""
        if self.opset >= AXES_AS_INPUT:
            return self.op(kind, x, self.whole(axis), keepdims=1)
        return self.op(kind, x, axes=[axis], keepdims=1)

    def each(self, count: Value, body: Callable[[Builder, Value], Value]) -> Value:
        """Compute something for 0 to ``count - 1``, one after the other, and stack the results.

        ``body`` is given the builder of the loop and the number of the round, a scalar, and returns a float32
        tensor.
        """
        inner = Builder(self.opset, self)
        turn, going, still = (self._name(name) for name in ("turn", "going", "still"))
        result = body(inner, turn)
        inner.nodes.append(helper.make_node("Identity", [going], [still], name=still))
        graph = helper.make_graph(
            inner.nodes,
            self._name("body"),
            [
                helper.make_tensor_value_info(turn, onnx.TensorProto.INT64, []),
                helper.make_tensor_value_info(going, onnx.TensorProto.BOOL, []),
            ],
            [
                helper.make_tensor_value_info(still, onnx.TensorProto.BOOL, []),
                helper.make_tensor_value_info(result, onnx.TensorProto.FLOAT, None),
            ],
        )
        return self.op("Loop", self.op("Squeeze", count, self.whole(0)), "", body=graph)

    def _name(self, kind: str) -> str:
        if self._outer is not None:
            return self._outer._name(kind)
        self._count += 1
        return f"{kind}_{self._count - 1}"
