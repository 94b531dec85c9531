"""Embeds pictures in a page up to a size limit, or links them."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from magn_cli.errors import ImageError
from magn_cli.images import preview
from magn_cli.report.gallery import GalleryPicture
from magn_cli.report.regions import Region

# Picture sides and WebP qualities to try in turn. Pictures are cropped before they are compressed strongly,
# because people judge them by eye.
_WHOLE = preview.LONGEST_SIDE
_STEPS = ((_WHOLE, 92), (_WHOLE, 80), (_WHOLE, 70), (1024, 75), (640, 75), (384, 75), (256, 70))
_LAST_STEP = (128, 60)


@dataclass(frozen=True)
class Shown:
    """A picture as shown in the page."""

    picture: GalleryPicture
    view: Region
    """Part of the picture that is shown."""

    sources: tuple[str, ...]
    """Address of each state."""

    @classmethod
    def whole(cls, picture: GalleryPicture, sources: tuple[str, ...]) -> Shown:
        """Show the whole picture."""
        return cls(picture, Region(0, 0, picture.width, picture.height), sources)

    @property
    def regions(self) -> list[tuple[int, Region]]:
        """Regions of the picture within :attr:`view`: their number and position relative to the view."""
        moved = [Region(r.x - self.view.x, r.y - self.view.y, r.width, r.height) for r in self.picture.regions]
        width, height = self.view.width, self.view.height
        return [
            (i, r) for i, r in enumerate(moved) if 0 <= r.x <= width - r.width and 0 <= r.y <= height - r.height
        ]

    @property
    def is_cut(self) -> bool:
        """True if only a part of the picture is shown."""
        return (self.view.width, self.view.height) != (self.picture.width, self.picture.height)


def embedded(pictures: Sequence[GalleryPicture], room: int) -> tuple[list[Shown], str]:
    """Embed pictures as data URLs within a size limit.

    Pictures are embedded without loss if they fit. Otherwise they are recompressed, then cropped around their most
    important region, then omitted.

    Args:
        pictures: the pictures.
        room: maximum number of characters of all data URLs.

    Returns:
        The pictures to show, and a sentence for the page that says how they are shown.
    """
    if not pictures:
        return [], ""
    size = sum(_data_url_length(state.file.stat().st_size) for p in pictures for state in p.states)
    if size <= room:
        shown = [
            Shown.whole(p, tuple(data_url("png", state.file.read_bytes()) for state in p.states)) for p in pictures
        ]
        return shown, "Pictures are embedded in 8 bits, without loss."
    for side, quality in _STEPS:
        if _estimate(pictures, side, quality) > 1.1 * room:
            continue
        fitting = _within(_encoded(pictures, side, quality), room)
        if len(fitting) == len(pictures):
            return fitting, _sentence(fitting, side, quality)
    first = sorted(pictures, key=lambda p: p.rank)
    fitting = _within(_encoded(first, *_LAST_STEP), room)
    left_out = len(pictures) - len(fitting)
    sentence = _sentence(fitting, *_LAST_STEP)
    if left_out:
        sentence += f" {left_out} of {len(pictures)} pictures did not fit and are omitted."
    return sorted(fitting, key=lambda shown: shown.picture.number), sentence


def linked(pictures: Sequence[GalleryPicture], page: Path) -> tuple[list[Shown], str]:
    """Move the pictures to ``<page>_files/`` and link them.

    Returns:
        The pictures with relative URLs, and a sentence for the page that says where they are.

    Raises:
        ImageError: the folder cannot be written.
    """
    folder = files_folder(page)
    shown = []
    try:
        folder.mkdir(exist_ok=True)
        for picture in pictures:
            for state in picture.states:
                state.file.replace(folder / state.file.name)
            sources = tuple(f"{quote(os.fsencode(folder.name))}/{quote(s.file.name)}" for s in picture.states)
            shown.append(Shown.whole(picture, sources))
    except OSError as error:
        raise ImageError(f"{folder} cannot be written to ({error.strerror}); give another name.") from error
    return shown, f"Pictures are in the folder {folder.name}, in 8 bits, without loss."


def files_folder(page: Path) -> Path:
    """Return the folder for the pictures that a page links."""
    return page.with_name(f"{page.stem}_files")


def _encoded(pictures: Sequence[GalleryPicture], side: int, quality: int) -> Iterator[Shown]:
    for picture in pictures:
        view = _view(picture, side)
        region = (view.x, view.y, view.width, view.height)
        files = (preview.smaller(state.file.read_bytes(), quality, region) for state in picture.states)
        yield Shown(picture, view, tuple(data_url("webp", file) for file in files))


def _estimate(pictures: Sequence[GalleryPicture], side: int, quality: int) -> float:
    """Estimate the characters that all pictures need from a sample of them."""
    some = pictures[:: max(len(pictures) // 16, 1)]
    return sum(_length(one) for one in _encoded(some, side, quality)) / len(some) * len(pictures)


def _length(shown: Shown) -> int:
    return sum(len(source) for source in shown.sources)


def _view(picture: GalleryPicture, side: int) -> Region:
    middle = picture.regions[0] if picture.regions else Region(0, 0, picture.width, picture.height)
    return middle.around(side, picture.width, picture.height)


def _within(shown: Iterator[Shown], room: int) -> list[Shown]:
    found = []
    for one in shown:
        room -= _length(one)
        if room < 0:
            break
        found.append(one)
    return found


def _sentence(shown: list[Shown], side: int, quality: int) -> str:
    text = f"Pictures are recompressed for this page (WebP, quality {quality}); figures are of the originals."
    if cut := sum(s.is_cut for s in shown):
        text += f" {cut} are cropped to {side} pixels a side, around the region that differs most."
    return text


def data_url(kind: str, data: bytes) -> str:
    """Return a picture as an address for a page; ``kind`` is ``png`` or ``webp``."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _data_url_length(size: int) -> int:
    return len("data:image/png;base64,") + (size + 2) // 3 * 4
