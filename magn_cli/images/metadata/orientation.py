"""Rotate a picture as its metadata say, and set the orientation in them to 1."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from magn_cli.files.scratch import contiguous
from magn_cli.images.metadata import exif
from magn_cli.images.metadata import xmp as packets
from magn_cli.images.photo import Array, Metadata, Photo
from magn_cli.images.warnings import warn

_TURNS: dict[int, Callable[[Array], Array]] = {
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: np.rot90,
}


def stated(metadata: Metadata) -> int:
    """Return the orientation, 1..8, that EXIF states, or XMP where EXIF says nothing; else 1."""
    by_exif = exif.stated_orientation(metadata.exif) if metadata.exif else None
    by_xmp = packets.stated_orientation(metadata.xmp) if metadata.xmp and by_exif is None else None
    return by_exif or by_xmp or 1


def upright(photo: Photo) -> Photo:
    """Return the picture as it is meant to be seen: pixels and alpha turned, the metadata saying orientation 1."""
    metadata = photo.metadata
    turned = stated(metadata)
    if turned == 1:
        return photo
    turn = _TURNS[turned]
    if metadata.geo:
        warn("The picture was turned, so its place on the map (GeoTIFF) no longer fits and was left out.")
    return replace(
        photo,
        turned=turned,
        pixels=contiguous(turn(photo.pixels)),
        alpha=None if photo.alpha is None else contiguous(turn(photo.alpha)),
        metadata=replace(
            metadata,
            exif=_turned_exif(metadata.exif, turned),
            xmp=metadata.xmp and packets.with_orientation_1(metadata.xmp),
            dpi=metadata.dpi[::-1] if metadata.dpi and turned >= 5 else metadata.dpi,
            geo=None,
        ),
    )


def _turned_exif(block: bytes | None, turned: int) -> bytes | None:
    try:
        return block and exif.turned_upright(block, turned)
    except ValueError:
        # Only XMP said how to turn it. Whoever writes the block will say that it is damaged.
        return block


def already_turned(metadata: Metadata) -> Metadata:
    """Return the metadata of a picture that its decoder has turned: an orientation in it is only a copy."""
    block, xmp = metadata.exif, metadata.xmp
    if block and (turned := exif.orientation(block)) != 1:
        block = exif.turned_upright(block, turned)
    return replace(metadata, exif=block, xmp=packets.with_orientation_1(xmp) if xmp else None)


def as_stored(pixels: Array, turned: int) -> Array:
    """Return pixels, (H, W) or (H, W, 3), as they lie in the file: JPEG blocks and Bayer patterns start there."""
    back = {6: 8, 8: 6}.get(turned, turned)
    return _TURNS[back](pixels) if back in _TURNS else pixels


def as_seen(pixels: Array, turned: int) -> Array:
    """Return what :func:`as_stored` turned, the right way up again."""
    return _TURNS[turned](pixels) if turned in _TURNS else pixels
