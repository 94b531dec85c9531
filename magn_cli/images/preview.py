"""Make copies of pictures to view in a browser: 8 bit, in the right colours."""

import io

import numpy as np
from PIL import Image, ImageCms

from magn_cli.images.depth import change_depth
from magn_cli.images.formats import pillow
from magn_cli.images.photo import Array

LONGEST_SIDE = 16_383
"""Pixels; WebP holds no more."""

# A profile goes into every copy; some of those made for printers have megabytes.
_LARGEST_PROFILE = 16_384


def lossless(pixels: Array, alpha: Array | None = None, icc: bytes | None = None) -> bytes:
    """Return a PNG file of 8 bits that a browser shows in the right colours.

    Args:
        pixels: ``(H, W)`` gray or ``(H, W, 3)`` RGB; uint8, uint16, or floats 0..1, which are clipped.
        alpha: ``(H, W)``, of any of these types.
        icc: a colour profile. A small one for RGB is kept, so that wide colours stay wide; pixels with another
            are converted to sRGB; one that cannot be read is left out.
    """
    image = Image.fromarray(change_depth(pixels, np.uint8))
    if icc is not None:
        image, icc = _for_browsers(image, icc)
    if alpha is not None:
        image.putalpha(Image.fromarray(change_depth(alpha, np.uint8)))
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=3, icc_profile=icc)
    return file.getvalue()


def smaller(png: bytes, quality: int, region: tuple[int, int, int, int] | None = None) -> bytes:
    """Return a lossy WebP file of what :func:`lossless` made.

    Args:
        png: that file.
        quality: 0..100.
        region: left, top, width and height of what is kept of it; at most :data:`LONGEST_SIDE` a side.
    """
    with pillow.opened(png, "PNG", checked=False) as image:
        icc = image.info.get("icc_profile")
        if region is not None:
            left, top, width, height = region
            image = image.crop((left, top, left + width, top + height))
        file = io.BytesIO()
        image.save(file, "WEBP", quality=quality, use_sharp_yuv=True, icc_profile=icc or b"")
    return file.getvalue()


def _for_browsers(image: Image.Image, icc: bytes) -> tuple[Image.Image, bytes | None]:
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        if image.mode == "RGB" and len(icc) <= _LARGEST_PROFILE and profile.profile.xcolor_space == "RGB ":
            return image, icc
        converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return image, None
    return (image if converted is None else converted), None
