"""Measure how well levels are found in pictures: sigma, JPEG quality, and earlier JPEG compression.

    python benchmarks/levels.py testsets/Kodak24 testsets/McMaster18 testsets/BSD68

Noise is added in floats, or rounded and clipped to 8 bit as in a file. For "JPEG 95" and "JPEG 90", Pillow then
saves the noisy picture with 4:2:0, after which its noise is no longer white and partly gone.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from magn_cli import images
from magn_cli.analysis.jpeg_blocks import BLOCKS, NO_BLOCKS, find_grid
from magn_cli.images import Photo, from_float, photo_of, to_float
from magn_cli.tasks import get_task
from magn_cli.tasks.jpeg import encode

SIGMAS = (0, 1, 2, 3, 5, 10, 15, 25, 50, 75)
QUALITIES = (97, 95, 90, 85, 80, 60, 30, 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", type=Path, help="folders of clean pictures")
    parser.add_argument("--every", type=int, default=1, help="use every N-th picture")
    given = parser.parse_args()
    for folder in given.sets:
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in images.INPUT_SUFFIXES)[:: given.every]
        clean = [images.read(path).pixels for path in paths]
        print(f"\n**{folder.name}** ({len(clean)})\n")
        sigma_table(clean)
        print()
        quality_table(clean)


def sigma_table(clean: list[images.Array]) -> None:
    """Print the lowest, median and highest estimate of sigma."""
    kinds: dict[str, Callable[[images.Array], Photo]] = {
        "floats": photo_of,
        "8 bit": lambda noisy: photo_of(from_float(noisy, np.uint8)),
        "JPEG 95": lambda noisy: as_jpeg(noisy, 95),
        "JPEG 90": lambda noisy: as_jpeg(noisy, 90),
    }
    print(f"| sigma | {' | '.join(kinds)} |\n|{'---|' * (len(kinds) + 1)}")
    for sigma in SIGMAS:
        rng, task, cells = np.random.default_rng(0), get_task("denoise"), []
        noisy = [task.degrade(to_float(pixels), sigma, rng) for pixels in clean]
        for make in kinds.values():
            found = [task.find_level(make(pixels)).level or 0.0 for pixels in noisy]
            cells.append(f"{min(found):.1f} / {np.median(found):.1f} / {max(found):.1f}")
        print(f"| {sigma} | {' | '.join(cells)} |", flush=True)


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
