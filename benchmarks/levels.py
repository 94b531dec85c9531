"""Measure how well levels are found in pictures: sigma, JPEG quality, and earlier JPEG compression.

    python benchmarks/levels.py testsets/Kodak24 testsets/McMaster18 testsets/BSD68 testsets/PolyU

White noise is added in floats, or rounded and clipped to 8 bit as in a file, or saved with 4:2:0 by Pillow after
that. Noise of simulated cameras comes with compressions of its own. A folder of pairs, ``*_real`` and ``*_mean``,
shows real noise. Cells give the true distance to the clean picture, and the lowest, median and highest ratio of
what was found to it; without noise, what was found.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from magn_cli import images
from magn_cli.analysis import findings
from magn_cli.analysis.jpeg_blocks import BLOCKS, NO_BLOCKS, find_grid
from magn_cli.images import Photo, from_float, photo_of, to_float
from magn_cli.tasks import get_task
from magn_cli.tasks.base import Pixels
from magn_cli.tasks.jpeg import encode

SIGMAS = (0, 2, 4, 8, 15, 25, 50)
QUALITIES = (97, 95, 90, 85, 80, 60, 30, 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", type=Path, help="folders of clean pictures")
    parser.add_argument("--every", type=int, default=1, help="use every N-th picture")
    given = parser.parse_args()
    for folder in given.sets:
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in images.INPUT_SUFFIXES)[:: given.every]
        if any(path.stem.endswith("_real") for path in paths):
            pair_table(folder.name, [path for path in paths if path.stem.endswith("_real")])
            continue
        clean = [images.read(path).pixels for path in paths]
        print(f"\n**{folder.name}** ({len(clean)})\n")
        sigma_table(clean)
        print()
        quality_table(clean)


def sigma_table(clean: list[images.Array]) -> None:
    """Print the true error, and the ratio of the error found to it."""
    task = get_task("denoise")

    def white(pixels: Pixels, sigma: float, rng: np.random.Generator) -> Photo:
        return photo_of(task.degrade(pixels, sigma, rng))

    def in_8_bit(pixels: Pixels, sigma: float, rng: np.random.Generator) -> Photo:
        return photo_of(from_float(task.degrade(pixels, sigma, rng), np.uint8))

    def in_jpeg(quality: int) -> Callable[[Pixels, float, np.random.Generator], Photo]:
        return lambda pixels, sigma, rng: as_jpeg(task.degrade(pixels, sigma, rng), quality)

    def of_camera(pixels: Pixels, sigma: float, rng: np.random.Generator) -> Photo:
        return photo_of(from_float(task.degrade(pixels, sigma, rng, noise="camera"), np.uint8))

    kinds = {
        "white, floats": white,
        "white, 8 bit": in_8_bit,
        "white, JPEG 95": in_jpeg(95),
        "white, JPEG 75": in_jpeg(75),
        "camera": of_camera,
    }
    print(f"| sigma | {' | '.join(kinds)} |\n|{'---|' * (len(kinds) + 1)}")
    for sigma in SIGMAS:
        cells = []
        for make in kinds.values():
            rng, truths, found = np.random.default_rng(0), [], []
            for pixels in map(to_float, clean):
                photo = make(pixels, sigma, rng)
                truths.append(rms(to_float(photo.pixels) - pixels))
                found.append(findings.noise(photo).error)
            cells.append(cell(truths, found))
        print(f"| {sigma} | {' | '.join(cells)} |", flush=True)


def pair_table(name: str, paths: list[Path]) -> None:
    """Print the same for photos with real noise."""
    truths, found = [], []
    for path in paths:
        photo, clean = images.read(path), images.read(path.with_name(path.name.replace("_real", "_mean")))
        truths.append(rms(to_float(photo.pixels) - to_float(clean.pixels)))
        found.append(findings.noise(photo).error)
    print(f"\n**{name}** ({len(paths)}): {cell(truths, found)}", flush=True)


def cell(truths: list[float], found: list[float]) -> str:
    """Return mean truth, and lowest, median and highest ratio; what was found where there is nothing to find."""
    if min(truths) < 0.5:
        return f"{min(found):.1f} / {np.median(found):.1f} / {max(found):.1f}"
    ratios = np.array(found) / np.array(truths)
    return f"{np.mean(truths):.1f}: {ratios.min():.2f} / {np.median(ratios):.2f} / {ratios.max():.2f}"


def rms(values: images.Array) -> float:
    """Return the root mean square in units of 255."""
    return 255 * float(np.sqrt(np.square(values, dtype=np.float64).mean()))


def quality_table(clean: list[images.Array]) -> None:
    """Print how many qualities are read exactly from files, and how many pictures show blocks of a JPEG."""
    print("| quality | read from the file | blocks: surely | hardly | not seen |\n|---|---|---|---|---|")
    for quality in (None, *QUALITIES):
        photos = [photo_of(p) if quality is None else as_jpeg(to_float(p), quality) for p in clean]
        exact = "" if quality is None else sum(get_task("jpeg").find_level(p).level == quality for p in photos)
        contrasts = [grid.contrast for p in photos if (grid := find_grid(p.pixels))]
        sure = sum(c >= BLOCKS for c in contrasts)
        hidden = sum(c <= NO_BLOCKS for c in contrasts)
        name = "never a JPEG" if quality is None else quality
        print(f"| {name} | {exact} | {sure} | {len(contrasts) - sure - hidden} | {hidden} |", flush=True)


def as_jpeg(pixels: images.Array, quality: int) -> Photo:
    """Return the quality that is read from a file written by Pillow."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jpg"
        path.write_bytes(encode(pixels, quality))
        return images.read(path)


if __name__ == "__main__":
    main()
