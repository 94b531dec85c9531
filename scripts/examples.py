"""Print what ``magn restore --task jpeg`` gains on the example photos: RGB PSNR before and after, as a table.

    python scripts/examples.py

Pillow saves each clean original as JPEG with 4:2:0 at each quality. The file then goes through the steps of the
command line: reading, level from the quantization tables, restoring, rounding to 8 bit.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import magn_cli
from magn_cli import images

QUALITIES = (10, 20, 40, 80, 95, 98, 100)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB over R, G and B together."""
    return float(-10 * np.log10(np.square((a.astype(np.float64) - b) / 255).mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=Path(__file__).parents[1] / "examples")
    parser.add_argument("--weights", type=Path, help="checkpoint (default: the bundled one)")
    parser.add_argument("--keep", type=Path, help="folder to write the pictures to")
    given = parser.parse_args()
    restorer = magn_cli.load("jpeg", weights=given.weights)
    print(f"| quality | {' | '.join(p.stem for p in sorted(given.photos.glob('*.png')))} | mean gain |")
    print("|" + "---|" * (len(list(given.photos.glob("*.png"))) + 2))
    for quality in QUALITIES:
        cells, gains = [], []
        for path in sorted(given.photos.glob("*.png")):
            clean = images.read(path).pixels
            with tempfile.TemporaryDirectory() as folder:
                degraded = Path(folder) / f"{path.stem}.jpg"
                Image.fromarray(clean).save(degraded, quality=quality, subsampling="4:2:0")
                given_pixels, restored = magn_cli.read(degraded), restorer(degraded)
            before, after = psnr(given_pixels, clean), psnr(restored, clean)
            cells.append(f"{before:.2f} → {after:.2f}")
            gains.append(after - before)
            if given.keep:
                given.keep.mkdir(parents=True, exist_ok=True)
                images.write(given.keep / f"{path.stem}-{quality}.png", restored, overwrite=True)
        print(f"| {quality} | {' | '.join(cells)} | {np.mean(gains):+.2f} dB |", flush=True)


if __name__ == "__main__":
    main()
