"""Find damage inside compressed TIFF pages, which decoders report only on standard error."""

from collections.abc import Iterator

from magn_cli.images.formats import jpeg_damage, jpeg_segments
from magn_cli.images.limits import RefusedError
from magn_cli.images.metadata.tags import Directory

_COMPRESSION, _JPEG_TABLES = 259, 347
_FAX, _JPEG = (2, 3, 4), 7
_PARTS = ((273, 279), (324, 325))
_BAD_FAX = "Bad code word"


def check(page: Directory, complaints: str) -> None:
    """Refuse a page of which a part is missing or wrong.

    Args:
        page: one that was decoded.
        complaints: what the decoder has said; of JPEG that is little, so each strip or tile is read as a file.
    """
    compression = page.integers(_COMPRESSION, (1,))[0]
    damaged = compression in _FAX and _BAD_FAX in complaints
    if damaged or (compression == _JPEG and any(map(_is_damaged, _jpeg_files(page)))):
        raise RefusedError(jpeg_damage.LOST)


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
