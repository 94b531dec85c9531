"""What a JPEG file's own coefficients add to a restored picture, as a table.

    python benchmarks/jpeg_projection.py testsets/Kodak24 --every 6 --subsampling 4:4:4 --quality 10,40

PSNR of the network's result rounded to 8 bit, without and with the projection, and the share of coefficients that
differ from the file's once the result is compressed again with the file's tables.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from magn_cli import images
from magn_cli.analysis.jpeg_projection import projection_for
from magn_cli.api.loading import Loader
from magn_cli.evaluation.metrics import psnr
from magn_cli.images import from_float, to_float
from magn_cli.images.gray import luma
from magn_cli.tasks.jpeg import encode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="clean pictures")
    parser.add_argument("--every", type=int, default=1, help="take one picture in so many")
    parser.add_argument("--first", type=int, default=0, help="the first to take")
    parser.add_argument("--crop", type=int, default=1 << 20, help="pixels a side, from the top left corner")
    parser.add_argument("--subsampling", default="4:2:0", help="4:4:4, 4:2:2, 4:2:0, or gray")
    parser.add_argument("--quality", default="10,20,30,40")
    parser.add_argument("--strength", type=float, default=1.0)
    given = parser.parse_args()
    restorer = Loader("jpeg", threads=1).load_task("jpeg")
    found = [p for p in sorted(given.folder.iterdir()) if p.suffix.lower() in images.INPUT_SUFFIXES]
    print("| quality | input | network | with the file's coefficients | differ: network | with them |")
    print("|---|---|---|---|---|---|")
    for quality in (int(word) for word in given.quality.split(",")):
        rows = []
        for path in found[given.first :: given.every]:
            clean = to_float(images.read(path).pixels)[: given.crop, : given.crop]
            if given.subsampling == "gray" and clean.ndim == 3:
                clean = luma(clean)
            data = encode(clean, quality, given.subsampling)
            photo = images.decode(data)
            projection, before = projection_for(photo), to_float(photo.pixels)
            assert projection is not None
            values = restorer.restore_values(before, min(quality, 95))
            values = before + np.float32(given.strength) * (values - before)
            plain, kept = from_float(values, np.uint8), projection.rounded(values)
            errors = [psnr(to_float(p), clean) for p in (photo.pixels, plain, kept)]
            rows.append([*errors, *(differing(p, data, given.subsampling) for p in (plain, kept))])
        i, n, k, one, other = np.mean(rows, axis=0)
        print(f"| {quality} | {i:.2f} | {n:.3f} | {k:.3f} ({k - n:+.3f}) | {one:.2%} | {other:.5%} |", flush=True)


def differing(pixels: images.Array, data: bytes, subsampling: str) -> float:
    """Share of coefficients that are others once ``pixels`` are compressed with the file's tables."""
    tables = [table for _, table in sorted(JpegImageFile(io.BytesIO(data)).quantization.items())]
    file = io.BytesIO()
    kind = {} if pixels.ndim == 2 else {"subsampling": subsampling}
    Image.fromarray(pixels).save(file, "JPEG", qtables=tables, **kind)
    ours, theirs = images.read_coefficients(file.getvalue()), images.read_coefficients(data)
    assert ours is not None and theirs is not None
    return float(np.mean([(a != b).mean() for a, b in zip(ours.planes, theirs.planes, strict=True)]))


if __name__ == "__main__":
    main()
