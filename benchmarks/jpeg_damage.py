"""Measure how much damage within JPEG files is noticed, and that sound files raise no alarm.

    python benchmarks/jpeg_damage.py photos/ --pictures 100

Each picture is cropped, saved as several kinds of JPEG, and broken at a random place of its picture data.
"Warnings" are those of the decoder with the checks of zeros and of the end, "traces" what the pixels show beside
them. A file is "badly wrong" if more than 2 % of its pixels are off by more than 10 levels. The last column is the
mean share of such pixels in the files that are missed. With `--alarms`, the pictures are saved whole in many ways
instead, and the refused ones are counted.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from magn_cli import images
from magn_cli.errors import ImageError
from magn_cli.images import Array
from magn_cli.images.formats import jpeg_segments, jpeg_traces

KINDS = {
    "4:2:0": {"quality": 85},
    "4:4:4": {"quality": 85, "subsampling": 0},
    "4:2:0, optimized": {"quality": 75, "optimize": True},
    "4:2:0, restart markers": {"quality": 85, "restart_marker_rows": 1},
    "progressive 4:2:0": {"quality": 85, "progressive": True},
    "progressive 4:4:4": {"quality": 90, "subsampling": 0, "progressive": True},
}
DAMAGES = {
    "2 bytes cut out": (2, b""),
    "10 bytes cut out": (10, b""),
    "100 bytes cut out": (100, b""),
    "4 bytes zeroed": (4, bytes(4)),
    "16 bytes zeroed": (16, bytes(16)),
    "1 bit flipped": (1, None),
}
QUALITIES = (1, 3, 5, 10, 15, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 93, 95, 97, 99, 100)
OFF, BADLY = 10, 0.02


@dataclass
class Count:
    """What became of the files of one kind with one damage."""

    files: int = 0
    by_warnings: int = 0
    by_traces: int = 0
    bad: int = 0
    bad_unwarned: int = 0
    bad_missed: int = 0
    wrong: list[float] = field(default_factory=list)
    """Of those that are missed: the share of pixels that are off."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of pictures")
    parser.add_argument("--pictures", type=int, default=100, help="how many to use")
    parser.add_argument("--size", type=int, nargs=2, default=(384, 256), help="width and height to crop to")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--alarms", action="store_true", help="count false alarms instead")
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    paths = [p for folder in given.folders for p in sorted(folder.rglob("*"))]
    paths = [p for p in paths if p.suffix.lower() in images.INPUT_SUFFIXES]
    rng.shuffle(paths)
    if given.alarms:
        count_alarms(paths[: given.pictures], rng)
    else:
        measure(crops(paths, tuple(given.size), given.pictures, rng), rng)


def crops(paths: list[Path], size: tuple[int, int], count: int, rng: np.random.Generator) -> list[Array]:
    """Return a piece of each picture that is large enough."""
    found: list[Array] = []
    for path in paths:
        pixels = images.read(path).pixels
        height, width = pixels.shape[:2]
        if pixels.ndim == 3 and width >= size[0] and height >= size[1] and len(found) < count:
            row, column = rng.integers(height - size[1] + 1), rng.integers(width - size[0] + 1)
            found.append(pixels[row : row + size[1], column : column + size[0]])
    return found


def measure(pictures: list[Array], rng: np.random.Generator) -> None:
    print(f"{len(pictures)} pictures\n")
    print("| | | by warnings | with traces | badly wrong | missed by warnings | with traces | wrong pixels |")
    print("|---|---|---|---|---|---|---|---|")
    for kind, settings in KINDS.items():
        counts = {name: Count() for name in DAMAGES}
        for pixels in pictures:
            data = saved(pixels, **settings)
            clean = pixels_of(data)
            assert clean is not None
            for name, (length, filling) in DAMAGES.items():
                add(counts[name], broken(data, length, filling, rng), clean)
        for name, count in counts.items():
            noticed = count.by_warnings + count.by_traces
            cells = [f"{100 * n / count.files:.0f} %" for n in (count.by_warnings, noticed)]
            cells += [str(n) for n in (count.bad, count.bad_unwarned, count.bad_missed)]
            cells.append(f"{100 * np.mean(count.wrong):.1f} %" if count.wrong else "-")
            print(f"| {kind} | {name} | {' | '.join(cells)} |", flush=True)


