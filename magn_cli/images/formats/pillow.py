"""Read pictures of up to 8 bits with Pillow, without loss."""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageCms

from magn_cli.images.limits import check_size
from magn_cli.images.metadata.exif import unprefixed
from magn_cli.images.photo import Array, Metadata
from magn_cli.images.silence import silence
from magn_cli.images.warnings import warn

_TALKATIVE = ("TIFF",)
"""Formats whose C libraries write to stderr."""


@contextmanager
def opened(
    data: bytes, kind: str, *, checked: bool = True, complaints: list[str] | None = None
) -> Iterator[Image.Image]:
    """The picture in ``data``, opened by Pillow as ``kind``; RefusedError if it is ``checked`` and too large.

    At the end, ``complaints`` gets what C libraries have printed. This must not be nested.
    """
    with (
        silence(native=kind in _TALKATIVE) as said,
        unlimited(),
        Image.open(io.BytesIO(data), formats=[kind]) as image,
    ):
        if checked:
            check_size(image.width, image.height)
        yield image
        if complaints is not None:
            complaints.append(said())


@contextmanager
def unlimited() -> Iterator[None]:
    """Without Pillow's own limit of pixels, which is global: only within :func:`silence`."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def samples(image: Image.Image) -> tuple[Array, Array | None]:
    """The 8-bit pixels, (H, W) or (H, W, 3), and the alpha (H, W) or None of an opened picture.

    ValueError for a colour model other than gray, RGB, palette, YCbCr and CMYK.
    """
    if image.mode == "CMYK":
        image = rgb_from_cmyk(image, image.info.get("icc_profile"))
    elif image.mode in ("P", "PA", "RGBa"):
        transparent = image.mode != "P" or "transparency" in image.info
        image = image.convert("RGBA" if transparent else "RGB")
    elif image.mode in ("1", "RGBX", "YCbCr", "La"):
        image = image.convert({"1": "L", "La": "LA"}.get(image.mode, "RGB"))
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        raise ValueError(f"unexpected colour mode {image.mode}")
    array = np.array(image)
    if image.mode in ("L", "RGB"):
        return array, None
    pixels = array[..., 0] if image.mode == "LA" else array[..., :3]
    return np.ascontiguousarray(pixels), np.ascontiguousarray(array[..., -1])


def metadata(image: Image.Image, colour: tuple[tuple[bytes, bytes], ...] = ()) -> Metadata:
    """What Pillow found beside the pixels; a profile of CMYK is left out as the pixels become RGB."""
    exif = image.info.get("exif")
    dpi = image.info.get("dpi")
    return Metadata(
        icc=image.info.get("icc_profile") or None if image.mode != "CMYK" else None,
        exif=unprefixed(exif) or None if isinstance(exif, bytes) else None,
        xmp=image.info.get("xmp") or None,
        dpi=(float(dpi[0]), float(dpi[1])) if dpi and min(dpi) > 0 else None,
        colour=colour,
    )


def rgb_from_cmyk(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return a CMYK picture in sRGB, by its profile where it has a usable one; a warning says so."""
    if profile:
        try:
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
            assert converted is not None
            warn("The picture is CMYK; it was converted to sRGB by its colour profile.")
            return converted
        except (ImageCms.PyCMSError, OSError):
            pass
    warn("The picture is CMYK without a usable colour profile; its RGB colours are approximate.")
    return image.convert("RGB")
