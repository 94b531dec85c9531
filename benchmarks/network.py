"""Compare both presets with other networks: microseconds per pixel, on the same tensors in one run.

    python benchmarks/network.py --size 512

DnCNN (Zhang et al. 2017) has 17 layers of 64 channels, FFDNet (Zhang et al. 2018) 15 layers of 64 channels at half
resolution. Both are untrained, with merged batch norms. ``magn-s`` and ``magn`` run as in ``magn restore``,
including windows, overlap and padding. "One window" is the bare network on one graph window.

``--against DIR`` adds untrained DAGL (Mou et al. 2021) from a checkout of its official repository, on a window of
the same size. "Direct" is our network with the reference implementation of attention.
"""

import argparse
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import measuring
import numpy as np
import torch
from torch import nn

from magn_cli.inference.tiled_network import TiledNetwork
from magn_cli.model import PRESETS, Magn
from magn_cli.model import graph as graph_module
from magn_cli.model.attention import mean_masked_attention_reference

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def dncnn() -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, padding=1), nn.ReLU()]
    for _ in range(15):
        layers += [nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(64, 3, 3, padding=1))


def ffdnet() -> nn.Module:
    layers: list[nn.Module] = [nn.PixelUnshuffle(2), nn.Conv2d(12, 64, 3, padding=1), nn.ReLU()]
    for _ in range(13):
        layers += [nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(64, 12, 3, padding=1), nn.PixelShuffle(2))


def dagl(checkout: Path) -> nn.Module:
    sys.path.insert(0, str(checkout / "DN_Gray"))
    settings = argparse.Namespace(n_resblocks=16, n_feats=64, n_colors=3, res_scale=1, rgb_range=1.0)
    return importlib.import_module("model.dagl").make_model(settings)


def bare(model: nn.Module, tensor: torch.Tensor, dtype: torch.dtype) -> Callable[[], None]:
    """Run the bare network."""
    model = model.to(tensor.device, memory_format=torch.channels_last).eval()

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


def main() -> None:
    parser = measuring.options(__doc__)
    parser.add_argument("--size", type=int, default=512, help="side of the square picture")
    parser.add_argument("--presets", nargs="*", default=["magn-s"], help="magn-s and magn, as restore runs them")
    parser.add_argument(
        "--window", action="store_true", help="also magn on one window of 64x64, and its direct form"
    )
    parser.add_argument("--against", type=Path, help="checkout of DAGL's official repository")
    given = parser.parse_args()
    device = measuring.prepare(given)
    picture = np.random.default_rng(0).random((given.size, given.size, 3), np.float32)
    rows = {}

    def measure(side: int, runs: dict[str, Callable[[torch.dtype], Callable[[], object]]]) -> None:
        for column, dtype in DTYPES.items():
            ready = {name: make(dtype) for name, make in runs.items()}
            for name, seconds in measuring.median_seconds(ready, given.repeat, device).items():
                rows.setdefault(name, {"network": name, "size": f"{side} x {side}"})[column] = (
                    seconds / side**2 * 1e6
                )

    def tensor(side: int) -> torch.Tensor:
        cut = torch.from_numpy(picture[:side, :side].transpose(2, 0, 1).copy())[None]
        return cut.to(device).contiguous(memory_format=torch.channels_last)

    def restoring(preset: str, dtype: torch.dtype) -> Callable[[], object]:
        restorer = TiledNetwork(Magn(PRESETS[preset]), device, dtype)
        return lambda: restorer.restore(picture, 0.5)

    whole = tensor(given.size)
    runs = {
        "DnCNN, 17 x 64": lambda dtype: bare(dncnn(), whole, dtype),
        "FFDNet, 15 x 64": lambda dtype: bare(ffdnet(), whole, dtype),
    }
    runs |= {preset: lambda dtype, preset=preset: restoring(preset, dtype) for preset in given.presets}
    measure(given.size, runs)
    if given.window or given.against:
        side = PRESETS["magn"].window
        window = tensor(side)
        runs = {
            "magn, one window": lambda dtype: bare(Magn(), window, dtype),
            "magn, one window, direct": lambda dtype: directly(bare(Magn(), window, dtype)),
        }
        if given.against:
            runs["DAGL, one window"] = lambda dtype: bare(dagl(given.against), window, dtype)
        measure(side, runs)
    measuring.show(given, device, ["network", "size", *DTYPES], list(rows.values()))


if __name__ == "__main__":
    main()
