"""Compare ways to present a mosaic to the network: PSNR of photos developed from simulated raw files, as a table.

    python benchmarks/raw.py --photos FOLDER

Photos at half their size, so that each pixel has all three colours, are converted to raw data: linear, in the
colours of a camera, sampled (RGGB), with shot and read noise, in 14 bits. The developed picture in sRGB is
compared with the photo. LibRaw develops its own methods; all others use the same white balance, matrix and curve.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import rawpy

from magn_cli.api.loading import load_photo_restorer
from magn_cli.images import INPUT_SUFFIXES, Mosaic, developed, read, to_float
from magn_cli.images.raw.developing import encoded, linear_light, srgb_curve, srgb_of_camera
from magn_cli.inference.picture import PhotoRestorer

sys.path.append(str(Path(__file__).parents[1]))
from tests.support.dng import Sensor, write_dng

BORDER = 8
METHODS = ("network, linear", "network, curve", "network, balanced", "network, balanced and curve")
LIBRAW = ("LINEAR", "PPG", "AHD", "DCB")


def half(path: Path) -> np.ndarray:
    """Return a photo at half its size: ``(H, W, 3)``, 0..1."""
    height, width = (length // 4 * 4 for length in read(path).pixels.shape[:2])
    pixels = to_float(read(path).pixels[:height, :width])
    return pixels.reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3))


def by_network(network: PhotoRestorer, samples: np.ndarray, sensor: Sensor, name: str) -> np.ndarray:
    """Return the developed picture for a mosaic with or without white balance, with the curve or linear."""
    gains, black = np.array(sensor.gains), np.reshape(sensor.black, (2, 2))
    balanced, curved = "balanced" in name, "curve" in name
    seen = encoded(samples, sensor.pattern, black, sensor.white, gains if balanced else np.ones(3))
    values = to_float(seen)
    out = network.restore_values(values if curved else linear_light(values), None)
    light = np.clip(linear_light(np.clip(out, 0, 1)) if curved else out, 0, 1)
    light = np.clip(light if balanced else light * gains / gains.min(), 0, 1)
    return finished(srgb_curve(light), sensor)


def by_opencv(code: int, samples: np.ndarray, sensor: Sensor) -> np.ndarray:
    black = np.reshape(sensor.black, (2, 2))
    seen = encoded(samples, sensor.pattern, black, sensor.white, np.array(sensor.gains))
    return finished(to_float(cv2.cvtColor(seen, code)), sensor)


def by_libraw(method: str, samples: np.ndarray, sensor: Sensor) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        path = write_dng(Path(folder) / "shot.dng", samples, sensor)
        with rawpy.imread(str(path)) as raw:
            out = raw.postprocess(
                demosaic_algorithm=rawpy.DemosaicAlgorithm[method],
                use_camera_wb=True,
                no_auto_bright=True,
                adjust_maximum_thr=0,
                gamma=(2.4, 12.92),
                output_bps=16,
            )
    return to_float(out)


def finished(values: np.ndarray, sensor: Sensor) -> np.ndarray:
    return developed(values.astype(np.float32), Mosaic(sensor.pattern, srgb_of_camera(sensor.matrix)))


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    inner = (slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    return float(-10 * np.log10(np.square(a[inner].astype(np.float64) - b[inner]).mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--count", type=int, default=24, help="number of photos, evenly spread over the folder")
    parser.add_argument(
        "--noise", type=float, nargs="+", default=[0, 2, 20], help="read noise, in steps of 16,383"
    )
    parser.add_argument("--weights", type=Path, help="checkpoint (default: the bundled one)")
    given = parser.parse_args()
    paths = sorted(p for p in given.photos.iterdir() if p.suffix.lower() in INPUT_SUFFIXES)
    paths = paths[:: max(1, len(paths) // given.count)][: given.count]
    photos = [half(path) for path in paths]
    network = load_photo_restorer("demosaic", weights=given.weights, pattern="rggb")
    methods: dict[str, Callable[[np.ndarray, Sensor], np.ndarray]] = {
        "OpenCV bilinear, balanced and curve": partial(by_opencv, cv2.COLOR_BayerBG2RGB),
        "OpenCV edge-aware, balanced and curve": partial(by_opencv, cv2.COLOR_BayerBG2RGB_EA),
        **{f"LibRaw {name}": partial(by_libraw, name) for name in LIBRAW},
        **{name: partial(by_network, network, name=name) for name in METHODS},
    }
    print(f"{len(photos)} photos, {sum(p.shape[0] * p.shape[1] for p in photos) / 1e6:.1f} megapixels")
    print(f"| method | {' | '.join(f'read noise {noise:g}' for noise in given.noise)} |")
    print("|" + "---|" * (len(given.noise) + 1))
    for name, method in methods.items():
        cells = []
        for noise in given.noise:
            sensor = replace(Sensor(), noise=noise)
            found = [psnr(method(sensor.mosaic(p, seed), sensor), p) for seed, p in enumerate(photos)]
            cells.append(f"{np.mean(found):.2f}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
