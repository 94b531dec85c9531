"""Measure how well the kind of noise is told: white or coarse, and how it depends on brightness.

    python benchmarks/grain.py testsets/Kodak24 testsets/McMaster18

Each picture gets white noise, then the noise of a camera drawn at random, both rounded to 8 bit. A range of
brightness counts if it covers 2 % of the picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from magn_cli import camera, images
from magn_cli.analysis.grain import EDGES, measure_grain
from magn_cli.images import from_float, to_float

SIGMAS = (2, 3, 5, 10, 20)
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", type=Path, help="folders of clean pictures in colour")
    parser.add_argument("--every", type=int, default=1, help="use every N-th picture")
    given = parser.parse_args()
    for folder in given.sets:
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in images.INPUT_SUFFIXES)[:: given.every]
        clean = [to_float(images.read(path).pixels) for path in paths]
        print(f"\n**{folder.name}** ({len(clean)})\n")
        print("| noise | sigma | ratio in luma | in chroma | counts as coarse | found / true by brightness |")
        print("|---|---|---|---|---|---|")
        for kind in ("white", "camera"):
            for sigma in SIGMAS:
                print(f"| {kind} | {sigma} | {row(kind, sigma, clean)} |", flush=True)


def row(kind: str, sigma: float, clean: list[images.Array]) -> str:
    """Return the cells for one kind of noise."""
    luma, chroma, ratios, coarse = [], [], list[float](), 0
    for number, one in enumerate(clean):
        rng = np.random.default_rng(number)
        noise = rng.standard_normal(one.shape, np.float32) * np.float32(sigma / 255)
        is_white = kind == "white"
        noisy = one + noise if is_white else camera.camera_noise(one, sigma, camera.draw_camera(rng, sigma), rng)
        grain = measure_grain(from_float(noisy, np.uint8))
        if grain is None or grain.chroma is None:
            continue
        coarse += grain.is_coarse
        luma.append(grain.luma)
        chroma.append(grain.chroma)
        found = [one.relative for one in grain.ranges]
        ratios += [a / b for a, b in zip(found, true(one, noisy), strict=True) if a is not None and b is not None]
    cells = [spread(luma), spread(chroma), f"{coarse} of {len(luma)}", spread(ratios)]
    return " | ".join(cells)


def true(clean: images.Array, noisy: images.Array) -> Iterator[float | None]:
    """Yield the noise of each range of brightness, relative to that of the whole picture."""
    squares, luma = np.square(noisy - clean).mean(-1), clean @ LUMA
    for low, high in pairwise(EDGES):
        inside = (luma >= low) & (luma < high)
        yield float(np.sqrt(squares[inside].mean() / squares.mean())) if inside.mean() > 0.02 else None


def spread(values: list[float]) -> str:
    """Return the tenth, the median and nine tenths of some values."""
    return " / ".join(f"{value:.2f}" for value in np.quantile(values, (0.1, 0.5, 0.9))) if values else ""


if __name__ == "__main__":
    main()
