"""Write networks of others as ONNX files, to be measured beside ours by `magn eval --against`.

    python benchmarks/peers.py downloads/ --out peers/

`downloads/` holds MatConvNet files from the public repositories of their authors (Kai Zhang et al.):
FFDNet_gray.mat and FFDNet_color.mat from cszn/FFDNet; DnCNN3.mat (JPEG), GD_Gray_Blind.mat and GD_Color_Blind.mat
(DnCNN-B) from cszn/DnCNN. Those that are there are written. Needs scipy, h5py and onnx.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
import scipy.io
from numpy.typing import NDArray
from onnx import helper

from magn_cli.export.builder import Builder, Value
from magn_cli.inference.onnx.layout import METADATA
from magn_cli.tasks import LevelScale

OPSET = 17
FLOAT = onnx.TensorProto.FLOAT
Filters = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True)
class Peer:
    """How a file is run."""

    name: str
    """Of the file that is written."""

    task: str
    channels: int
    build: Callable[[Builder, list[Filters | None], int], Value]
    takes_sigma: bool = False


def residual(b: Builder, layers: list[Filters | None], channels: int) -> Value:
    """DnCNN: what the layers predict is subtracted from the input."""
    return b.op("Sub", "input", stacked(b, layers, "input"))


def at_half_size(b: Builder, layers: list[Filters | None], channels: int) -> Value:
    """FFDNet: at half the resolution, with a map of sigma. Its sub-pixels go column by column, as in Matlab."""
    height, width = b.side("input", 2), b.side("input", 3)
    rows, columns = (b.op("Div", side, b.whole(2)) for side in (height, width))
    # (1, C, rows, 2, columns, 2) to (1, C, x, y, rows, columns)
    split = b.reshape("input", 1, channels, rows, 2, columns, 2)
    low = b.reshape(b.transpose(split, 0, 1, 5, 3, 2, 4), 1, 4 * channels, rows, columns)
    plane = b.op("Expand", b.reshape("sigma", 1, 1, 1, 1), b.shape(1, 1, rows, columns))
    out = stacked(b, layers, b.op("Concat", low, plane, axis=1))
    apart = b.transpose(b.reshape(out, 1, channels, 2, 2, rows, columns), 0, 1, 4, 3, 5, 2)
    return b.reshape(apart, 1, channels, height, width)


PEERS = {
    "FFDNet_gray.mat": Peer("FFDNet-gray", "denoise", 1, at_half_size, takes_sigma=True),
    "FFDNet_color.mat": Peer("FFDNet-colour", "denoise", 3, at_half_size, takes_sigma=True),
    "GD_Gray_Blind.mat": Peer("DnCNN-B-gray", "denoise", 1, residual),
    "GD_Color_Blind.mat": Peer("DnCNN-B-colour", "denoise", 3, residual),
    "DnCNN3.mat": Peer("DnCNN-3", "jpeg", 1, residual),
}


def stacked(b: Builder, layers: list[Filters | None], x: Value) -> Value:
    """Add 3x3 convolutions and, where a layer has no filters, a ReLU."""
    for layer in layers:
        if layer is None:
            x = b.op("Relu", x)
        else:
            x = b.op("Conv", x, *(b.constant(a) for a in layer), kernel_shape=[3, 3], pads=[1] * 4)
    return x


def network(path: Path, peer: Peer) -> onnx.ModelProto:
    b = Builder(OPSET)
    result = peer.build(b, layers_of(path), peer.channels)
    b.nodes.append(helper.make_node("Identity", [result], ["output"]))
    picture: list[str | int | None] = [1, peer.channels, "height", "width"]
    inputs = [helper.make_tensor_value_info("input", FLOAT, picture)]
    if peer.takes_sigma:
        inputs.append(helper.make_tensor_value_info("sigma", FLOAT, [1]))
    outputs = [helper.make_tensor_value_info("output", FLOAT, picture)]
    graph = helper.make_graph(b.nodes, peer.name, inputs, outputs, b.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    model.metadata_props.add(key=f"{METADATA}task", value=peer.task)
    if peer.takes_sigma:
        scale = LevelScale("sigma", 0, 75, offset=0.0, factor=1 / 255)
        model.metadata_props.add(key=f"{METADATA}level_scale", value=json.dumps(scale.to_dict()))
    return model


def layers_of(path: Path) -> list[Filters | None]:
    """Read the layers of a MatConvNet file: filters (out, in, 3, 3) and biases, None for a ReLU."""
    found: list[Filters | None] = []
    for kind, weights in raw_layers(path):
        if kind == "relu":
            found.append(None)
        elif kind == "conv":
            filters, biases = weights
            if filters.ndim == 3:
                # Matlab drops the last axis of length one; the other one can only be the input's.
                filters = filters[:, :, None, :] if np.size(biases) == filters.shape[-1] else filters[..., None]
            array = np.ascontiguousarray(filters.transpose(3, 2, 0, 1), np.float32)
            found.append((array, np.ravel(biases).astype(np.float32)))
    return found


def raw_layers(path: Path) -> list[tuple[str, list[NDArray[Any]]]]:
    try:
        net = scipy.io.loadmat(path, squeeze_me=True, struct_as_record=False)["net"]
    except NotImplementedError:  # Files of Matlab 7.3 are HDF5.
        return layers_of_hdf5(path)
    return [(la.type, [np.asarray(w) for w in la.weights] if la.type == "conv" else []) for la in net.layers]


def layers_of_hdf5(path: Path) -> list[tuple[str, list[NDArray[Any]]]]:
    found = []
    with h5py.File(path) as file:
        for reference in np.array(file["net/layers"]).ravel():
            layer = file[reference]
            kind = "".join(map(chr, np.array(layer["type"]).ravel()))
            pointers: list[Any] = list(np.array(layer["weights"]).ravel()) if kind == "conv" else []
            found.append((kind, [np.array(file[pointer]).T for pointer in pointers]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of MatConvNet files")
    parser.add_argument("--out", type=Path, required=True, help="folder for the ONNX files")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for name, peer in PEERS.items():
        path = given.folder / name
        if path.exists():
            out = given.out / f"{peer.name}.onnx"
            out.write_bytes(network(path, peer).SerializeToString())
            print(out)


if __name__ == "__main__":
    main()
