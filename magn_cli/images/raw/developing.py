"""Develop what a sensor measured: white balance and curve before demosaicing, colours and tone after.

The network was trained on photographs: white is white, and dark tones have their share of the scale. So it sees
the mosaic white-balanced and on the curve of sRGB (docs/raw.md has the figures).
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from magn_cli.images.photo import Array, Mosaic

_XYZ_OF_SRGB = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
_BRIGHT_SHARE = 0.01
_MAX_EXPOSURE = 8.0
_SHOULDER = 0.6
_MIN_SATURATION = 0.75
_SOME = 1 << 20


def saturation(samples: Array, blacks: Array, white: float) -> float:
    """The sample at which the sensor of a picture (H, W) saturates, which may lie below what its file says.

    That is its highest sample where this comes within a quarter of ``white`` (LibRaw's rule): a sensor that
    saturates earlier than told would leave its whites magenta. ``blacks`` as for :func:`encoded`.
    """
    highest = float(samples.max())
    black = float(blacks.max())
    return highest if _MIN_SATURATION * (white - black) < highest - black < white - black else white


def encoded(samples: Array, pattern: str, blacks: Array, white: float, gains: Array) -> npt.NDArray[np.uint16]:
    """Linear samples (H, W), uint8 or uint16, as a mosaic of a photograph: balanced and on the curve of sRGB.

    ``blacks`` are those of the four places of the pattern, (2, 2); ``gains`` what R, G and B have to be
    multiplied by for white to be neutral. All colours are cut where the first one saturates, so that what is
    blown out stays neutral. ValueError where the levels leave no range.
    """
    if not white > blacks.max() or not np.isfinite(gains).all() or gains.min() <= 0:
        raise ValueError("impossible black level, white level or white balance")
    scale = gains / gains.min()
    out = np.empty(samples.shape, np.uint16)
    steps = np.arange(np.iinfo(samples.dtype).max + 1, dtype=np.float64)
    for place, colour in enumerate(pattern):
        row, column = divmod(place, 2)
        black = float(blacks[row, column])
        light = np.clip((steps - black) / (white - black) * scale["rgb".index(colour)], 0, 1)
        table = np.rint(srgb_curve(light) * 65535).astype(np.uint16)
        out[row::2, column::2] = table[samples[row::2, column::2]]
    return out


def srgb_of_camera(camera_of_xyz: Array) -> Array:
    """The matrix (3, 3) from linear balanced camera RGB to linear sRGB, of one from XYZ (D65) to camera RGB.

    ValueError where it cannot be turned around.
    """
    camera_of_srgb = camera_of_xyz @ _XYZ_OF_SRGB
    sums = camera_of_srgb.sum(axis=1, keepdims=True)
    if not np.isfinite(sums).all() or abs(sums).min() < 1e-6:
        raise ValueError("impossible colour matrix")
    try:
        # White is (1, 1, 1) on both sides.
        return np.linalg.inv(camera_of_srgb / sums)
    except np.linalg.LinAlgError as error:
        raise ValueError("impossible colour matrix") from error


def exposure(mosaic: Array, pattern: str, matrix: Array) -> float:
    """How much a picture is to be brightened, 1 to 8, for its brightest hundredth to reach white.

    ``mosaic`` as :func:`encoded` gives it, ``matrix`` as :class:`Mosaic` has it.
    """
    height, width = (side // 2 * 2 for side in mosaic.shape)
    if not height or not width:
        return 1.0
    step = max(1, round((height * width / 4 / _SOME) ** 0.5))
    colours = [np.zeros(0)] * 3
    for place, colour in enumerate(pattern):
        row, column = divmod(place, 2)
        values = linear_light(mosaic[row:height:2, column:width:2][::step, ::step].astype(np.float32) / 65535)
        which = "rgb".index(colour)
        colours[which] = values if not colours[which].size else (colours[which] + values) / 2
    picture = np.stack(colours, axis=-1) @ matrix.T
    bright = float(np.quantile(picture.max(axis=-1), 1 - _BRIGHT_SHARE))
    return min(max(1 / max(bright, 1e-6), 1.0), _MAX_EXPOSURE)


def developed(values: npt.NDArray[np.float32], mosaic: Mosaic) -> npt.NDArray[np.float32]:
    """The picture in sRGB, (rows, W, 3), 0..1, of a demosaiced one that :func:`encoded` had prepared."""
    if mosaic.matrix is None:
        return values
    light = _light_table()[_steps(np.clip(values, 0, 1))].reshape(-1, 3) @ mosaic.matrix.T.astype(np.float32)
    np.clip(light, 0, 1, out=light)
    return _tone_table(mosaic.exposure)[_steps(np.sqrt(light, out=light))].reshape(values.shape)


def _steps(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """0..1 in steps of 16 bits: powers of single values would take longer than a GPU takes for the network."""
    return np.rint(values * np.float32(65535)).astype(np.uint16)


@lru_cache(maxsize=1)
def _light_table() -> npt.NDArray[np.float32]:
    return linear_light(np.arange(65536) / 65535).astype(np.float32)


@lru_cache(maxsize=1)
def _tone_table(exposure: float) -> npt.NDArray[np.float32]:
    """The curve of the finished picture for the square root of light, which has steps enough in the shadows."""
    return srgb_curve(brightened((np.arange(65536) / 65535) ** 2, exposure)).astype(np.float32)


def brightened(light: Array, times: float) -> Array:
    """Linear light, 0..1, multiplied by 1 and more, but that white stays where it is and nothing is cut.

    Above the shoulder it is compressed as by Reinhard et al. (2002, with a white point), without a bend.
    """
    bright = light * times
    room = 1 - _SHOULDER
    over, most = np.maximum(bright - _SHOULDER, 0) / room, (times - _SHOULDER) / room
    return np.minimum(bright, _SHOULDER) + room * over * (1 + over / most**2) / (1 + over)


def srgb_curve(light: Array) -> Array:
    """Linear light on the curve of sRGB; both 0..1, any shape."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055)


def linear_light(values: Array) -> Array:
    """What :func:`srgb_curve` undoes."""
    return np.where(values <= 0.04045, values / 12.92, ((np.maximum(values, 0.04045) + 0.055) / 1.055) ** 2.4)
