"""Gain maps (Ultra HDR, Apple, ISO 21496-1): a second picture that tells HDR screens where to be brighter.

A gain map fits the pixels before restoration and is not restored itself. So it is left out, and the ordinary
picture stays.
"""

from magn_cli.images.warnings import warn

_SIGNS = (b"http://ns.adobe.com/hdr-gain-map/", b"urn:iso:std:iso:ts:21496:-1", b":aux:hdrgainmap", b"tmap\0")


def is_in(data: bytes) -> bool:
    """Whether the bytes of a JPEG, AVIF or HEIF file speak of a gain map."""
    return any(sign in data for sign in _SIGNS)


def warn_left_out() -> None:
    """Warn that the gain map is left out."""
    warn("The gain map for HDR screens was left out; the ordinary picture is used.")
