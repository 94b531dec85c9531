"""XMP packets: read the orientation, and remove references to what magn leaves out."""

import re

_TIFF = b"http://ns.adobe.com/tiff/1.0/"
# Second pictures, videos, sounds and depth maps: all stand behind the picture or in extended XMP, which magn
# leaves out. None: every property of the namespace.
_ANNOUNCEMENTS: dict[bytes, re.Pattern[bytes] | None] = {
    b"http://ns.adobe.com/hdr-gain-map/1.0/": None,
    b"http://ns.apple.com/HDRGainMap/1.0/": None,
    b"http://ns.apple.com/pixeldatainfo/1.0/": None,
    b"http://ns.google.com/photos/1.0/container/": None,
    b"http://ns.google.com/photos/1.0/container/item/": None,
    b"http://ns.google.com/photos/1.0/camera/": re.compile(rb"Motion|MicroVideo"),
    b"http://ns.google.com/photos/1.0/depthmap/": None,
    b"http://ns.google.com/photos/1.0/image/": None,
    b"http://ns.google.com/photos/1.0/audio/": None,
    b"http://ns.google.com/photos/dd/1.0/device/": None,
    b"http://ns.google.com/photos/dd/1.0/container/": None,
    b"http://ns.google.com/photos/dd/1.0/item/": None,
    b"http://ns.adobe.com/xmp/note/": re.compile(rb"HasExtendedXMP"),
}
_USUAL_PREFIXES = {
    b"hdrgm": b"http://ns.adobe.com/hdr-gain-map/1.0/",
    b"HDRGainMap": b"http://ns.apple.com/HDRGainMap/1.0/",
    b"GCamera": b"http://ns.google.com/photos/1.0/camera/",
    b"xmpNote": b"http://ns.adobe.com/xmp/note/",
    b"tiff": _TIFF,
}
"""For packets that do not declare them."""
MAX_PACKET = 4 << 20
"""Bytes. Photos have some kilobytes; a text chunk of a PNG can inflate to gigabytes."""

# A hostile packet has millions.
_MAX_PREFIXES, _MAX_ANNOUNCING, _MAX_ELEMENTS = 128, 32, 256
_MAX_NAMES = 8
"""Prefixes of one namespace. Each is looked for at every byte."""
_DECLARATION = re.compile(rb"""\sxmlns:([\w.-]+)\s*=\s*["']([^"'<]*)["']""")
_VALUE = rb"""\s{0,8}=\s{0,8}(?:"[^"]*"|'[^']*')"""


def stated_orientation(packet: bytes) -> int | None:
    """Return the orientation, 1..8, that a packet states; None without one."""
    found = _orientation(packet).search(packet)
    return int(found[2]) if found else None


def with_orientation_1(packet: bytes) -> bytes:
    """Return a packet that says, where it says anything, that the picture is upright."""
    return _orientation(packet).sub(rb"\g<1>1", packet)


def without_announcements(packet: bytes) -> bytes:
    """Return a packet that no longer announces gain maps, videos, depth maps and extended XMP.

    Their attributes, elements and, where nothing else uses them, declarations of namespaces are left out.
    """
    announcing = [(prefix, namespace) for prefix, namespace in _prefixes(packet) if namespace in _ANNOUNCEMENTS]
    for prefix, namespace in announcing[:_MAX_ANNOUNCING]:
        if prefix + b":" not in packet:
            continue
        only = _ANNOUNCEMENTS[namespace]
        packet = _without(packet, prefix, rb"[\w.-]+" if only is None else rb"(?:" + only.pattern + rb")[\w.-]*")
        if packet.count(prefix + b":") == 0:
            packet = re.sub(rb"\sxmlns:" + re.escape(prefix) + _VALUE, b"", packet)
    return packet


def _orientation(packet: bytes) -> re.Pattern[bytes]:
    names = [re.escape(prefix) for prefix, namespace in _prefixes(packet) if namespace == _TIFF]
    name = rb"(?:" + rb"|".join(names[:_MAX_NAMES]) + rb"):Orientation"
    return re.compile(rb"""(<""" + name + rb"""(?:\s[^<>]*)?>\s*|\s""" + name + rb"""\s*=\s*["']\s*)([1-8])\b""")


def _prefixes(packet: bytes) -> list[tuple[bytes, bytes]]:
    """Each prefix with its namespace, as declared or as usual."""
    declared = _DECLARATION.findall(packet)
    known = {prefix for prefix, _ in declared}
    usual = [(prefix, namespace) for prefix, namespace in _USUAL_PREFIXES.items() if prefix not in known]
    return list(dict.fromkeys(declared))[:_MAX_PREFIXES] + usual


def _without(packet: bytes, prefix: bytes, name: bytes) -> bytes:
    """The packet without the attributes and elements of that prefix whose names match."""
    whole = re.escape(prefix) + rb":" + name
    opening = re.compile(rb"<(" + whole + rb")(?=[\s/>])[^<>]*?(/?)>")
    parts, at, unclosed = [], 0, set[bytes]()
    for _ in range(_MAX_ELEMENTS):
        found = opening.search(packet, at)
        if found is None:
            break
        end = found.end()
        closing = None
        if not found[2] and found[1] not in unclosed:
            closing = re.compile(rb"</" + re.escape(found[1]) + rb"\s*>").search(packet, end)
            if closing is None:
                # Nor will the next one of that name be closed, and each search reads to the end.
                unclosed.add(found[1])
        parts.append(packet[at : found.start()])
        if not found[2] and closing is None:
            parts.append(found[0])
        at = closing.end() if closing else end
    packet = b"".join([*parts, packet[at:]])
    return re.sub(rb"\s" + whole + _VALUE, b"", packet)
