"""Find out what the samples of a TIFF page are: gray, RGB, L*a*b*, alpha, or other channels."""

import io
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, UnidentifiedImageError

from magn_cli.files.scratch import contiguous
from magn_cli.images.depth import change_depth, full_scale, stretched
from magn_cli.images.formats import lab, pillow, tiff_samples
from magn_cli.images.limits import RefusedError
from magn_cli.images.metadata.tags import Directory
from magn_cli.images.photo import Array
from magn_cli.images.raw import sensor_tags
from magn_cli.images.silence import silence
from magn_cli.images.transparency import undo_premultiplication
from magn_cli.images.warnings import warn

_WHITE_FIRST, _GRAY, _RGB, _CMYK = 0, 1, 2, 5
LAB = frozenset({8, 9})
"""The colour models CIE L*a*b* and ICC L*a*b*."""

CONVERTED = LAB | {_CMYK}
"""Those that become sRGB, so that their profile no longer fits."""
_ICC_LAB = 9
_YCBCR = 6
# How many channels each colour model has.
_COLOURS = {_WHITE_FIRST: 1, _GRAY: 1, _RGB: 3, 3: 1, 5: 4, 6: 3, 8: 3, 9: 3, sensor_tags.CFA: 1}
_OWN = frozenset({_WHITE_FIRST, _GRAY, _RGB, _CMYK, *LAB, sensor_tags.CFA})

_INTEGER, _FLOAT, _UNDEFINED = 1, 3, 4
_UNSPECIFIED, _ASSOCIATED, _STRAIGHT = 0, 1, 2
_BITS, _COMPRESSION, _MODEL, _PREDICTOR, _INKS, _EXTRA, _FORMAT, _ICC = 258, 259, 262, 317, 332, 338, 339, 34675
_WIDTH, _HEIGHT, _STRIP_SIZES, _TILE_SIZES = 256, 257, 279, 325

_UNSUPPORTED = (
    "stores its samples in a way that is not supported: save it with 8-bit, 16-bit or floating-point gray or RGB "
    "samples first"
)

# What Pillow's decoders read beside the compressions that know nothing of pixels.
_BY_PILLOW = frozenset({2, 3, 4, 6, 7, 50001})
_UNSURE = frozenset({6, 50001, 50000, 34925})
"""Compressions that not every build of the decoders knows."""
_PROBES = {34925: "lzma", 50000: "zstd", 50001: "webp"}
"""Pillow's names of those that it can write."""
_COMPRESSIONS = {
    6: "old-style JPEG",
    32767: "Sony raw",
    32771: "CCITT RLE",
    32809: "ThunderScan",
    32908: "Pixar film",
    32909: "Pixar log",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34661: "JBIG",
    34676: "SGI log",
    34677: "SGI log",
    34712: "JPEG 2000",
    34715: "JBIG2",
    34887: "LERC",
    34892: "lossy DNG",
    34925: "LZMA",
    34933: "PNG",
    34934: "JPEG XR",
    22610: "JPEG XR",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
    52546: "JPEG XL",
}


@dataclass(frozen=True)
class Layout:
    """How a page stores its samples: their type in memory, their bits in the file, and the colour model."""

    dtype: np.dtype[np.generic]
    bits: int
    colour: int


