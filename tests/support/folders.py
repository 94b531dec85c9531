"""Shared by tests of whole folders: a fast fake network, and the command in a separate process."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from magn_cli import batch
from magn_cli.inference.restored_photo import RestoredPhoto
from magn_cli.tasks import FoundLevel

SETTINGS = {"task": "jpeg", "level": "auto"}
LOCK, JOURNAL = ".magn-journal.lock", ".magn-journal.jsonl"


class Inverse:
    """Turns a photo into its negative, which is easy to check."""

    mosaics = False

    def __init__(self, before=lambda photo: None):
        self.before = before

    def restore(self, photo, level="auto", progress=lambda done: None):
        self.before(photo)
        progress(0.5)
        out = 1 - photo.pixels if photo.pixels.dtype.kind == "f" else ~photo.pixels
        return RestoredPhoto("invert", out, None, FoundLevel(None, "inverted"))


def picture(path: Path, shade=90, size=(6, 8)) -> Path:
    """Write a small picture in the format of its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), shade, np.uint8)).save(path)
    return path


def restore(sources, out=None, network=None, overwrite=False, settings=SETTINGS, **options):
    """Plan and run; returns the events but for those of work in progress."""
    sources = sources if isinstance(sources, list) else [sources]
    running = {name: options.pop(name) for name in ("stop_on_error", "max_pixels", "lanes") if name in options}
    plan = batch.plan(sources, out, settings=settings, overwrite=overwrite, **options)
    plan.check()
    events = []
    untried = batch.run(plan, network or Inverse(), report=events.append, **running)
    events = [event for event in events if not isinstance(event, batch.Working)]
    assert len(events) + untried == plan.total
    return events


def tree(folder: Path) -> list[str]:
    """All files below a folder, but for the journal and its lock."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in (LOCK, JOURNAL))
    return sorted(path.relative_to(folder).as_posix() for path in files)


class Content(bytes):
    """Bytes of a file, short where a test that fails shows them."""

    def __repr__(self):
        return f"<{len(self)} bytes, sha256 {hashlib.sha256(self).hexdigest()[:12]}>"


def content(folder: Path) -> dict[str, Content]:
    return {name: Content((folder / name).read_bytes()) for name in tree(folder)}


def command(*words, **options) -> subprocess.Popen:
    """Start ``magn`` in a process of its own, on one thread, so that its bytes are always the same."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    line = [sys.executable, "-m", "magn_cli", *(str(word) for word in words)]
    return subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def small_photos(folder, count):
    """Write JPEG files of 48 x 64 pixels, a fourth of them in a sub-folder; returns the folder."""
    (folder / "sub").mkdir()
    random_numbers = np.random.default_rng(0)
    for number in range(count):
        values = random_numbers.integers(0, 256, (6, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        Image.fromarray(values).save(folder / ("sub" if number % 4 == 0 else "") / f"{number:03}.jpg", quality=30)
    return folder