def add(count: Count, data: bytes, clean: Array) -> None:
    found = pixels_of(data)
    wrong = 1.0 if found is None else float((abs(found.astype(int) - clean).max(axis=-1) > OFF).mean())
    message = refusal(data)
    by_traces, is_bad = message is not None and "brightness" in message, wrong > BADLY
    count.files += 1
    count.by_warnings += message is not None and not by_traces
    count.by_traces += by_traces
    count.bad += is_bad
    count.bad_unwarned += is_bad and (by_traces or message is None)
    count.bad_missed += is_bad and message is None
    if message is None:
        count.wrong.append(wrong)


def refusal(data: bytes) -> str | None:
    try:
        images.decode(data)
    except ImageError as error:
        return str(error)
    return None


def broken(data: bytes, length: int, filling: bytes | None, rng: np.random.Generator) -> bytes:
    """Break the data of the first scan and those behind it."""
    start = data.index(b"\xff\xda")
    start += 2 + int.from_bytes(data[start + 2 : start + 4], "big")
    at = int(rng.integers(start, len(data) - 2 - length))
    if filling is None:
        filling = bytes([data[at] ^ 1 << int(rng.integers(8))])
    return data[:at] + filling + data[at + length :]


def saved(pixels: Array, **settings: int | bool) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **settings)
    return file.getvalue()


def pixels_of(data: bytes) -> Array | None:
    """Decode as viewers do, which patch over damage; None: not even they can."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def count_alarms(paths: list[Path], rng: np.random.Generator) -> None:
    """Decode sound files, and pictures saved by several programs; print which are refused, and how nearly."""
    files, alarms, nearest = 0, 0, (0.0, "")
    for path in paths:
        for label, data in variants(path, rng):
            files += 1
            message = refusal(data)
            if message is not None:
                alarms += 1
                print(f"{path.name}, {label}: {message}")
            nearest = max(nearest, (distinctness(data), f"{path.name}, {label}"))
    print(f"{files} sound files, {alarms} refused; nearest to a jump: {nearest[0]:.2f} ({nearest[1]})")


def distinctness(data: bytes) -> float:
    """Return how distinct the most distinct jump is."""
    with Image.open(io.BytesIO(data)) as image:
        return jpeg_traces.most_distinct_shift(np.asarray(image), jpeg_segments.parse(data))[0]


def variants(path: Path, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Yield the file if it is a JPEG, and the picture, changed and saved in some ways."""
    data = path.read_bytes()
    if data.startswith(b"\xff\xd8"):
        yield "as it is", data
    pixels = images.change_depth(images.decode(data).pixels, np.uint8)
    pixels = np.dstack([pixels] * 3) if pixels.ndim == 2 else pixels
    changes = {
        "": pixels,
        "saturated ": np.clip((pixels.astype(int) - 128) * 3 + 128, 0, 255).astype(np.uint8),
        "turned ": np.ascontiguousarray(np.rot90(pixels)),
        "halved ": np.ascontiguousarray(pixels[::2, ::2]),
    }
    for change, picture in changes.items():
        quality = int(rng.choice(QUALITIES))
        subsampling = int(rng.integers(3))
        for more in ({}, {"optimize": True}, {"progressive": True}):
            data = saved(picture, quality=quality, subsampling=subsampling, **more)
            yield " ".join([f"{change}Pillow {quality} {subsampling}", *more]), data
        restart = int(rng.integers(40))
        options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_RST_INTERVAL, restart]
        yield f"{change}OpenCV {quality}", cv2.imencode(".jpg", picture[..., ::-1], options)[1].tobytes()
        kind = str(rng.choice(["444", "422", "420", "440", "411"]))
        yield (
            f"{change}simplejpeg {quality} {kind}",
            simplejpeg.encode_jpeg(picture, quality, colorsubsampling=kind),
        )
        yield f"{change}gray {quality}", saved(picture[..., 1], quality=quality)


if __name__ == "__main__":
    main()
