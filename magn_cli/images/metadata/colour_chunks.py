"""What the pixel values mean as colours if there is no ICC profile.

It is kept as PNG stores it, in chunks: gAMA and cHRM (gamma and primaries), sRGB, cICP (the code points of
ITU-T H.273, which AVIF and HEIF have too), mDCV and cLLI (brightness of HDR). Pixels are never converted.
"""

import struct

from magn_cli.images.warnings import warn

Chunks = tuple[tuple[bytes, bytes], ...]
"""Kind and content of each chunk."""

SIZES = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4, b"mDCV": 24, b"cLLI": 8}
"""The kinds of chunks and how many bytes each holds."""

_SRGB_GAMMA = 45455
_SRGB_PRIMARIES = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
# Of H.273: BT.709 primaries and "unspecified"; the transfer curves of video and of sRGB, much alike.
_USUAL_PRIMARIES, _USUAL_TRANSFERS = (1, 2), (1, 2, 6, 13, 14, 15)
_PQ, _HLG = 16, 18


def from_code_points(primaries: int, transfer: int) -> Chunks:
    """The cICP chunk of an RGB picture; none where the code points say nothing else than sRGB."""
    if primaries in _USUAL_PRIMARIES and transfer in _USUAL_TRANSFERS:
        return ()
    if not (0 <= primaries <= 255 and 0 <= transfer <= 255):
        return ()
    return ((b"cICP", bytes([primaries, transfer, 0, 1])),)


def is_usual(chunks: Chunks) -> bool:
    """Whether they say nothing else than what is assumed without them: sRGB, or nearly so."""
    found = dict(chunks)
    code_points = found.get(b"cICP", b"")
    if len(code_points) == 4:
        return code_points[0] in _USUAL_PRIMARIES and code_points[1] in _USUAL_TRANSFERS
    if b"sRGB" in found:
        return True
    gamma, primaries = found.get(b"gAMA", b""), found.get(b"cHRM", b"")
    usual_gamma = len(gamma) != 4 or abs(struct.unpack(">I", gamma)[0] - _SRGB_GAMMA) <= 1000
    near = len(primaries) != 32 or all(
        abs(one - other) <= 300
        for one, other in zip(struct.unpack(">8I", primaries), _SRGB_PRIMARIES, strict=True)
    )
    return usual_gamma and near


def is_hdr(chunks: Chunks) -> bool:
    """Whether the pixels are coded for high dynamic range (PQ or HLG)."""
    code_points = dict(chunks).get(b"cICP", b"")
    return len(code_points) == 4 and code_points[1] in (_PQ, _HLG)


def fitting(chunks: Chunks, kind: str, *, has_profile: bool) -> Chunks:
    """What a file of that kind holds of them; a warning where colours will look different without the rest."""
    if kind == "PNG":
        return chunks
    if chunks and not has_profile and not is_usual(chunks):
        warn(
            f"{kind} cannot hold what the picture says of its colours (gamma, primaries or HDR; there is no ICC "
            "profile), so they will look different; choose a .png name to keep it."
        )
    return ()
