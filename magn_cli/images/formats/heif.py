"""Read HEIF and AVIF files of 8 to 12 bits, as phones save them."""

from dataclasses import replace
from typing import Any

import numpy as np

from magn_cli.images.depth import stretched
from magn_cli.images.formats import heif_items, opencv, pillow
from magn_cli.images.limits import RefusedError, check_size
from magn_cli.images.metadata import colour_chunks, gain_map, orientation, xmp
from magn_cli.images.metadata.exif import stated_orientation, unprefixed
from magn_cli.images.photo import Array, Metadata, Photo
from magn_cli.images.silence import silence
from magn_cli.images.transparency import undo_premultiplication
from magn_cli.images.warnings import warn

_PROPERTIES = 1 << 16
"""Bytes at the start of a file among which the properties of its pictures are."""
_C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


def read_avif(data: bytes) -> tuple[Photo, bool]:
    """The picture in the bytes of an AVIF file, not yet turned, and if there are more frames.

    RefusedError if Pillow comes without its decoder.
    """
    try:
        from PIL import AvifImagePlugin

        supported = AvifImagePlugin.SUPPORTED
    except ImportError:
        supported = False
    if not supported:
        raise RefusedError("is an AVIF picture, which this Pillow cannot decode: install Pillow 11.3 or later")
    _check_complete(data)
    with pillow.opened(data, "AVIF") as image:
        metadata = pillow.metadata(image, _avif_colour(data))
        # Pillow puts the file's own transformation into the EXIF block; then what the XMP packet says is a copy.
        if metadata.xmp and (_has_transformation(data) or (metadata.exif and stated_orientation(metadata.exif))):
            metadata = replace(metadata, xmp=xmp.with_orientation_1(metadata.xmp))
        has_more = getattr(image, "n_frames", 1) > 1
        mode, depth = image.mode, _avif_depth(data)
        if depth == 8:
            image.load()
            pixels, alpha = pillow.samples(image)
    if depth > 8:
        pixels, alpha = _deep_avif(data, depth, mode)
    _warn_left_out(data)
    return Photo(pixels, alpha, metadata, None, "AVIF"), has_more


def read_heif(data: bytes) -> tuple[Photo, bool]:
    """The picture in the bytes of a HEIF file, the right way up, and if there are more pictures.

    RefusedError without the package pillow-heif. ValueError if the file is damaged.
    """
    try:
        import pillow_heif
    except ImportError:
        raise RefusedError(
            "is a HEIF picture (HEIC), which needs pillow-heif: pip install 'magn-cli[heif]'"
        ) from None
    _check_complete(data)
    with silence(native=True):
        file = pillow_heif.open_heif(data, convert_hdr_to_8bit=False, hdr_to_16bit=False)
        picture = file[file.primary_index]
        check_size(*picture.size)
        array: Array = np.array(picture)
    model, _, depth = picture.mode.partition(";")
    pixels, alpha = _separated(array, model)
    _warn_left_out(data)
    if depth:
        top = 2 ** int(depth) - 1
        pixels, alpha = stretched(pixels, top), None if alpha is None else stretched(alpha, top)
    if alpha is not None and model.endswith("a"):
        pixels = undo_premultiplication(pixels, alpha)
    return Photo(pixels, alpha, _heif_metadata(picture.info), None, "HEIF"), len(file) > 1


def _check_complete(data: bytes) -> None:
    if not heif_items.are_complete(data):
        raise ValueError("an item reaches beyond the end of the file")


def _warn_left_out(data: bytes) -> None:
    if gain_map.is_in(data):
        gain_map.warn_left_out()
    if b"mpvd" in data or b"MotionPhoto_Data" in data:
        warn("The video of the motion photo was left out.")
    if _C2PA in data:
        warn("Left out: content credentials (C2PA).")


def _heif_metadata(info: dict[str, Any]) -> Metadata:
    block = info.get("exif")
    code_points = info.get("nclx_profile") or {}
    metadata = Metadata(
        icc=info.get("icc_profile") or None,
        exif=unprefixed(block) or None if block else None,
        xmp=info.get("xmp") or None,
        colour=colour_chunks.from_code_points(
            int(code_points.get("color_primaries", 2)), int(code_points.get("transfer_characteristics", 2))
        ),
    )
    # The file's own transformations count, and libheif has applied them.
    return orientation.already_turned(metadata)


def _has_transformation(data: bytes) -> bool:
    return any(box in data[:_PROPERTIES] for box in (b"irot", b"imir"))


def _avif_depth(data: bytes) -> int:
    """Bits a sample, 8, 10 or 12; colour and alpha have the same."""
    at = data.find(b"av1C")
    if at < 0 or at + 7 > len(data):
        return 8
    high, twelve = data[at + 6] & 0x40, data[at + 6] & 0x20
    return 8 if not high else 12 if twelve else 10


def _avif_colour(data: bytes) -> colour_chunks.Chunks:
    at = data.find(b"colrnclx")
    if at < 0 or at + 12 > len(data):
        return ()
    primaries, transfer = np.frombuffer(data, ">u2", 2, at + 8)
    return colour_chunks.from_code_points(int(primaries), int(transfer))


def _deep_avif(data: bytes, depth: int, mode: str) -> tuple[Array, Array | None]:
    """Pixels and alpha of more than 8 bits; of 8, with a warning, where OpenCV has no decoder for them."""
    try:
        array = opencv.decode(data)
    except ValueError:
        array = np.empty(0, np.uint8)
    if array.dtype != np.uint16:
        with pillow.opened(data, "AVIF") as image:
            image.load()
            reduced = pillow.samples(image)
        warn(f"The picture has {depth} bits a sample; only 8 of them could be read.")
        return reduced
    top = 2**depth - 1
    pixels, alpha = _separated(array, mode)
    return stretched(pixels, top), None if alpha is None else stretched(alpha, top)


def _separated(array: Array, model: str) -> tuple[Array, Array | None]:
    """Pixels and alpha of samples whose colour model has as many letters as they have channels."""
    if array.ndim == 2:
        return array, None
    alpha = np.ascontiguousarray(array[..., -1]) if array.shape[2] in (2, 4) else None
    colours = array[..., :3] if array.shape[2] >= 3 else array[..., 0]
    if model in ("L", "LA", "La") and array.shape[2] >= 3:
        colours = array[..., 0]
    return np.ascontiguousarray(colours), alpha
