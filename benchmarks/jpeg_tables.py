"""What the level found for quantization tables that are not libjpeg's costs, as a table.

    python benchmarks/jpeg_tables.py testsets/Kodak24 --every 4 --crop 384

Pictures are compressed with the tables of Photoshop (as Pillow knows them), of mozjpeg, and flat ones. The network
is told the quality that is nearest to the tables, and others around it: what the best of these gains more is what
a better choice of one number could bring.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegPresets

from magn_cli import images
from magn_cli.analysis import findings
from magn_cli.api.loading import Loader
from magn_cli.evaluation.metrics import psnr
from magn_cli.images import from_float, to_float

AROUND = (-20, -15, -10, -5, 0, 5, 10, 15, 20)
"""Differences from the quality found that are tried."""

# N. Robidoux's table, which mozjpeg takes by default for luma and chroma.
ROBIDOUX = np.array(
    [
        [16, 16, 16, 18, 25, 37, 56, 85],
        [16, 17, 20, 27, 34, 40, 53, 75],
        [16, 20, 24, 31, 43, 62, 91, 135],
        [18, 27, 31, 40, 53, 74, 106, 156],
        [25, 34, 43, 53, 69, 94, 131, 189],
        [37, 40, 62, 74, 94, 124, 169, 238],
        [56, 53, 91, 106, 131, 169, 226, 311],
        [85, 75, 135, 156, 189, 238, 311, 418],
    ]
)


def tables() -> dict[str, list[list[int]]]:
    """Luma and chroma tables of 64 steps each, by name."""
    photoshop: dict[str, Any] = {name: preset["quantization"] for name, preset in JpegPresets.presets.items()}
    own = {f"mozjpeg {quality}": [scaled(ROBIDOUX, quality)] * 2 for quality in (30, 60, 85)}
    flat = {f"flat {step}": [[step] * 64] * 2 for step in (12, 32)}
    return {
        **{f"Photoshop {name.replace('_', ' ')}": [list(t) for t in two] for name, two in photoshop.items()},
        **own,
        **flat,
    }


def scaled(base: NDArray[np.int_], quality: int) -> list[int]:
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    steps: list[int] = np.clip((base * scale + 50) // 100, 1, 255).astype(int).ravel().tolist()
    return steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="clean pictures")
    parser.add_argument("--every", type=int, default=1, help="take one picture in so many")
    parser.add_argument("--crop", type=int, default=1 << 20, help="pixels a side, from the top left corner")
    parser.add_argument("--weights", type=Path, help="a checkpoint; by default the bundled one")
    given = parser.parse_args()
    restorer = Loader("jpeg", weights=given.weights, threads=1).load_task("jpeg")
    found = [p for p in sorted(given.folder.iterdir()) if p.suffix.lower() in images.INPUT_SUFFIXES]
    print("| tables | quality found | input | told the quality found | told the best | which is |")
    print("|---|---|---|---|---|---|")
    for name, two in tables().items():
        rows, levels, nearest = [], [], None
        for path in found[:: given.every]:
            clean = to_float(images.read(path).pixels)[: given.crop, : given.crop]
            buffer = io.BytesIO()
            Image.fromarray(from_float(clean, np.uint8)).save(buffer, "JPEG", qtables=two, subsampling="4:2:0")
            photo = images.decode(buffer.getvalue())
            nearest = findings.quality(photo)
            assert nearest is not None
            before = to_float(photo.pixels)
            levels = [min(max(nearest[0] + step, 5), 95) for step in AROUND]
            after = [from_float(restorer.restore_values(before, level), np.uint8) for level in levels]
            rows.append([psnr(before, clean), *(psnr(to_float(pixels), clean) for pixels in after)])
        assert nearest is not None
        mean = np.mean(rows, axis=0)
        best = int(np.argmax(mean[1:]))
        told = mean[1 + AROUND.index(0)]
        print(
            f"| {name} | {nearest[0]} | {mean[0]:.2f} | {told:.2f} | {mean[1 + best]:.2f} "
            f"({mean[1 + best] - told:+.2f}) | {levels[best]} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
