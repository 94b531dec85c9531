"""Microseconds a pixel of both presets beside a DnCNN-shaped network, in one run on the CPU.

    python benchmarks/network.py --size 512

DnCNN: 17 layers of 64 channels (Zhang et al. 2017), untrained, batch norm folded away. ``magn-s`` and
``magn`` run as ``magn restore`` runs them, windows, overlap and borders included.
"""

import argparse
import platform
import statistics
import time

import numpy as np
import torch
from torch import nn

from magn_cli.model import PRESETS, Magn
from magn_cli.restoration.restorer import Restorer


def dncnn() -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, padding=1), nn.ReLU()]
    for _ in range(15):
        layers += [nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(64, 3, 3, padding=1)).to(memory_format=torch.channels_last).eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512, help="side of the square picture")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--presets", nargs="*", default=["magn-s"])
    given = parser.parse_args()
    picture = np.random.default_rng(0).random((given.size, given.size, 3), np.float32)
    tensor = torch.from_numpy(picture.transpose(2, 0, 1).copy())[None].to(memory_format=torch.channels_last)
    network = dncnn()

    def plain(dtype: torch.dtype) -> None:
        with torch.inference_mode(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            network(tensor)

    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}"
    )
    print("microseconds a pixel, median\n\n| network | fp32 | bf16 |\n|---|---|---|")
    rows = {"DnCNN, 17 x 64": plain}
    for preset in given.presets:
        model = Magn(PRESETS[preset])
        rows[preset] = lambda dtype, model=model: Restorer(model, dtype=dtype).restore(picture, 0.5)
    for name, run in rows.items():
        cells = []
        for dtype in (torch.float32, torch.bfloat16):
            run(dtype)
            seconds = []
            for _ in range(given.repeat):
                began = time.perf_counter()
                run(dtype)
                seconds.append(time.perf_counter() - began)
            cells.append(f"{statistics.median(seconds) / given.size**2 * 1e6:.2f}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
