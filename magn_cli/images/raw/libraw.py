"""Read camera raw files with LibRaw (rawpy): samples, levels, colours and the visible area."""

import io
from typing import TYPE_CHECKING

import numpy as np

from magn_cli.files.data import Data
from magn_cli.images.formats.tiff_pages import with_those_below
from magn_cli.images.limits import RefusedError, check_size
from magn_cli.images.metadata import tags
from magn_cli.images.metadata.icc import srgb_profile
from magn_cli.images.photo import Array, Metadata, Mosaic, Photo
from magn_cli.images.raw import exif, sensor_tags
from magn_cli.images.raw.developing import encoded, exposure, saturation, srgb_of_camera
from magn_cli.images.silence import without_stderr
from magn_cli.images.warnings import warn

if TYPE_CHECKING:
    from rawpy import RawPy

RAW_SUFFIXES = frozenset(
    {".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".iiq", ".mrw", ".nef", ".nrw", ".orf", ".pef"}
    | {".raf", ".rw2", ".rwl", ".srw"}
)
"""The suffixes (lower case) of raw files worth reading in a folder; a file itself is known by its content."""

NEEDS_DEMOSAIC = "make a picture of it first, with magn restore and --task demosaic"
"""What to do with a mosaic where a picture is needed."""

_DNG_VERSION, _SUBFILE, _COMPRESSION, _COLOUR, _LINEAR_RAW = 50706, 254, 259, 262, 34892
_CAMERA_COMPRESSIONS = frozenset({32767, 32769, 32770, 34713, 65535})
_SIGNATURES = (b"FUJIFILMCCD-RAW", b"II\x1a\0\0\0HEAPCCDR", b"\0MRM", b"FOVb", *exif.TIFF_LIKE)
_ORIENTATIONS = {0: 1, 1: 2, 3: 3, 2: 4, 4: 5, 6: 6, 7: 7, 5: 8}
"""LibRaw's flip (1: mirrored, 2: upside down, 4: rows and columns swapped, in the end) as EXIF counts."""


def is_raw(head: bytes) -> bool:
    """Whether a file that begins like this is a raw file of another structure than TIFF, as 16 bytes show."""
    return head.startswith(_SIGNATURES) or head[4:11] == b"ftypcrx"


def is_raw_tiff(data: Data) -> bool:
    """Whether a TIFF file is a raw file. Raises ValueError if it is damaged.

    A first page that is a thumbnail proves nothing: a page of sensor data must exist.
    """
    if data[:4] not in (b"II*\0", b"MM\0*"):
        return False
    if data[8:10] == b"CR" or data[8:12] == b"IIII":
        return True
    page = tags.read_directory(data)
    if _DNG_VERSION in page.positions or page.integers(_COMPRESSION, (1,))[0] in _CAMERA_COMPRESSIONS:
        return True
    if not page.integers(_SUBFILE, (0,))[0] & 1:
        return False
    return any(map(_is_sensor, with_those_below(tags.pages(data))))


def _is_sensor(page: tags.Directory) -> bool:
    try:
        colour, compression = page.integers(_COLOUR, (0,))[0], page.integers(_COMPRESSION, (1,))[0]
    except ValueError:
        return False
    return colour in (sensor_tags.CFA, _LINEAR_RAW) or compression in _CAMERA_COMPRESSIONS


def read(data: bytes) -> Photo:
    """The mosaic in the bytes of a raw file, not yet turned.

    RefusedError without rawpy and for sensors that are no Bayer mosaic; whatever LibRaw or rawpy raises
    for a damaged file.
    """
    try:
        import rawpy
    except ImportError:
        raise RefusedError(
            "looks like a camera raw file, for which rawpy is needed: pip install 'magn-cli[raw]'"
        ) from None
    try:
        with rawpy.RawPy() as raw:
            # LibRaw prints where samples are damaged, before rawpy raises.
            with without_stderr():
                raw.open_buffer(io.BytesIO(data))
                check_size(raw.sizes.raw_width, raw.sizes.raw_height)
                raw.unpack()
            return _photo(raw, data)
    except (rawpy.LibRawFileUnsupportedError, rawpy.NotSupportedError, rawpy.LibRawNotImplementedError):
        raise RefusedError(
            "looks like a camera raw file, but not like one that LibRaw can read: convert it to DNG first"
        ) from None


def _photo(raw: "RawPy", data: bytes) -> Photo:
    _check_flat(raw)
    page = _dng_page(data)
    top, left, height, width = _shown(raw, page)
    indices = np.array([[raw.raw_color(top + y, left + x) for x in (0, 1)] for y in (0, 1)])
    pattern = "".join("rgbg"[i] for i in indices.flatten())
    if pattern not in sensor_tags.PATTERNS:
        raise _of_another_kind("is from a sensor that has no Bayer pattern of red, green and blue")
    blacks = _blacks(raw, page, indices, (top, left))
    samples = raw.raw_image[top : top + height, left : left + width]
    white = saturation(samples, blacks, raw.white_level)
    mosaic = encoded(samples, pattern, blacks, white, _gains(raw))
    matrix = _matrix(raw)
    return Photo(
        mosaic,
        None,
        Metadata(icc=srgb_profile(), exif=exif.block(data, _ORIENTATIONS.get(raw.sizes.flip, 1))),
        None,
        "RAW",
        mosaic=Mosaic(pattern, matrix, exposure(mosaic, pattern, matrix), blacks, white),
    )


def _of_another_kind(what: str) -> RefusedError:
    return RefusedError(f"is a raw file that {what}: develop it with a raw converter first")


def _check_flat(raw: "RawPy") -> None:
    """Refuse what is not one sample a pixel in a pattern of 2 x 2."""
    if raw.num_colors == 1:
        raise _of_another_kind("is from a monochrome camera, which has no mosaic to be made a picture of")
    if raw.raw_type.name != "Flat" or raw.raw_pattern is None:
        raise _of_another_kind("has all colours at each pixel already (linear DNG, Foveon or small raw)")
    if raw.raw_pattern.shape == (6, 6):
        raise _of_another_kind("is from an X-Trans sensor, and the network knows only Bayer patterns")
    sizes = raw.sizes
    # Fujifilm's sensors that stand on a corner come with the sizes of the turned picture.
    height, width = raw.raw_image.shape
    fits = sizes.top_margin + sizes.height <= height and sizes.left_margin + sizes.width <= width
    if raw.raw_pattern.shape != (2, 2) or raw.color_desc != b"RGBG" or sizes.pixel_aspect != 1 or not fits:
        raise _of_another_kind("is from a sensor that has no Bayer pattern of red, green and blue")


def _dng_page(data: bytes) -> tags.Directory | None:
    """The directory of the samples of a DNG, which tells better than LibRaw where things start."""
    if data[:4] not in (b"II*\0", b"MM\0*"):
        return None
    first = tags.read_directory(data)
    return sensor_tags.of_sensor(first) if _DNG_VERSION in first.positions else None


def _shown(raw: "RawPy", page: tags.Directory | None) -> tuple[int, int, int, int]:
    """Top, left, height and width of what the camera means to be shown, without the dark border."""
    sizes = raw.sizes
    whole = (sizes.left_margin, sizes.top_margin, sizes.width, sizes.height)
    crop = (sizes.crop_left_margin, sizes.crop_top_margin, sizes.crop_width, sizes.crop_height)
    if page and (stated := sensor_tags.crop(page)):
        top, left = _active_corner(page)
        crop = (left + stated[0], top + stated[1], stated[2], stated[3])
    (x, width), (y, height) = (_overlap(crop[i], crop[i + 2], whole[i], whole[i + 2]) for i in (0, 1))
    # Some files tell no crop, or one in other units.
    if 4 * width * height < whole[2] * whole[3]:
        x, y, width, height = whole
    return y, x, height, width


def _overlap(start: int, length: int, other: int, other_length: int) -> tuple[int, int]:
    first, last = max(start, other), min(start + length, other + other_length)
    return first, max(last - first, 0)


def _active_corner(page: tags.Directory) -> tuple[int, int]:
    top, left, *_ = sensor_tags.active_area(page) or (0, 0)
    return top, left


def _blacks(raw: "RawPy", page: tags.Directory | None, indices: Array, corner: tuple[int, int]) -> Array:
    """Those of the four places of the pattern at a corner of all samples."""
    stated = sensor_tags.blacks(page) if page else None
    if page is None or stated is None:
        return np.array(raw.black_level_per_channel, np.float64)[indices]
    # LibRaw counts from another corner where the active area starts at an odd row or column.
    start = _active_corner(page)
    return np.roll(stated, [(s - c) % 2 for s, c in zip(start, corner, strict=True)], axis=(0, 1))


def _gains(raw: "RawPy") -> Array:
    """What R, G and B have to be multiplied by for white to be neutral, as shot."""
    gains = np.array(raw.camera_whitebalance[:3])
    if gains.min() > 0:
        return gains
    warn("The raw file does not say its white balance; that for daylight is used.")
    return np.array(raw.daylight_whitebalance[:3])


def _matrix(raw: "RawPy") -> Array:
    """From balanced camera RGB to linear sRGB: from the file, or what LibRaw knows of the camera."""
    from_file = np.array(raw.color_matrix[:, :3], np.float64)
    if from_file[0, 0] > 0.125:
        return from_file
    known = np.array(raw.rgb_xyz_matrix[:3], np.float64)
    if not known.any():
        warn("Nothing is known of the colours of this camera; they are taken for sRGB's.")
        return np.eye(3)
    return srgb_of_camera(known)
