"""Measure what the graphs of a denoiser add: PSNR with them, and with their output left out.

    python benchmarks/graph_worth.py testsets/Kodak24 --weights FILE --level 25 --level 50

Left out means that the nodes pass the graph blocks unchanged. The network was not trained without them, so the
difference is an upper limit of their worth.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from magn_cli import images
from magn_cli.inference.tiled_network import TiledNetwork
from magn_cli.tasks import get_task
from magn_cli.weights.checkpoint import load_checkpoint
from magn_cli.weights.resolve import locate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="clean pictures")
    parser.add_argument("--weights", type=Path, default=locate("denoise", "magn-s"))
    parser.add_argument("--level", type=float, action="append")
    parser.add_argument("--every", type=int, default=1, help="use every N-th picture")
    given = parser.parse_args()
    task, networks = get_task("denoise"), {}
    for name in ("with", "without"):
        model, about = load_checkpoint(given.weights)
        if name == "without":
            model.graph.blocks = torch.nn.Identity()  # type: ignore[assignment]
        networks[name] = TiledNetwork(model)
    scale = about.scale
    assert scale is not None
    paths = sorted(path for path in given.folder.iterdir() if path.suffix.lower() in images.INPUT_SUFFIXES)
    print("| picture | sigma | without | with | difference |\n|---|---|---|---|---|")
    for level in given.level or [25.0]:
        rows = []
        for number, path in enumerate(paths[:: given.every]):
            clean = images.to_float(images.read(path).pixels)
            noisy = task.degrade(clean, level, np.random.default_rng(number))
            seen = task.network_input(noisy)
            found = [psnr(network, seen, clean, scale.to_network(level)) for network in networks.values()]
            rows.append(found)
            print(
                f"| {path.stem} | {level:g} | {found[1]:.2f} | {found[0]:.2f} | {found[0] - found[1]:+.2f} |",
                flush=True,
            )
        mean = np.mean(rows, axis=0)
        print(f"| **mean** | {level:g} | {mean[1]:.2f} | {mean[0]:.2f} | {mean[0] - mean[1]:+.2f} |", flush=True)


def psnr(network: TiledNetwork, seen: images.Array, clean: images.Array, level: float) -> float:
    """Return the PSNR in dB of what a network makes of a picture."""
    restored = get_task("denoise").network_output(network.restore(seen, level), gray=clean.ndim == 2)
    return -10 * float(np.log10(np.square(restored.clip(0, 1) - clean, dtype=np.float64).mean()))


if __name__ == "__main__":
    main()
