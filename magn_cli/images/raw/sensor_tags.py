"""Read the TIFF/EP and DNG tags that describe the samples of a sensor."""

import numpy as np

from magn_cli.images.limits import RefusedError
from magn_cli.images.metadata.tags import Directory, read_directory
from magn_cli.images.photo import Array
from magn_cli.images.raw.developing import srgb_of_camera

CFA = 32803
"""The photometric interpretation of one sample a pixel, behind a colour filter array."""

PATTERNS = frozenset({"rggb", "bggr", "grbg", "gbrg"})
"""The Bayer patterns, by the colours of their first two rows."""

_WIDTH, _COLOUR, _BELOW = 256, 262, 330
_PATTERN_SIZE, _PATTERN, _PLANE_COLOURS, _LAYOUT = 33421, 33422, 50710, 50711
_BLACK_SIZE, _BLACK, _WHITE, _NEUTRAL = 50713, 50714, 50717, 50728
_ACTIVE_AREA, _CROP_ORIGIN, _CROP_SIZE = 50829, 50719, 50720
_MATRICES = ((50721, 50778), (50722, 50779))
_DAYLIGHT = 21
_MAX_BELOW = 64


def of_sensor(page: Directory) -> Directory | None:
    """The widest directory, this one or one below it, that describes one sample a pixel; None without one."""
    offsets = dict.fromkeys(page.integers(_BELOW)[:_MAX_BELOW])
    every = [page, *(read_directory(page.data, offset) for offset in offsets)]
    mosaics = [one for one in every if one.integers(_COLOUR, (0,))[0] == CFA]
    return max(mosaics, key=lambda one: one.integers(_WIDTH, (0,))[0], default=None)


def pattern(page: Directory) -> str:
    """The Bayer pattern at the corner of the picture; RefusedError for any other arrangement."""
    size, colours = page.integers(_PATTERN_SIZE), page.value(_PATTERN) or b""
    planes = page.integers(_PLANE_COLOURS, (0, 1, 2))
    name = "".join("rgb"[c] if c < 3 else "?" for c in colours)
    if size != (2, 2) or planes != (0, 1, 2) or page.integers(_LAYOUT, (1,)) != (1,) or name not in PATTERNS:
        raise RefusedError(
            "holds a mosaic that is no Bayer pattern of red, green and blue: develop it with the software of its "
            "camera, or a raw converter, first"
        )
    return name


def is_linear(page: Directory) -> bool:
    """Whether the tags state levels or colours; without these, samples are those of a photograph."""
    return any(tag in page.positions for tag in (_BLACK, _WHITE, _NEUTRAL, _MATRICES[0][0]))


def blacks(page: Directory) -> Array | None:
    """The black levels of the four places of the pattern at the active area's corner, (2, 2); None without.

    ValueError where they repeat in another way.
    """
    levels, size = page.numbers(_BLACK), page.integers(_BLACK_SIZE, (1, 1))
    if not levels:
        return None
    if len(size) != 2 or not set(size) <= {1, 2} or len(levels) < size[0] * size[1]:
        raise ValueError("black levels that repeat in another way than a Bayer pattern")
    return np.array(np.broadcast_to(np.reshape(levels[: size[0] * size[1]], size), (2, 2)))


def white(page: Directory) -> float | None:
    """The sample at which the sensor saturates; None if the tags do not state it."""
    levels = page.numbers(_WHITE)
    return float(min(levels)) if levels else None


def gains(page: Directory) -> Array:
    """What R, G and B have to be multiplied by for white to be neutral; 1 where nothing is told."""
    neutral = np.array(page.numbers(_NEUTRAL)[:3])
    if neutral.size < 3 or neutral.min() <= 0:
        return np.ones(3)
    return np.asarray(1 / neutral)


def matrix(page: Directory) -> Array:
    """The matrix (3, 3) from balanced camera RGB to linear sRGB: that for daylight if there are two."""
    found = [(page.numbers(tag), page.integers(light, (0,))[0]) for tag, light in _MATRICES]
    usable = [(light == _DAYLIGHT, numbers) for numbers, light in found if len(numbers) == 9]
    if not usable:
        return np.eye(3)
    return srgb_of_camera(np.reshape(max(usable, key=lambda one: one[0])[1], (3, 3)))


def active_area(page: Directory) -> tuple[int, int, int, int] | None:
    """Top, left, bottom and right of what is no dark border; the pattern starts there. None without it."""
    area = page.integers(_ACTIVE_AREA)
    return (area[0], area[1], area[2], area[3]) if len(area) == 4 else None


def crop(page: Directory) -> tuple[int, int, int, int] | None:
    """Left, top, width and height, in the active area, of the visible part; None if the tags do not state it."""
    origin, size = page.integers(_CROP_ORIGIN), page.integers(_CROP_SIZE)
    return (origin[0], origin[1], size[0], size[1]) if len(origin) == len(size) == 2 else None
