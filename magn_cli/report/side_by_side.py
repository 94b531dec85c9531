"""Shows before and after in one picture, with the most changed parts enlarged."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from magn_cli.images import Array, change_depth
from magn_cli.report import plotting
from magn_cli.report.regions import Region, most_different

MARGIN, GAP, LINE = 24, 8, 28
NARROWEST, WIDEST, HIGHEST = 400, 784, 1200
"""Limits of width and height of each of the two columns, in pixels. Pictures are scaled to fit."""

PARTS, PART_SIDE = 3, 64

Canvas = NDArray[np.uint8]


def side_by_side(
    before: Array, after: Array, alpha: Array | None = None, labels: Sequence[str] = ("before", "after")
) -> Canvas:
    """Draw both pictures with their most changed parts below, framed and numbered.

    Args:
        before: ``(H, W)`` or ``(H, W, 3)``, any depth.
        after: the same height and width.
        alpha: ``(H, W)``; transparent pixels show a checkerboard.
        labels: texts above the pictures.

    Returns:
        ``(H, W, 3)``, uint8.
    """
    regions = most_different(before, after, PART_SIDE, PARTS)
    height, width = before.shape[:2]
    column = min(max(width, NARROWEST), WIDEST)
    scale = min(column / width, HIGHEST / height)
    scale = float(int(scale)) if scale >= 1 else scale
    shown = max(round(width * scale), 1), max(round(height * scale), 1)
    zoom = (column - GAP * (PARTS - 1)) // PARTS // PART_SIDE
    part_height = max((r.height for r in regions), default=0) * zoom
    under = MARGIN + LINE + shown[1] + GAP
    sheet = Image.new("RGB", (2 * (MARGIN + column) + GAP, under + part_height + LINE + MARGIN), plotting.PAPER)
    pen = ImageDraw.Draw(sheet)
    for number, (pixels, label) in enumerate(zip((before, after), labels, strict=True)):
        left, picture = MARGIN + number * (column + GAP), _visible(pixels, alpha)
        _write(pen, (left, MARGIN), label, 20)
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
        sheet.paste(Image.fromarray(cv2.resize(picture, shown, interpolation=way)), (left, MARGIN + LINE))
        for i, region in enumerate(regions):
            part = region.of(picture).repeat(zoom, 0).repeat(zoom, 1)
            at = (left + i * (PART_SIDE * zoom + GAP), under)
            sheet.paste(Image.fromarray(part), at)
            _number(pen, at, i + 1)
            _frame(pen, (left, MARGIN + LINE), region, scale, i + 1)
    _write(pen, (MARGIN, under + part_height + GAP), _caption(regions, zoom, scale), 15)
    return np.asarray(sheet)


def _visible(pixels: Array, alpha: Array | None) -> Canvas:
    picture = change_depth(pixels, np.uint8)
    if picture.ndim == 2:
        picture = np.dstack([picture] * 3)
    if alpha is None:
        return np.ascontiguousarray(picture)
    rows, columns = np.ogrid[: picture.shape[0], : picture.shape[1]]
    board = np.where((rows // 8 + columns // 8) % 2, 228, 255)[..., None]
    share = change_depth(alpha, np.uint8)[..., None] / 255
    return np.rint(picture * share + board * (1 - share)).astype(np.uint8)


def _frame(pen: ImageDraw.ImageDraw, corner: tuple[int, int], region: Region, scale: float, number: int) -> None:
    left, top = corner[0] + region.x * scale, corner[1] + region.y * scale
    right, bottom = left + region.width * scale - 1, top + region.height * scale - 1
    pen.rectangle((left, top, right, bottom), outline=plotting.INK)
    pen.rectangle((left + 1, top + 1, max(right - 1, left + 1), max(bottom - 1, top + 1)), outline=plotting.PAPER)
    # Beside the frame, so that it does not hide the region.
    _number(pen, (round(left), round(top) - 20 if region.y * scale >= 20 else round(bottom) + 1), number)


def _number(pen: ImageDraw.ImageDraw, at: tuple[int, int], number: int) -> None:
    pen.rectangle((at[0], at[1], at[0] + 17, at[1] + 19), fill=plotting.PAPER, outline=plotting.INK)
    pen.text((at[0] + 9, at[1] + 10), str(number), fill=plotting.INK, font=ImageFont.load_default(14), anchor="mm")


def _write(pen: ImageDraw.ImageDraw, at: tuple[int, int], text: str, size: int) -> None:
    pen.text(at, text, fill=plotting.INK, font=ImageFont.load_default(size))


def _caption(regions: Sequence[Region], zoom: int, scale: float) -> str:
    whole = f"Above: the picture at {scale * 100:.0f} %."
    if not regions:
        return f"{whole} Nothing changed."
    first = regions[0]
    return f"{whole} Below: the most changed parts, {first.width} x {first.height} pixels, at {zoom * 100} %."
