"""ICC colour profiles: join them from chunks, check them, make them."""

import struct

from PIL import ImageCms

from magn_cli.images.warnings import warn

_DATE = slice(24, 36)
_FIRST_OF_2000 = bytes.fromhex("07d000010001000000000000")
_HEADER, _SIGNATURE = 128, slice(36, 40)

# Adobe RGB (1998), section 4.3: primaries adapted to D50, and a gamma of 2 + 51/256.
_WHITE = (0.9642, 1.0, 0.8249)
_PRIMARIES = {
    b"rXYZ": (0.60974, 0.31111, 0.01947),
    b"gXYZ": (0.20528, 0.62567, 0.06087),
    b"bXYZ": (0.14919, 0.06322, 0.74457),
}
_GAMMA = 0x0233
_NAME = b"Compatible with Adobe RGB (1998)"
_RIGHTS = b"No copyright, use freely"


def srgb_profile() -> bytes:
    """Return the ICC profile of sRGB, always the same bytes."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # The time at which it was made would make every file another one.
    profile[_DATE] = _FIRST_OF_2000
    return bytes(profile)


def adobe_rgb_profile() -> bytes:
    """Return an ICC profile of the colours of Adobe RGB (1998), always the same bytes."""
    text = struct.pack(">4s4xI", b"desc", len(_NAME) + 1) + _NAME + bytes(1 + 4 + 4 + 2 + 1 + 67)
    curve = struct.pack(">4s4xIH", b"curv", 1, _GAMMA)
    entries = {b"desc": text, b"cprt": b"text" + bytes(4) + _RIGHTS + b"\0", b"wtpt": _xyz(_WHITE)}
    entries |= {name: _xyz(values) for name, values in _PRIMARIES.items()}
    entries |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    start = _HEADER + 4 + 12 * len(entries)
    index, body = struct.pack(">I", len(entries)), b""
    for name, value in entries.items():
        index += struct.pack(">4sII", name, start + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    header = struct.pack(">I4xI4s4s4s", start + len(body), 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    header += _FIRST_OF_2000 + b"acsp" + bytes(28) + struct.pack(">3i", *(round(v * 65536) for v in _WHITE))
    return header.ljust(_HEADER, b"\0") + index + body


def from_chunks(chunks: list[bytes]) -> bytes | None:
    """Return a profile from the chunks of a JPEG file; None, with a warning, if a part is missing.

    Args:
        chunks: each begins with its number and the count of all. A wrong count does not matter: the profile says
            itself how long it is.
    """
    numbered = sorted({chunk[0]: chunk[2:] for chunk in chunks if len(chunk) > 2}.items())
    return usable(b"".join(content for _, content in numbered))


def usable(profile: bytes | None) -> bytes | None:
    """Return a profile as it is; None, with a warning, if it is damaged or incomplete. None for None."""
    if profile is None:
        return None
    whole = len(profile) >= _HEADER and int.from_bytes(profile[:4], "big") <= len(profile)
    if whole and profile[_SIGNATURE] == b"acsp":
        return profile
    warn("The colour profile is damaged or incomplete and was left out; colours may look different.")
    return None


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))