def layout(page: Directory) -> Layout | None:
    """Return how the samples are stored; None for what is left to Pillow, at most 8 bits.

    Raises RefusedError for what is not read.
    """
    bits, kinds = set(page.integers(_BITS, (1,))), set(page.integers(_FORMAT, (_INTEGER,)))
    kinds = {_INTEGER if kind == _UNDEFINED else kind for kind in kinds}
    colour, compression = page.integers(_MODEL, (_GRAY,))[0], page.integers(_COMPRESSION, (1,))[0]
    unknown_inks = colour == _CMYK and page.integers(_INKS, (1,))[0] != 1
    too_few = colour in CONVERTED and tiff_samples.channel_count(page) < _COLOURS.get(colour, 0)
    if colour not in _COLOURS or unknown_inks or too_few:
        raise RefusedError("uses a colour model that is not supported: save it as RGB or gray first")
    bytewise = compression in tiff_samples.BYTEWISE_COMPRESSIONS
    if not bytewise and compression not in _BY_PILLOW:
        raise _not_decoded(compression)
    if len(bits) == len(kinds) == 1 and bytewise and colour in _OWN:
        found = _own_layout(page, bits.pop(), kinds.pop(), colour)
        if found:
            return found
    elif kinds == {_INTEGER} and bits <= {1, 2, 4, 8} and colour != sensor_tags.CFA:
        return None
    if colour not in LAB and colour != sensor_tags.CFA and _is_small_gray(page):
        return None
    raise RefusedError(_UNSUPPORTED)


def check_planes(page: Directory) -> None:
    """Refuse uncompressed YCbCr with fewer samples of chroma: Pillow takes what follows for samples."""
    if page.integers(_COMPRESSION, (1,))[0] != 1 or page.integers(_MODEL, (_GRAY,))[0] != _YCBCR:
        return
    (width,), (height,) = page.integers(_WIDTH), page.integers(_HEIGHT)
    stored = sum(page.integers(_STRIP_SIZES)) or sum(page.integers(_TILE_SIZES))
    if stored < 3 * width * height:
        raise RefusedError(_UNSUPPORTED)


def refusal(page: Directory, error: Exception) -> RefusedError | None:
    """Return why a page was not decoded if not for damage, else None.

    Some decoders lack some compressions, and Pillow lacks some combinations of them with channels.
    """
    compression = page.integers(_COMPRESSION, (1,))[0]
    if compression in _UNSURE and not _is_known(compression):
        return _not_decoded(compression)
    return RefusedError(_UNSUPPORTED) if isinstance(error, UnidentifiedImageError) else None


@cache
def _is_known(compression: int) -> bool:
    """Return whether this build of the decoders knows a compression, found out by using it."""
    if compression not in _PROBES:
        return False
    try:
        with silence(native=True):
            Image.new("RGB", (8, 8)).save(io.BytesIO(), "TIFF", compression=_PROBES[compression])
    except Exception:
        return False
    return True


def warn_extra_channels(page: Directory, *, has_alpha: bool) -> None:
    """Warn of channels that Pillow has left out."""
    extra = tiff_samples.channel_count(page) - _COLOURS[page.integers(_MODEL, (_GRAY,))[0]] - has_alpha
    if extra > 0:
        _warn_left_out(extra)


# What comes of numbers that are none is refused later, in a sentence.
@np.errstate(all="ignore")
def interpreted(page: Directory, samples: Array, layout: Layout) -> tuple[Array, Array | None]:
    """Return pixels, ``(H, W)`` or ``(H, W, 3)``, and alpha, ``(H, W)`` or None, of samples ``(H, W, C)``.

    No channel is lost without a warning. Raises RefusedError for channels that make neither gray nor RGB.
    """
    samples = _scaled(samples, layout)
    colours, alpha_at = _roles(page, samples.shape[2], layout.colour)
    top = full_scale(samples.dtype)
    pixels = samples[..., 0] if colours == 1 else samples[..., :colours]
    if layout.colour == _WHITE_FIRST:
        pixels = top - pixels
    alpha = None
    if alpha_at is not None:
        alpha = contiguous(samples[..., alpha_at])
        if _meanings(page)[alpha_at - colours :][:1] == (_ASSOCIATED,):
            pixels = undo_premultiplication(pixels, alpha)
    if layout.colour == _CMYK:
        return _from_cmyk(page, pixels, alpha)
    if layout.colour in LAB:
        pixels = lab.to_srgb(pixels, icc=layout.colour == _ICC_LAB)
        warn("The picture is in L*a*b* colours; it was converted to sRGB.")
    return contiguous(pixels), alpha


