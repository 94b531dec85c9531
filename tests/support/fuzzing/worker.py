"""Reads and writes broken pictures one after the other.

``python -m tests.support.fuzzing.worker FIRST STOP FOLDER REPORT_FD``

Runs in a process of its own, so that a crash, a hang or a lack of memory ends nothing else. What it does goes to
the file descriptor, one JSON object a line: ``{"seed": N}`` before a file and what came of it behind.
"""

import json
import logging
import os
import resource
import sys
import traceback
from pathlib import Path

import numpy as np

from magn_cli import images
from magn_cli.errors import ImageError
from magn_cli.images.formats import heif, pillow, png, pnm, tiff
from magn_cli.images.raw import libraw
from tests.support.fuzzing.corpus import corpus
from tests.support.fuzzing.mutations import broken

MAX_PIXELS = 2_000_000
MEMORY = 768 << 20
"""Bytes that a file may take beyond what the worker has at its start."""

past_header = 0


def main(first: int, stop: int, folder: Path, report: int) -> None:
    """Work on the seeds from ``first`` up to ``stop``."""
    logging.getLogger("magn_cli").addHandler(logging.NullHandler())
    # What is written here need not outlive a power cut.
    os.fsync = lambda _: None  # type: ignore[assignment]
    _count_headers()
    files = corpus()
    _limit_memory()
    with os.fdopen(report, "w", buffering=1) as out:
        for seed in range(first, stop):
            before, silent = past_header, os.fstat(2).st_size
            out.write(json.dumps({"seed": seed}) + "\n")
            name, data = broken(seed, files)
            finding = tried(name, data, folder, seed)
            passed = past_header > before
            if os.fstat(2).st_size != silent:
                finding.setdefault("finding", "something was written to stderr")
            out.write(json.dumps({"seed": seed, "name": name, "past": passed, **finding}) + "\n")


def tried(name: str, data: bytes, folder: Path, seed: int) -> dict[str, str | bool]:
    """What came of one file: if it was read, and what is wrong if anything is."""
    source = folder / name
    source.write_bytes(data)
    try:
        photo = images.read(source, MAX_PIXELS, mosaics=True)
    except ImageError as error:
        sentence = str(error)
        if "memory" in sentence or "\n" in sentence or not sentence.endswith("."):
            return {"read": False, "finding": sentence}
        return {"read": False}
    except BaseException:
        return {"read": False, "finding": traceback.format_exc()}
    target = folder / f"out{('.png', '.png', '.jpg', '.tif', '.webp')[seed % 5]}"
    try:
        images.write(target, photo.pixels, photo, overwrite=True, software="magn")
        again = images.read(target)
    except ImageError as error:
        # A header may say sides that other formats do not have.
        return {"read": True} if "pixels a side" in str(error) else {"read": True, "finding": str(error)}
    except BaseException:
        return {"read": True, "finding": traceback.format_exc()}
    if target.suffix == ".png" and again.pixels.dtype == photo.pixels.dtype:
        same = np.array_equal(again.pixels, photo.pixels) and (
            photo.alpha is None or np.array_equal(again.alpha, photo.alpha)
        )
        if not same:
            return {"read": True, "finding": "what was written is not what was read"}
    return {"read": True}


def _count_headers() -> None:
    """A file is past its header once the size in it has been accepted."""

    def counted(width: int, height: int) -> None:
        global past_header
        images.limits.check_size(width, height)
        past_header += 1

    for module in (pillow, png, pnm, tiff, heif, libraw):
        module.check_size = counted  # type: ignore[attr-defined]


def _limit_memory() -> None:
    words = Path("/proc/self/statm")
    if words.exists():
        limit = int(words.read_text().split()[0]) * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
    if "torch" in sys.modules:
        sys.exit("torch was imported")
