"""Turning a picture the way its EXIF orientation says, once, and saying so in its metadata."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from magn_cli.images.metadata import exif
from magn_cli.images.photo import Array, Metadata, Photo

_TURNS: dict[int, Callable[[Array], Array]] = {
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: np.rot90,
}
_XMP_ORIENTATION = re.compile(rb"""(<tiff:Orientation>\s*|\btiff:Orientation\s*=\s*["'])[1-8]""")


def upright(photo: Photo) -> Photo:
    """The picture as it is meant to be seen: pixels and alpha turned, the metadata saying orientation 1."""
    metadata = photo.metadata
    turn = _TURNS.get(exif.orientation(metadata.exif)) if metadata.exif else None
    if turn is None or metadata.exif is None:
        return photo
    orientation = exif.orientation(metadata.exif)
    sides_swapped = orientation >= 5
    return replace(
        photo,
        turned=orientation,
        pixels=np.ascontiguousarray(turn(photo.pixels)),
        alpha=None if photo.alpha is None else np.ascontiguousarray(turn(photo.alpha)),
        metadata=replace(
            metadata,
            exif=exif.turned_upright(metadata.exif),
            xmp=metadata.xmp and with_orientation_1(metadata.xmp),
            dpi=metadata.dpi[::-1] if metadata.dpi and sides_swapped else metadata.dpi,
        ),
    )


def with_orientation_1(xmp: bytes) -> bytes:
    """An XMP packet that says, where it says anything, that the picture is upright."""
    return _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)


def already_turned(metadata: Metadata) -> Metadata:
    """What a picture carries that its decoder has turned, where an orientation stands in it as a copy only."""
    block, xmp = metadata.exif, metadata.xmp
    if block and exif.orientation(block) != 1:
        block = exif.turned_upright(block)
    return replace(metadata, exif=block, xmp=with_orientation_1(xmp) if xmp else None)


def as_stored(pixels: Array, turned: int) -> Array:
    """Pixels, (H, W) or (H, W, 3), as they lie in the file: JPEG blocks and Bayer patterns start there."""
    back = {6: 8, 8: 6}.get(turned, turned)
    return _TURNS[back](pixels) if back in _TURNS else pixels


def as_seen(pixels: Array, turned: int) -> Array:
    """What :func:`as_stored` turned, the right way up again."""
    return _TURNS[turned](pixels) if turned in _TURNS else pixels
