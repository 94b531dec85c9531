"""Compare our networks with others: microseconds per pixel, on the same tensors in one run.

    python benchmarks/network.py --size 512 --threads 1 --clock cpu

``magn-s`` has the bundled weights of ``--task`` and runs as in ``magn restore``, including windows and overlap.
DnCNN and FFDNet are bare networks; ``--peers DIR`` gives FFDNet its authors' weights, FFDNet_gray.mat and
FFDNet_color.mat. ``--window`` adds the paper's network on one graph window of 64 x 64 pixels, as it is and
"direct", with the reference implementation of attention. ``--against DIR`` adds DAGL on the same window, from a
checkout of its official repository.

``--parts`` instead shows what ``magn restore`` adds to the bare network on the same pixels. "Bare" runs on tiles
of 512 x 512 without surroundings and on windows without overlap, so its result is worse.
"""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest import mock

import measuring
import numpy as np
import other_networks
import parts
import torch
from pictures import repeated
from torch import nn

from magn_cli.inference.tiled_network import TiledNetwork
from magn_cli.model import PRESETS, Magn
from magn_cli.model import graph as graph_module
from magn_cli.model.attention import mean_masked_attention_reference
from magn_cli.weights.checkpoint import load_checkpoint
from magn_cli.weights.resolve import resolve

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}

Runs = dict[str, Callable[[torch.dtype], Callable[[], object]]]


def bare(model: nn.Module, tensor: torch.Tensor, dtype: torch.dtype) -> Callable[[], None]:
    """Run the bare network."""
    model = model.to(tensor.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    def run() -> None:
        with torch.inference_mode(), torch.autocast(tensor.device.type, dtype, enabled=dtype != torch.float32):
            model(tensor)

    return run


def directly(run: Callable[[], None]) -> Callable[[], None]:
    """Run the bare network with the reference implementation of attention."""

    def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        return mean_masked_attention_reference(query, key, value.to(query.dtype)).to(value.dtype)

    def patched() -> None:
        with mock.patch.object(graph_module, "mean_masked_attention", attend):
            run()

    return patched


def measured(
    runs: Runs, size: tuple[int, int], given: argparse.Namespace, device: torch.device
) -> Iterable[dict[str, Any]]:
    """Return a row for each run, with microseconds per pixel in each precision."""
    height, width = size
    rows: dict[str, dict[str, Any]] = {name: {"network": name, "size": f"{width} x {height}"} for name in runs}
    for column in given.precision:
        ready = {name: make(DTYPES[column]) for name, make in runs.items()}
        for name, seconds in measuring.median_seconds(ready, given.repeat, device, given.clock).items():
            rows[name][column] = seconds / (height * width) * 1e6
    return rows.values()


def main() -> None:
    parser = measuring.options(__doc__)
    parser.add_argument("--size", type=int, nargs="+", default=[512], help="height and width of the picture")
    parser.add_argument("--task", default="denoise", help="task of the bundled weights")
    parser.add_argument("--precision", nargs="+", default=[*DTYPES], choices=DTYPES)
    parser.add_argument("--peers", type=Path, help="folder with the files of FFDNet's authors")
    parser.add_argument("--parts", action="store_true", help="show what is added to the bare network")
    parser.add_argument("--window", action="store_true", help="also magn on one window, and its direct form")
    parser.add_argument("--against", type=Path, help="checkout of DAGL's official repository")
    given = parser.parse_args()
    device = measuring.prepare(given)
    size = (given.size[0], given.size[-1])
    noise = np.random.default_rng(0).standard_normal((*size, 3), np.float32)
    picture = np.clip(repeated(*size) / np.float32(255) + noise * np.float32(25 / 255), 0, 1)
    model, _ = load_checkpoint(resolve(given.task, "magn-s", None).path)
    if given.parts:
        rows = list(measured(parts.runs(model, given.task, picture, device), size, given, device))
        for column in given.precision:
            for row in rows:
                row[f"{column} / bare"] = row[column] / rows[0][column]
        ratios = [f"{column} / bare" for column in given.precision]
        measuring.show(given, device, ["network", "size", *given.precision, *ratios], rows)
        return

    def tensor(height: int, width: int, channels: int = 3) -> torch.Tensor:
        cut = torch.from_numpy(picture[:height, :width, :channels].transpose(2, 0, 1).copy())[None]
        return cut.to(device).contiguous(memory_format=torch.channels_last)

    def restoring(dtype: torch.dtype) -> Callable[[], object]:
        network = TiledNetwork(model, device, dtype)
        return lambda: network.restore(picture, 0.3)

    gray, colour = tensor(*size, channels=1), tensor(*size)
    runs: Runs = {
        "DnCNN, gray": lambda dtype: bare(other_networks.dncnn(1), gray, dtype),
        "FFDNet, gray": lambda dtype: bare(other_networks.FFDNet(1, given.peers), gray, dtype),
        "FFDNet, colour": lambda dtype: bare(other_networks.FFDNet(3, given.peers), colour, dtype),
        f"magn-s, {given.task}": restoring,
    }
    rows = list(measured(runs, size, given, device))
    if given.window or given.against:
        side = PRESETS["magn"].window
        window = tensor(side, side)
        runs = {
            "magn, one window": lambda dtype: bare(Magn(), window, dtype),
            "magn, one window, direct": lambda dtype: directly(bare(Magn(), window, dtype)),
        }
        if given.against:
            runs["DAGL, one window"] = lambda dtype: bare(other_networks.dagl(given.against), window, dtype)
        rows += measured(runs, (side, side), given, device)
    measuring.show(given, device, ["network", "size", *given.precision], rows)


if __name__ == "__main__":
    main()
