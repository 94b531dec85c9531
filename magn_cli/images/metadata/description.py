"""Describe metadata in words for people."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

from PIL import ImageCms

from magn_cli.images.metadata import tags
from magn_cli.images.metadata.tags import Directory, read_directory
from magn_cli.images.silence import silence

_MAKE, _MODEL, _TAKEN, _CHANGED, _ISO = 271, 272, 0x9003, 306, 0x8827
_LATITUDE_AND_LONGITUDE = {2, 4}
_MAX_TEXT = 200
_DAMAGED = (ValueError, IndexError, struct.error)


@dataclass(frozen=True)
class ExifSummary:
    """The main facts of an EXIF block; None or False for what it does not say."""

    camera: str | None = None
    """Make and model."""

    taken: str | None = None
    """Date and time, as written: ``2024:05:06 07:08:09``."""

    iso: int | None = None
    has_location: bool = False
    """Whether it says where the photo was taken."""


def exif_summary(block: bytes) -> ExifSummary:
    """Return the main facts of an EXIF block; nothing of one that is damaged."""
    try:
        first = read_directory(block)
    except _DAMAGED:
        return ExifSummary()
    below, gps = _below(first, tags.EXIF_DIRECTORY), _below(first, tags.GPS_DIRECTORY)
    make, model = _text(first, _MAKE) or "", _text(first, _MODEL) or ""
    # Many models begin with the make.
    camera = model if model.lower().startswith(make.lower()) else f"{make} {model}".strip()
    taken = (_text(below, _TAKEN) if below else None) or _text(first, _CHANGED)
    has_location = gps is not None and gps.positions.keys() >= _LATITUDE_AND_LONGITUDE
    return ExifSummary(camera or make or None, taken, _integer(below, _ISO), has_location)


def profile_name(icc: bytes) -> str | None:
    """Return the name in a colour profile; None without one, and for a profile that cannot be read."""
    try:
        with silence(native=False):
            name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc)))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    return " ".join(name.split())[:_MAX_TEXT] or None


def _below(above: Directory, tag: int) -> Directory | None:
    try:
        offset = above.integers(tag)
        return read_directory(above.data, offset[0]) if offset else None
    except _DAMAGED:
        return None


def _text(directory: Directory, tag: int) -> str | None:
    try:
        raw = directory.value(tag)
    except _DAMAGED:
        return None
    text = (raw or b"")[:_MAX_TEXT].partition(b"\0")[0].decode("utf-8", "replace")
    return " ".join(text.split()) or None


def _integer(directory: Directory | None, tag: int) -> int | None:
    try:
        found = directory.integers(tag) if directory else ()
    except _DAMAGED:
        return None
    return found[0] if found else None
