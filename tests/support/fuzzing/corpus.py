"""Small intact files of every format and kind, from which the broken ones are made."""

import importlib.util
import io
import struct
import tempfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image, ImageCms, features
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from magn_cli import images
from magn_cli.images.metadata import tags
from tests.support.dng import Sensor, write_dng

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
HEIGHT, WIDTH = 13, 22


def corpus() -> dict[str, bytes]:
    """File name to bytes; the suffix tells the format."""
    files: dict[str, bytes] = {}
    for part in (_jpeg, _png, _deep, _tiff, _webp, _simple, _avif, _heif, _raw):
        files.update(part())
    return files


def _samples(channels: int, dtype: type = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(channels)
    ramp = np.linspace(0.1, 0.8, HEIGHT * WIDTH * channels).reshape(HEIGHT, WIDTH, channels)
    values = np.clip(ramp + rng.normal(0, 0.05, ramp.shape), 0, 1)
    return images.from_float(values.squeeze().astype(np.float32), dtype)


def _image(mode: str) -> Image.Image:
    if mode in ("P", "1", "CMYK", "YCbCr"):
        return Image.fromarray(_samples(3)).convert(mode)
    return Image.fromarray(_samples({"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}[mode]))


def _saved(mode: str, format: str, **options) -> bytes:
    file = io.BytesIO()
    _image(mode).save(file, format, **options)
    return file.getvalue()


def _exif() -> bytes:
    exif = Image.Exif()
    exif[271], exif[tags.ORIENTATION] = "Maker", 6
    exif[tags.EXIF_DIRECTORY] = {37500: bytes(20), 40962: WIDTH, 40963: HEIGHT}
    return exif.tobytes()


def _everything() -> dict:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # The time at which it was made: a seed shall give the same bytes on another day.
    profile[24:36] = bytes(12)
    return {"exif": _exif(), "icc_profile": bytes(profile), "xmp": XMP}


def _jpeg() -> dict[str, bytes]:
    return {
        "plain.jpg": _saved("RGB", "JPEG"),
        "progressive.jpg": _saved("RGB", "JPEG", progressive=True, quality=60),
        "full.jpg": _saved("RGB", "JPEG", subsampling="4:4:4", dpi=(300, 300), **_everything()),
        "notes.jpg": _with_notes(),
        "gray.jpg": _saved("L", "JPEG", quality=30),
        "cmyk.jpg": _saved("CMYK", "JPEG", icc_profile=b"bad" * 50),
        "restart.jpg": _saved("RGB", "JPEG", restart_marker_blocks=1),
        "multi.jpg": _saved("RGB", "MPO", save_all=True, append_images=[_image("RGB")]),
    }


def _with_notes() -> bytes:
    """With an IPTC block."""
    metadata = images.Metadata(iptc=b"\x1c\x02\x78\0\7caption")
    return images.encoding.jpeg.encode(_samples(3), metadata, 80)


def _png() -> dict[str, bytes]:
    files = {f"{mode}.png": _saved(mode, "PNG") for mode in ("L", "LA", "RGB", "RGBA", "P", "1")}
    files["palette.png"] = _saved("P", "PNG", transparency=bytes(range(0, 250, 2)))
    files["key.png"] = _saved("RGB", "PNG", transparency=(10, 20, 30))
    files["animated.png"] = _saved("RGB", "PNG", save_all=True, append_images=[_image("RGB").rotate(180)])
    like = images.Photo(
        _samples(3), None, images.Metadata(_everything()["icc_profile"], _exif()[6:], XMP, (300, 300)), None, "PNG"
    )
    files["full.png"] = images.encoding.png.encode(like.pixels, None, like.metadata, "software")
    files["interlaced.png"] = _interlaced()
    files["chunks.png"] = _with_chunk(
        _with_chunk(files["RGB.png"], b"gAMA", struct.pack(">I", 100000)), b"cICP", b"\x0c\x0d\0\1"
    )
    return files


def _with_chunk(data: bytes, kind: bytes, content: bytes) -> bytes:
    """A PNG with a chunk more behind its header."""
    chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return data[:33] + chunk + data[33:]


def _interlaced() -> bytes:
    """Adam7, gray, written row by row of each pass."""
    pixels, rows = _samples(1), b""
    for top, left, down, right in (
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ):
        for row in pixels[top::down, left::right]:
            rows += b"\0" + row.tobytes() if len(row) else b""
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 0, 0, 0, 1)
    data = images.encoding.png.SIGNATURE
    for kind, content in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        data += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return data


def _opencv(samples: np.ndarray, suffix: str, *options: int) -> bytes:
    return cv2.imencode(suffix, samples, list(options))[1].tobytes()


def _deep() -> dict[str, bytes]:
    files = {f"deep{n}.png": _opencv(_samples(n, np.uint16), ".png") for n in (1, 3, 4)}
    for compression in (1, 5, 8, 32773):
        option = (cv2.IMWRITE_TIFF_COMPRESSION, compression)
        files[f"deep{compression}.tif"] = _opencv(_samples(3, np.uint16), ".tif", *option)
        files[f"float{compression}.tif"] = _opencv(_samples(3, np.float32), ".tif", *option)
    return files


def _tiff() -> dict[str, bytes]:
    compressions = ("raw", "tiff_lzw", "tiff_deflate", "packbits", "jpeg", "zstd")
    files = {f"{name}.tif": _saved("RGB", "TIFF", compression=name) for name in compressions}
    files |= {f"{mode}.tif": _saved(mode, "TIFF") for mode in ("L", "LA", "RGBA", "P", "1", "CMYK", "YCbCr")}
    files["group4.tif"] = _saved("1", "TIFF", compression="group4")
    files["pages.tif"] = _saved("L", "TIFF", save_all=True, append_images=[_image("L")])
    info = ImageFileDirectory_v2()
    info[tags.ORIENTATION], info[700], info[339] = 6, XMP, 1
    profile = _everything()["icc_profile"]
    files["full.tif"] = _saved("RGB", "TIFF", tiffinfo=info, dpi=(72, 72), icc_profile=profile)
    files["tiles.tif"] = _tiled()
    for name, dtype in (("half", np.float16), ("double", np.float64)):
        file = io.BytesIO()
        tifffile.imwrite(file, _samples(3, np.float32).astype(dtype), photometric="rgb")
        files[f"{name}.tif"] = file.getvalue()
    return files | _prepress()


def _prepress() -> dict[str, bytes]:
    """CMYK with alpha and of 16 bits, BigTIFF, deflated tiles."""
    files = {}
    for name, dtype, options in (
        ("cmyka", np.uint8, {"extrasamples": ["unassalpha"], "compression": "zlib"}),
        ("cmyk16", np.uint16, {"planarconfig": "separate", "bigtiff": True, "byteorder": ">"}),
        ("cmyk8", np.uint8, {"bigtiff": True, "byteorder": ">", "tile": (16, 16), "compression": "zlib"}),
    ):
        channels = 5 if name == "cmyka" else 4
        samples = _samples(channels, dtype)
        if "planarconfig" in options:
            samples = np.moveaxis(samples, -1, 0)
        file = io.BytesIO()
        tifffile.imwrite(file, samples, photometric="separated", metadata=None, software=False, **options)
        files[f"{name}.tif"] = file.getvalue()
    return files


def _tiled() -> bytes:
    """Uncompressed tiles of 16 x 16, big-endian, two planes."""
    tile = bytes(range(256))
    offsets = [8 + 256 * n for n in range(4)]
    buffer = bytearray(tags.empty(">") + tile * 4)
    records: dict[int, bytes] = {}
    for tag, kind, numbers in (
        (256, tags.SHORT, [WIDTH]),
        (257, tags.SHORT, [HEIGHT]),
        (258, tags.SHORT, [8, 8]),
        (259, tags.SHORT, [1]),
        (262, tags.SHORT, [1]),
        (277, tags.SHORT, [2]),
        (284, tags.SHORT, [2]),
        (322, tags.SHORT, [16]),
        (323, tags.SHORT, [16]),
        (324, tags.LONG, offsets),
        (325, tags.LONG, [256] * 4),
        (338, tags.SHORT, [2]),
    ):
        code = "H" if kind == tags.SHORT else "I"
        records[tag] = tags.append_value(buffer, ">", tag, kind, struct.pack(f">{len(numbers)}{code}", *numbers))
    tags.append_directory(buffer, ">", records, first=True)
    return bytes(buffer)


def _webp() -> dict[str, bytes]:
    return {
        "lossy.webp": _saved("RGB", "WEBP"),
        "alpha.webp": _saved("RGBA", "WEBP"),
        "lossless.webp": _saved("RGBA", "WEBP", lossless=True),
        "full.webp": _saved("RGB", "WEBP", **_everything()),
        "animated.webp": _saved("RGB", "WEBP", save_all=True, append_images=[_image("RGB").rotate(180)]),
    }


def _simple() -> dict[str, bytes]:
    files = {f"{mode}.bmp": _saved(mode, "BMP") for mode in ("L", "RGB", "RGBA", "P", "1")}
    files |= {f"{mode}.ppm": _saved(mode, "PPM") for mode in ("L", "RGB", "1")}
    files["deep.ppm"] = _opencv(_samples(3, np.uint16), ".ppm")
    files["plain.pgm"] = b"P2 # gray\n6 2\n1023\n" + b" ".join(b"%d" % (90 * n) for n in range(12))
    files["plain.pbm"] = b"P1\n4 3\n101001011100\n"
    return files


def _avif() -> dict[str, bytes]:
    if not features.check("avif"):
        return {}
    files = {
        "plain.avif": _saved("RGB", "AVIF", speed=10),
        "full.avif": _saved("RGBA", "AVIF", speed=10, **_everything()),
        "gray.avif": _saved("L", "AVIF", speed=10),
        "animated.avif": _saved("RGB", "AVIF", speed=10, save_all=True, append_images=[_image("RGB").rotate(180)]),
    }
    files["animated.avif"] = _without_times(files["animated.avif"])
    options = (cv2.IMWRITE_AVIF_DEPTH, 10, cv2.IMWRITE_AVIF_SPEED, 10)
    files["deep.avif"] = _opencv(_samples(4, np.uint16) >> 6, ".avif", *options)
    return files


def _without_times(data: bytes) -> bytes:
    changed = bytearray(data)
    for name in (b"mvhd", b"tkhd", b"mdhd"):
        at = data.index(name) + 8
        changed[at : at + 16] = bytes(16)
    return bytes(changed)


def _heif() -> dict[str, bytes]:
    if importlib.util.find_spec("pillow_heif") is None:
        return {}
    import pillow_heif

    pillow_heif.register_heif_opener()
    files = {f"{mode}.heic": _saved(mode, "HEIF") for mode in ("L", "RGB", "RGBA")}
    files["full.heic"] = _saved("RGB", "HEIF", **_everything())
    deep, file = pillow_heif.from_bytes("RGB;16", (WIDTH, HEIGHT), _samples(3, np.uint16).tobytes()), io.BytesIO()
    deep.save(file)
    files["deep.heic"] = file.getvalue()
    return files


def _raw() -> dict[str, bytes]:
    if importlib.util.find_spec("rawpy") is None:
        return {}
    sensor, files = Sensor(), {}
    with tempfile.TemporaryDirectory() as folder:
        for name, preview in (("plain.dng", False), ("preview.dng", True)):
            # LibRaw takes no smaller ones for pictures of a camera.
            samples = sensor.mosaic(np.tile(_samples(3, np.float32), (4, 3, 1)))
            files[name] = write_dng(Path(folder) / name, samples, sensor, preview=preview).read_bytes()
    return files
