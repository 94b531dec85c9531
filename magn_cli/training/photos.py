"""From folders to photographs: looked through before the first step, decoded once into one packed file."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from magn_cli import files, images
from magn_cli.errors import ImageError, TrainingError
from magn_cli.files import atomic, structured
from magn_cli.tasks import as_rgb
from magn_cli.training.leakage import Hashes

log = logging.getLogger(__name__)

FORMAT = 1

HELD_OUT_EVERY = 32
"""One photo in this many is kept for validation."""

MIN_TO_SPLIT = 8
"""With fewer photos than this, validation looks at those that are trained on."""

Rgb = NDArray[np.uint8]


class Photos(Sequence[Rgb]):
    """Decoded photographs ``(H, W, 3)`` of 8 bit, read from the packed file as they are needed.

    Processes that read the same file share its memory.
    """

    def __init__(self, path: Path, names: Sequence[str], shapes: Sequence[tuple[int, int]]) -> None:
        self.path, self.names, self.shapes = path, list(names), list(shapes)
        self._starts = np.cumsum([0, *(3 * rows * columns for rows, columns in shapes)]).tolist()
        self._bytes: Rgb | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Rgb:  # type: ignore[override]
        if self._bytes is None:
            self._bytes = np.memmap(self.path, np.uint8, "r")
        start, rows_columns = self._starts[index], self.shapes[index]
        return np.asarray(self._bytes[start : self._starts[index + 1]]).reshape(*rows_columns, 3)

    def __getstate__(self) -> dict[str, Any]:
        # A memory map would be pickled as its contents.
        return {**self.__dict__, "_bytes": None}

    def part(self, indices: Sequence[int]) -> Part:
        """Return some of the photographs."""
        return Part(self, indices)

    @property
    def megapixels(self) -> float:
        """Of all photographs."""
        return sum(rows * columns for rows, columns in self.shapes) / 1e6


class Part(Sequence[Rgb]):
    """Some of the photographs."""

    def __init__(self, photos: Photos, indices: Sequence[int]) -> None:
        self.photos, self.indices = photos, list(indices)
        self.shapes = [photos.shapes[i] for i in self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Rgb:  # type: ignore[override]
        return self.photos[self.indices[index]]


@dataclass(frozen=True)
class Packed:
    """What came of looking through the folders."""

    photos: Photos
    left_out: tuple[str, ...]
    """One sentence for each file that is not used."""

    fingerprint: str
    """Changes with the names and sizes of the files and with what is left out; not with where they lie."""


def pack(
    folders: Sequence[Path],
    cache: Path,
    smallest: int,
    avoid: Hashes,
    progress: Callable[[int, int], None] = lambda done, total: None,
    out: Path | None = None,
) -> Packed:
    """Decode the pictures of some folders, in order of their paths, into one file in ``cache``.

    Left out: what cannot be read, is smaller than ``smallest`` pixels a side, or shows a picture of ``avoid``.
    A later call with the same files finds what the first one packed. 16-bit pictures are rounded to 8 bit.

    Args:
        folders: looked through with all that is in them, see :func:`magn_cli.files.find`.
        cache: made where it does not exist.
        smallest: pixels a side.
        avoid: hashes of pictures that must not be trained on.
        progress: called with the number of files done and of all.
        out: a folder whose pictures are not looked at, where it lies inside of the others: the run's own.

    Raises:
        TrainingError: a folder does not exist, nothing usable is left, the cache cannot be written.
    """
    paths = [path for folder in folders for path in _pictures(folder, out)]
    where = ", ".join(map(str, folders))
    if not paths:
        raise TrainingError(f"no pictures in {where}; give --data a folder of photographs.")
    dated = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    access = files.narrowest(files.Access.of(path.stat()) for path in paths)
    key = _digest([FORMAT, smallest, avoid.fingerprint, dated])
    index_path, packed_path = (cache / f"photos-{key}.{end}" for end in ("json", "bin"))
    index = _known(index_path, packed_path)
    if index is None:
        try:
            cache.mkdir(parents=True, exist_ok=True)
            files.remove_leftovers([packed_path, index_path])
            with atomic.writing(packed_path, access=access) as file:
                index = _write_all(paths, file, smallest, avoid, progress)
                if not index["names"]:
                    reasons = " ".join(index["left_out"][:3])
                    raise TrainingError(f"no picture in {where} can be used for training: {reasons}")
            atomic.write_bytes(index_path, json.dumps(index).encode())
        except OSError as error:
            raise TrainingError(
                f"the decoded photographs cannot be written to {cache} ({error.strerror}); they need 3 bytes a "
                "pixel: free some space, or give another --cache."
            ) from error
    photos = Photos(packed_path, index["names"], [(rows, columns) for rows, columns in index["shapes"]])
    sizes = [(path.name, path.stat().st_size) for path in paths]
    return Packed(photos, tuple(index["left_out"]), _digest([sizes, index["names"]]))


def named(folders: Sequence[str]) -> Iterator[tuple[str, images.Array]]:
    """Yield name and pixels of all pictures of some folders; what cannot be read is logged and skipped."""
    for folder in folders:
        for path in _pictures(Path(folder)):
            try:
                yield f"{path.parent.name}/{path.name}", images.read(path).pixels
            except ImageError as error:
                log.warning("not compared with the training data: %s", error)


def split(photos: Photos) -> tuple[Part, Part]:
    """Return photos to train on and photos to validate on; the same ones where there are very few."""
    everything = range(len(photos))
    if len(photos) < MIN_TO_SPLIT:
        log.warning("too few photographs to hold some out: validation uses those that are trained on")
        return photos.part(everything), photos.part(everything)
    held = everything[::HELD_OUT_EVERY]
    return photos.part([i for i in everything if i not in held]), photos.part(held)


def _pictures(folder: Path, out: Path | None = None) -> list[Path]:
    if not folder.is_dir():
        raise TrainingError(f"folder not found: {folder}; give a folder of photographs.")
    if out is not None and folder.resolve().is_relative_to(out.resolve()):
        return []
    try:
        return files.find(folder, images.INPUT_SUFFIXES, leave_out=out)
    except OSError as error:
        raise TrainingError(f"{error.filename or folder} cannot be used ({error.strerror}).") from error


def _digest(values: list[Any]) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def _known(index_path: Path, packed_path: Path) -> dict[str, Any] | None:
    try:
        index: dict[str, Any] = structured.json_of(structured.read_bytes(index_path, 1 << 30))
        whole = packed_path.stat().st_size == sum(3 * rows * columns for rows, columns in index["shapes"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
    return index if whole else None


def _write_all(
    paths: Sequence[Path], out: BinaryIO, smallest: int, avoid: Hashes, progress: Callable[[int, int], None]
) -> dict[str, Any]:
    names, shapes, left_out = [], [], []
    for done, path in enumerate(paths):
        progress(done, len(paths))
        try:
            pixels = _decoded(path, smallest, avoid)
        except ImageError as error:
            left_out.append(str(error))
            continue
        names.append(path.name)
        shapes.append(pixels.shape[:2])
        out.write(np.ascontiguousarray(pixels).data)
    progress(len(paths), len(paths))
    return {"names": names, "shapes": shapes, "left_out": left_out}


def _decoded(path: Path, smallest: int, avoid: Hashes) -> Rgb:
    try:
        pixels = images.read(path).pixels
    except MemoryError as error:
        raise ImageError(f"{path} does not fit into memory.") from error
    if min(pixels.shape[:2]) < smallest:
        raise ImageError(f"{path} is smaller than {smallest} pixels a side.")
    if pixels.dtype != np.uint8:
        pixels = images.from_float(images.to_float(pixels), np.dtype(np.uint8))
    if (like := avoid.find(pixels)) is not None:
        raise ImageError(f"{path} shows {like}, which must not be trained on.")
    return as_rgb(pixels)
