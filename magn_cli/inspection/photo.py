"""Inspects one file."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

from magn_cli import images
from magn_cli.analysis import findings
from magn_cli.analysis.grain import measure_grain
from magn_cli.analysis.jpeg_blocks import BLOCKS, NO_BLOCKS
from magn_cli.errors import ImageError, unexpected
from magn_cli.files import LOCAL, Store
from magn_cli.files.data import Data, in_memory
from magn_cli.images import Kept, Photo
from magn_cli.inference.auto import task_for
from magn_cli.inspection.facts import Blocks, BrokenFile, Inspection, JpegFacts, Noise, Raw
from magn_cli.inspection.plan import plan_for

NOISY = 2.0
"""Sigma from which noise can be told from texture well enough to say of which kind it is (benchmarks/grain.py)."""


def inspect_file(
    path: Path, *, max_pixels: int | None = None, preset: str = "magn-s", store: Store = LOCAL
) -> Inspection | BrokenFile:
    """Inspect a file. Whatever is wrong with it is in what is returned; nothing is raised or logged.

    Args:
        path: a picture, or anything else.
        max_pixels: larger pictures count as broken, as in :func:`magn_cli.images.decode`.
        preset: network of which time and memory are forecast.
        store: storage of the file.

    Example:
        >>> inspect_file(Path("missing.jpg")).error
        'missing.jpg does not exist: check the name.'
    """
    data: Data = b""
    try:
        with images.collected_warnings() as remarks:
            data, status = images.load(path, store)
            photo = images.decode(data, max_pixels, mosaics=True, name=str(path), access=status.access)
            return _inspected(path, data, photo, tuple(remarks), preset)
    except ImageError as error:
        return _broken(path, data, error, store)
    except MemoryError:
        return BrokenFile(path, f"{path} is too large for the memory of this machine: cut it first.")
    except Exception as error:
        return BrokenFile(path, f"{path}: {unexpected(error)}")


def _broken(path: Path, data: Data, error: ImageError, store: Store) -> BrokenFile:
    length = len(data) or None
    if length is None:
        # What starts like no picture is not loaded.
        with suppress(OSError, ValueError):
            status = store.status(path)
            length = None if status is None or status.kind != "file" else status.bytes
    cause = error.__cause__
    detail = (
        None if cause is None or (isinstance(cause, OSError) and cause.filename) else " ".join(str(cause).split())
    )
    size = images.read_size(io.BytesIO(in_memory(data))) if data else None
    # Pillow raises other errors of the system for damaged pictures.
    kind: Literal["broken", "unusable"] = "unusable" if isinstance(cause, PermissionError) else "broken"
    return BrokenFile(
        path,
        str(error),
        detail or None,
        images.format_of(data) if data else None,
        length,
        size,
        kind,
    )


def _inspected(path: Path, data: Data, photo: Photo, remarks: tuple[str, ...], preset: str) -> Inspection:
    # As for restoring, the colours under transparent pixels do not count.
    shown = photo if photo.mosaic else findings.visible(photo)
    height, width = photo.pixels.shape[:2]
    metadata, mosaic = photo.metadata, photo.mosaic
    raw = None
    if mosaic is not None:
        blacks = None if mosaic.blacks is None else tuple(float(black) for black in mosaic.blacks.ravel())
        raw = Raw(mosaic.pattern, blacks, mosaic.white)
    return Inspection(
        path=path,
        bytes=len(data),
        format=photo.format,
        size=(width, height),
        bits=8 * photo.pixels.dtype.itemsize,
        colours="Bayer mosaic" if mosaic else "gray" if photo.pixels.ndim == 2 else "RGB",
        orientation=photo.turned,
        profile=None if metadata.icc is None else images.profile_name(metadata.icc) or "",
        metadata=images.parts(photo),
        exif=images.exif_summary(metadata.exif) if metadata.exif else None,
        kept={format: _kept(photo, format) for format in images.OUTPUT_FORMATS},
        jpeg=_jpeg(photo),
        blocks=None if mosaic else _blocks(shown),
        noise=None if mosaic else _noise(shown),
        raw=raw,
        plan=plan_for(photo, task_for(photo), preset),
        remarks=remarks,
        access=photo.access,
    )


def _kept(photo: Photo, format: str) -> Kept | str:
    try:
        return images.kept_in(photo, format)
    except ImageError as error:
        return str(error)


def _jpeg(photo: Photo) -> JpegFacts | None:
    found = findings.quality(photo)
    if found is None or photo.quantization is None:
        return None
    return JpegFacts(*found, photo.quantization.subsampling)


def _blocks(photo: Photo) -> Blocks | None:
    grid = findings.grid(photo)
    if grid is None:
        return None
    shown = "yes" if grid.contrast >= BLOCKS else "no" if grid.contrast <= NO_BLOCKS else "hardly"
    return Blocks(grid.contrast, grid.corner, shown)


def _noise(photo: Photo) -> Noise:
    sigma = findings.noise(photo).sigma
    noise = Noise(sigma, None)
    return replace(noise, grain=measure_grain(photo.pixels)) if sigma >= NOISY else noise