def _from_cmyk(page: Directory, pixels: Array, alpha: Array | None) -> tuple[Array, Array | None]:
    if pixels.dtype != np.uint8:
        warn(f"The picture is CMYK of {8 * pixels.itemsize} bits a sample, of which 8 were used.")
    try:
        profile = page.value(_ICC)
    except ValueError:
        profile = None
    image = Image.frombytes("CMYK", pixels.shape[1::-1], change_depth(pixels, np.uint8).tobytes())
    rgb = np.array(pillow.rgb_from_cmyk(image, profile))
    return rgb, None if alpha is None else change_depth(alpha, np.uint8)


def _own_layout(page: Directory, bits: int, kind: int, colour: int) -> Layout | None:
    types: dict[tuple[int, int], np.dtype[np.generic]] = {
        (8, _INTEGER): np.dtype(np.uint8),
        (16, _INTEGER): np.dtype(np.uint16),
        (16, _FLOAT): np.dtype(np.float16),
        (32, _FLOAT): np.dtype(np.float32),
        (64, _FLOAT): np.dtype(np.float64),
    }
    dtype = types.get((bits, kind))
    if dtype is not None:
        return None if colour in CONVERTED and kind == _FLOAT else Layout(dtype, bits, colour)
    # Samples packed without gaps. Pillow reads gray ones of 1, 2 and 4 bits.
    packed = kind == _INTEGER and 0 < bits < 16 and not _is_small_gray(page)
    plain = colour in (_WHITE_FIRST, _GRAY, _RGB) and page.integers(_PREDICTOR, (1,))[0] == 1
    return Layout(np.dtype(np.uint16 if bits > 8 else np.uint8), bits, colour) if packed and plain else None


def _is_small_gray(page: Directory) -> bool:
    return set(page.integers(_BITS, (1,))) <= {1, 2, 4} and tiff_samples.channel_count(page) == 1


def _scaled(samples: Array, layout: Layout) -> Array:
    """Samples on the full scale of their type; floats as float32."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float32, copy=False)
    if layout.bits == 8 * samples.dtype.itemsize:
        return samples
    return stretched(samples, 2**layout.bits - 1)


def _roles(page: Directory, channels: int, colour: int) -> tuple[int, int | None]:
    """How many channels are colours, and which one is alpha."""
    colours = _COLOURS[colour]
    if channels < colours:
        raise ValueError("colour channels are missing")
    extra = channels - colours
    meanings = _meanings(page)
    # Without a word on it, a single extra channel is what other programs take for alpha, too.
    if extra == 1 and not meanings:
        return colours, colours
    known = [at for at, meaning in enumerate(meanings[:extra]) if meaning in (_ASSOCIATED, _STRAIGHT)]
    alpha_at = colours + known[0] if known else None
    if colours == 1 and colour != sensor_tags.CFA and extra - len(known[:1]) >= 2:
        if extra - len(known[:1]) > 2 or alpha_at not in (None, 3):
            raise RefusedError(
                f"has {channels} bands that are neither gray nor RGB: save the three that you need as RGB first"
            )
        warn("The picture has three bands that are called gray; they are read as red, green and blue.")
        return 3, alpha_at
    if extra - len(known[:1]) > 0:
        _warn_left_out(extra - len(known[:1]))
    return colours, alpha_at


def _meanings(page: Directory) -> tuple[int, ...]:
    return page.integers(_EXTRA)


def _warn_left_out(count: int) -> None:
    which = "One channel that is neither colour nor alpha (infrared, for example) was"
    warn(f"{which if count == 1 else f'{count} channels that are neither colour nor alpha were'} left out.")


def _not_decoded(compression: int) -> RefusedError:
    name = _COMPRESSIONS.get(compression)
    called = f"{name} compression" if name else f"compression {compression}"
    return RefusedError(
        f"uses {called}, which magn does not read: save it uncompressed, with LZW or with deflate first"
    )
