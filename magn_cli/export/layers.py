"""Single layers of the network as ONNX nodes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from magn_cli.export.builder import Builder, Value


def convolution(b: Builder, layer: nn.Module, x: Value) -> Value:
    """Add a convolution."""
    assert isinstance(layer, nn.Conv2d) and not isinstance(layer.padding, str)
    own = [layer.weight] if layer.bias is None else [layer.weight, layer.bias]
    return b.op(
        "Conv",
        x,
        *(b.constant(array(tensor)) for tensor in own),
        kernel_shape=list(layer.kernel_size),
        pads=list(layer.padding) * 2,
        strides=list(layer.stride),
    )


def prelu(b: Builder, layer: nn.Module, x: Value) -> Value:
    """Add a PReLU of one parameter."""
    assert isinstance(layer, nn.PReLU) and layer.num_parameters == 1
    return b.op("LeakyRelu", x, alpha=float(layer.weight))


def residual_blocks(b: Builder, blocks: nn.Module, x: Value) -> Value:
    """Add residual blocks in series (eq. 3)."""
    for block in blocks.children():
        inner = prelu(b, block.get_submodule("activation"), convolution(b, block.get_submodule("first"), x))
        x = b.op("Add", x, convolution(b, block.get_submodule("second"), inner))
    return x


def array(tensor: Tensor) -> NDArray[np.float32]:
    """Return a parameter as an array."""
    return tensor.detach().to(torch.float32).cpu().numpy()
