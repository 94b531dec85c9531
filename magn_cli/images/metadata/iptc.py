"""IPTC blocks, which hold caption, author and rights, as JPEG files store them."""

import struct

_HEADER = b"Photoshop 3.0\0"
_RESOURCE, _IPTC = b"8BIM", 0x0404


def from_resources(segments: list[bytes]) -> bytes | None:
    """Return the IPTC block among Photoshop's image resources in the APP13 segments of a JPEG file, if any."""
    data = b"".join(part.removeprefix(_HEADER) for part in segments if part.startswith(_HEADER))
    return among(data)


def unwrapped(data: bytes) -> bytes | None:
    """Return the IPTC block in what programs call one: bare, among image resources, or with Photoshop's header."""
    resources = data.removeprefix(_HEADER)
    return among(resources) if resources.startswith(_RESOURCE) else data or None


def among(resources: bytes) -> bytes | None:
    """Return the IPTC block among image resources without their header; None without one or if damaged."""
    at = 0
    while resources[at : at + 4] == _RESOURCE and at + 12 <= len(resources):
        (kind,) = struct.unpack_from(">H", resources, at + 4)
        # A name with its length in front and the size of the content come first; both are even.
        at += 6 + (resources[at + 6] + 2) // 2 * 2
        if at + 4 > len(resources):
            return None
        (size,) = struct.unpack_from(">I", resources, at)
        content = resources[at + 4 : at + 4 + size]
        if kind == _IPTC:
            return content if content and len(content) == size else None
        at += 4 + size + size % 2
    return None


def as_segment(block: bytes) -> bytes:
    """Return the content of an APP13 segment of a JPEG file that holds the block."""
    head = struct.pack(">4sH2xI", _RESOURCE, _IPTC, len(block))
    return _HEADER + head + block + b"\0" * (len(block) % 2)
