"""Time and peak memory of `magn restore` over the size of the picture, reading and writing included.

    python benchmarks/pictures.py --megapixels 1 4 16

Each picture is a photo of ``examples/`` repeated, saved as JPEG of quality 40; every run is a process of its own,
as on the command line, and its time includes Python's start and loading the weights. The exponent is that of the
fit ``seconds = a * pixels ** b`` to the time without the start, which is taken from a tiny picture.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measuring
import numpy as np
from PIL import Image

EXAMPLE = Path(__file__).parents[1] / "examples" / "otter.png"


def picture(megapixels: float, folder: Path) -> Path:
    """Write a photo of so many pixels, 4:3."""
    tile = np.asarray(Image.open(EXAMPLE).convert("RGB"))
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(megapixels * 1e6 / height)
    times = [-(-side // have) for side, have in zip((height, width), tile.shape, strict=False)]
    mirrored = [np.concatenate([tile, tile[:, ::-1]], 1)[:, : tile.shape[1]], tile]
    whole = np.concatenate(
        [np.concatenate([mirrored[(r + c) % 2] for c in range(times[1])], 1) for r in range(times[0])]
    )
    path = folder / f"{megapixels:g}.jpg"
    Image.fromarray(whole[:height, :width]).save(path, quality=40)
    return path


def alone(words: list[str]) -> None:
    from magn_cli.cli.app import app

    app(words, standalone_mode=False)
    print(json.dumps({"peak": measuring.peak_bytes()}))


def main() -> None:
    if "--alone" in sys.argv:
        return alone(sys.argv[sys.argv.index("--alone") + 1 :])
    parser = measuring.options(__doc__)
    parser.add_argument("--megapixels", nargs="*", type=float, default=[1, 2, 4, 8, 16])
    parser.add_argument("--preset", default="magn-s")
    parser.add_argument("--precision", nargs="*", default=["fp32", "bf16"])
    parser.add_argument("--tile", default="auto")
    given = parser.parse_args()
    device, rows = measuring.prepare(given), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for precision in given.precision:
            start, points = None, []
            for megapixels in [0.01, *given.megapixels]:
                source, seconds, peaks = picture(megapixels, folder), [], []
                for _ in range(given.repeat):
                    words = ["restore", str(source), "--task", "jpeg", "--out", str(folder / "out.png")]
                    words += ["--overwrite", "--quiet", "--preset", given.preset, "--precision", precision]
                    words += ["--tile", given.tile, "--device", given.device]
                    if given.threads:
                        words += ["--threads", str(given.threads)]
                    began = time.perf_counter()
                    peaks.append(measuring.in_own_process(__file__, *words)["peak"])
                    seconds.append(time.perf_counter() - began)
                median = statistics.median(seconds)
                if start is None:
                    start = median
                    continue
                points.append((megapixels, median - start))
                decoded = 3 * megapixels * 1e6
                rows.append(
                    {
                        "precision": precision,
                        "megapixels": f"{megapixels:g}",
                        "seconds": median,
                        "of these, start": start,
                        "us a pixel": (median - start) / megapixels,
                        "peak memory, MB": f"{statistics.median(peaks) / 1e6:.0f}",
                        "allowed, MB": f"{(3 * decoded + 1e9) / 1e6:.0f}",
                    }
                )
            if len(points) > 1:
                exponent = np.polyfit(*np.log(np.array(points).T), 1)[0]
                rows.append({"precision": precision, "megapixels": f"exponent {exponent:.3f}"})
    columns = [
        "precision",
        "megapixels",
        "seconds",
        "of these, start",
        "us a pixel",
        "peak memory, MB",
        "allowed, MB",
    ]
    measuring.show(given, device, columns, rows)
    return None


if __name__ == "__main__":
    try:
        main()
    except subprocess.SubprocessError as error:
        sys.exit(str(error))
