"""Measure time and peak memory of `magn restore` over the size of the picture, including reading and writing.

    python benchmarks/pictures.py --megapixels 1 4 16

Each picture repeats a photo of ``examples/`` and is saved as JPEG of quality 40, which becomes a PNG file with
``--task jpeg``. With ``--tiff``, it gets noise and is saved with 16 bits, and becomes such a file again with
``--task denoise``. Every run is a separate process, and its time includes Python's start and loading the weights.
The exponent b comes from fitting ``seconds = a * pixels ** b`` to the time without the start, which a tiny picture
measures.
"""

import itertools
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import measuring
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from magn_cli import images

TINY = 0.01
"""Megapixels of the tiny picture that measures the time to start."""

EXAMPLE = Path(__file__).parents[1] / "examples" / "otter.png"


def repeated(height: int, width: int) -> NDArray[np.uint8]:
    """Return a photo of any size ``(height, width, 3)``, which repeats the example."""
    tile = np.asarray(Image.open(EXAMPLE).convert("RGB"))
    times = [-(-side // have) for side, have in zip((height, width), tile.shape, strict=False)]
    mirrored = [np.concatenate([tile, tile[:, ::-1]], 1)[:, : tile.shape[1]], tile]
    whole = np.concatenate(
        [np.concatenate([mirrored[(r + c) % 2] for c in range(times[1])], 1) for r in range(times[0])]
    )
    return whole[:height, :width]


def picture(megapixels: float, folder: Path, tiff: bool = False) -> Path:
    """Write a 4:3 photo with a given number of pixels."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    pixels = repeated(height, round(megapixels * 1e6 / height))
    path = folder / f"{megapixels:g}.{'tif' if tiff else 'jpg'}"
    if tiff:
        noisy, rng = np.empty(pixels.shape, np.uint16), np.random.default_rng(0)
        for row, clean in zip(noisy, pixels, strict=True):
            row[...] = np.clip(257 * (clean + rng.normal(0, 10, clean.shape)), 0, 65535)
        images.write(path, noisy)
    else:
        Image.fromarray(pixels).save(path, quality=40)
    return path


def alone(words: list[str]) -> None:
    from magn_cli.cli.app import app

    app(words, standalone_mode=False)
    print(json.dumps({"peak": measuring.peak_bytes()}))


def measure(source: Path, words: list[str], repeat: int) -> tuple[float, float]:
    """Return the median seconds and peak bytes of the command on a picture."""
    seconds, peaks = [], []
    for _ in range(repeat):
        if source.suffix == ".tif":
            task, out = ["--task", "denoise", "--level", "10"], source.with_name("out.tif")
        else:
            task, out = ["--task", "jpeg"], source.with_suffix(".png")
        command = ["restore", str(source), *task, "--out", str(out), *words]
        began = time.perf_counter()
        peaks.append(measuring.in_own_process(__file__, *command, "--overwrite", "--quiet")["peak"])
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds), statistics.median(peaks)


def main() -> None:
    if "--alone" in sys.argv:
        return alone(sys.argv[sys.argv.index("--alone") + 1 :])
    parser = measuring.options(__doc__)
    parser.add_argument("--megapixels", nargs="*", type=float, default=[1, 2, 4, 8, 16])
    parser.add_argument("--precision", nargs="*", default=["fp32", "bf16"])
    parser.add_argument("--tile", nargs="*", default=["auto"])
    parser.add_argument("--tiff", action="store_true", help="16-bit TIFF files with noise, not JPEG files")
    given = parser.parse_args()
    device, rows = measuring.prepare(given), []
    with tempfile.TemporaryDirectory() as name:
        sources = {m: picture(m, Path(name), given.tiff) for m in [TINY, *given.megapixels]}
        for precision, tile in itertools.product(given.precision, given.tile):
            words = ["--precision", precision, "--tile", tile, "--device", given.device]
            if given.threads:
                words += ["--threads", str(given.threads)]
            start, _ = measure(sources[TINY], words, given.repeat)
            points = []
            for megapixels in given.megapixels:
                seconds, peak = measure(sources[megapixels], words, given.repeat)
                points.append((megapixels, seconds - start))
                rows.append(
                    {
                        "precision": precision,
                        "tile": tile,
                        "megapixels": f"{megapixels:g}",
                        "seconds": seconds,
                        "of these, start": start,
                        "us a pixel": (seconds - start) / megapixels,
                        "peak memory, MB": f"{peak / 1e6:.0f}",
                    }
                )
            if len(points) > 1:
                pixels, taken = np.log(points).T
                exponent = np.polyfit(pixels, taken, 1)[0]
                rows.append({"precision": precision, "tile": tile, "megapixels": f"exponent {exponent:.3f}"})
    measuring.show(given, device, list(rows[0]), rows)
    return None


if __name__ == "__main__":
    main()
