"""Find damage inside compressed TIFF pages, which decoders report only on standard error."""

import io
from collections.abc import Iterator

from PIL import Image

from magn_cli.images.formats import jpeg_damage, jpeg_segments
from magn_cli.images.limits import RefusedError
from magn_cli.images.metadata.tags import Directory, read_directory
from magn_cli.images.photo import Array

_COMPRESSION, _JPEG_TABLES = 259, 347
_FAX, _JPEG = (2, 3, 4), 7
_PARTS = ((273, 279), (324, 325))
_BAD_FAX = "Bad code word"
_GROUP_4, _WHITE_FIRST = 4, 0
_END = f"{1:012b}" * 2
"""The bits that end a strip of Group 4 fax."""
_STRIP, _SIZES, _ROWS, _MODEL, _FILL_ORDER = 273, 279, 278, 262, 266


def check(page: Directory, pixels: Array, complaints: str) -> None:
    """Refuse a page of which a part is missing or wrong.

    Args:
        page: one that was decoded.
        pixels: what it was decoded to.
        complaints: what the decoder has said; of JPEG that is little, so each strip or tile is read as a file.
    """
    compression = page.integers(_COMPRESSION, (1,))[0]
    damaged = compression in _FAX and _BAD_FAX in complaints
    if compression == _GROUP_4 and not damaged:
        damaged = any(_ends_early(page, pixels))
    if damaged or (compression == _JPEG and any(map(_is_damaged, _jpeg_files(page)))):
        raise RefusedError(jpeg_damage.LOST)


def _ends_early(page: Directory, pixels: Array) -> Iterator[bool]:
    """Yield for each strip of Group 4 fax whether its decoder stopped early, which it does in silence.

    Rows that were not decoded are blank, so what was decoded is coded again: in far fewer bytes than the strip
    has, or, for a strip without its end, in more than it has.
    """
    sizes = page.integers(_SIZES)
    rows = page.integers(_ROWS, (len(pixels),))[0]
    bits = (pixels < 128) if page.integers(_MODEL, (1,))[0] == _WHITE_FIRST else (pixels >= 128)
    if pixels.ndim != 2 or len(sizes) != -(-len(pixels) // max(rows, 1)):
        return
    for index, (offset, size) in enumerate(zip(page.integers(_STRIP), sizes, strict=False)):
        file = io.BytesIO()
        Image.fromarray(bits[index * rows : (index + 1) * rows]).save(file, "TIFF", compression="group4")
        coded = sum(read_directory(file.getvalue()).integers(_SIZES))
        strip = bytes(page.data[offset : offset + size]).rstrip(b"\0")
        way = -1 if page.integers(_FILL_ORDER, (1,))[0] == 2 else 1
        last = "".join(f"{byte:08b}"[::way] for byte in strip[-4:]) + "0" * 8
        # Coders differ by a few percent; the end has three bytes.
        yield coded + 8 < 0.75 * len(strip) or (_END not in last and coded > len(strip) + 5)


def _is_damaged(file: bytes) -> bool:
    try:
        structure = jpeg_segments.parse(file)
        jpeg_damage.size(structure)
        bare = jpeg_segments.bare(file, structure)
    except (ValueError, IndexError):
        # The decoder found its way through it.
        return False
    try:
        jpeg_damage.check(bare, structure)
    except (ValueError, RefusedError):
        return True
    return False


def _jpeg_files(page: Directory) -> Iterator[bytes]:
    """Each strip or tile as a JPEG file; the tables that they share stand in a tag."""
    shared = page.value(_JPEG_TABLES) or b""
    tables = shared[: shared.rfind(b"\xff\xd9")] if shared.startswith(b"\xff\xd8") else b""
    for where, how_much in _PARTS:
        for offset, size in zip(page.integers(where), page.integers(how_much), strict=False):
            part = bytes(page.data[offset : offset + size])
            if part.startswith(b"\xff\xd8"):
                yield tables + part[2:] if tables else part
