"""Choose the page of a TIFF file that holds the picture, and name what else the file has that is not kept."""

from magn_cli.files.data import Data
from magn_cli.images.limits import RefusedError
from magn_cli.images.metadata import tags
from magn_cli.images.metadata.tags import Directory
from magn_cli.images.warnings import warn

GEO = frozenset({33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113})
"""The tags of GeoTIFF and GDAL: where on the map the picture is."""

_SUBFILE, _BELOW, _WIDTH, _HEIGHT = 254, 330, 256, 257
_REDUCED, _MASK = 1, 4
# Their size and layout, colours and compression; of old-style JPEG 512 to 521, of YCbCr 529 to 532.
_OF_PIXELS = frozenset(
    {256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325, 332, 338, 339}
    | {347, *range(512, 522), *range(529, 533), 34675}
)
_REACH = 2**32 - 2**20
_MAX_BELOW = 64
"""Pages below one page that are looked at."""
_LEFT_OUT = {37724: "the layers of a Photoshop document", 52545: "content credentials (C2PA)"}


def main_page(data: Data) -> tuple[Directory, int]:
    """Return the page that is the picture, and how many pages there are.

    It is the first one that is not said to be a thumbnail or a mask; if all are, the largest. Raises ValueError if
    the file is damaged.
    """
    pages = tags.pages(data)
    if not _role(pages[0]):
        return pages[0], len(pages)
    every = with_those_below(pages)
    full = next((page for page in every if not _role(page)), None)
    return full or max(every, key=_area), len(pages)


def with_those_below(pages: list[Directory]) -> list[Directory]:
    """Return pages and those that they point to, each once, without those that are damaged."""
    found, seen = list(pages), {page.start for page in pages}
    room = len(pages[0].data)
    for page in pages:
        try:
            for offset in page.integers(_BELOW)[:_MAX_BELOW]:
                if offset not in seen and room > 0:
                    seen.add(offset)
                    found.append(tags.read_directory(page.data, offset))
                    # Those that overlap would take minutes.
                    room -= found[-1].length
        except ValueError:
            continue
    return found


def bare(page: Directory) -> bytes:
    """Return the file as one of that page alone, not a BigTIFF, with no tags but those that pixels depend on.

    Decoders do not know every kind of BigTIFF, and need not see what else a stranger's file holds. Raises
    RefusedError for a file beyond the 4 GiB that its offsets reach.
    """
    if len(page.data) > _REACH:
        raise RefusedError("has more than 4 GB, compressed in a way that magn reads only below that: cut it first")
    buffer = bytearray(page.data)
    buffer[: len(tags.empty())] = tags.empty(page.order)
    tags.append_directory(buffer, page.order, tags.copy_directory(page, buffer, _OF_PIXELS), first=True)
    return bytes(buffer)


def warn_left_out(page: Directory) -> None:
    """Warn of what the page holds beside its pixels that is not kept."""
    names = [name for tag, name in _LEFT_OUT.items() if tag in page.positions]
    if names:
        warn(f"Left out: {', '.join(names)}.")


def _role(page: Directory) -> int:
    """0 for a picture; else what the page is said to be instead."""
    try:
        return page.integers(_SUBFILE, (0,))[0] & (_REDUCED | _MASK)
    except ValueError:
        return 0


def _area(page: Directory) -> int:
    try:
        return page.integers(_WIDTH, (0,))[0] * page.integers(_HEIGHT, (0,))[0]
    except ValueError:
        return 0
