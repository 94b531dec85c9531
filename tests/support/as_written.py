"""Small pictures as cameras, phones and programs write them, and parts of files to build them from."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from tests.support.pictures import texture

SIZE = (48, 64)


def picture(dtype=np.uint8):
    """``(48, 64, 3)``, with detail everywhere."""
    return texture(dtype, 3, SIZE)


def jpeg(**options):
    file = io.BytesIO()
    Image.fromarray(picture()).save(file, "JPEG", **({"quality": 60} | options))
    return file.getvalue()


def segment(marker, content):
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def with_segments(data, *segments):
    """A JPEG file with these segments behind its first two bytes."""
    return data[:2] + b"".join(segments) + data[2:]


def scan_bytes(data):
    """Where the picture data of a JPEG file with one scan begin and end."""
    at = data.index(b"\xff\xda")
    return at + 2 + int.from_bytes(data[at + 2 : at + 4], "big"), len(data) - 2


def png(*chunks, mode="RGB"):
    """A PNG file with these chunks before its picture data."""
    file = io.BytesIO()
    image = Image.fromarray(picture())
    (image.quantize(16) if mode == "P" else image.convert(mode)).save(file, "PNG")
    data = file.getvalue()
    at = data.index(b"IDAT") - 4
    return data[:at] + b"".join(chunks) + data[at:]


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def hexadecimal(name, content):
    """A profile as ImageMagick puts it into a text chunk."""
    digits = content.hex()
    lines = [digits[at : at + 72] for at in range(0, len(digits), 72)]
    return "\n".join(["", name, f"{len(content):8}", *lines, ""]).encode()


def exif(orientation=None, maker_note=0, index=None, thumbnail=0, colour_space=None):
    """A little-endian EXIF block with a date, a place, and what is asked for; without ``Exif\\0\\0``."""
    block = bytearray(b"II*\0\x08\0\0\0")

    def directory(entries, at=None):
        """Records in order, their values behind them; returns where the directory begins."""
        start = len(block) if at is None else at
        block.extend(bytes(2 + 12 * len(entries) + 4))
        struct.pack_into("<H", block, start, len(entries))
        for number, (tag, kind, count, value) in enumerate(sorted(entries)):
            if len(value) > 4:
                where = struct.pack("<I", len(block))
                block.extend(value + bytes(len(value) % 2))
            else:
                where = value.ljust(4, b"\0")
            struct.pack_into("<HHI4s", block, start + 2 + 12 * number, tag, kind, count, where)
        return start

    main = [(271, 2, 5, b"ACME\0"), (34665, 4, 1, bytes(4)), (34853, 4, 1, bytes(4))]
    if orientation:
        main.append((274, 3, 1, struct.pack("<H", orientation)))
    directory(main, at=8)
    main.sort()

    def point(tag, offset):
        number = [entry[0] for entry in main].index(tag)
        struct.pack_into("<I", block, 8 + 2 + 12 * number + 8, offset)

    below = [(0x9003, 2, 20, b"2024:05:06 07:08:09\0")]
    if colour_space:
        below.append((0xA001, 3, 1, struct.pack("<H", colour_space)))
    if maker_note:
        below.append((37500, 7, maker_note, bytes(i % 251 for i in range(maker_note))))
    if index:
        offset = directory([(1, 2, 4, index + b"\0")])
        below.append((0xA005, 4, 1, struct.pack("<I", offset)))
    point(34665, directory(below))
    latitude = struct.pack("<6I", 52, 1, 30, 1, 0, 1)
    point(34853, directory([(1, 2, 2, b"N\0"), (2, 5, 3, latitude)]))
    if thumbnail:
        struct.pack_into("<I", block, 8 + 2 + 12 * len(main), len(block))
        where = len(block) + 2 + 24 + 4
        entries = [(513, 4, 1, struct.pack("<I", where)), (514, 4, 1, struct.pack("<I", thumbnail))]
        directory(entries)
        block.extend(b"\xff" * thumbnail)
    return bytes(block)


def tiff(samples, without=(), big=False, **changed):
    """One uncompressed little-endian strip; ``samples`` are (H, W, C), or bytes with ``shape`` and ``bits``.

    ``changed``: tags as t262=(3, (1,)), the type and the numbers; ``without``: tags left out.
    """
    height, width, channels = changed.pop("shape", None) or samples.shape
    data = samples if isinstance(samples, bytes) else samples.astype(samples.dtype.newbyteorder("<")).tobytes()
    bits = changed.pop("bits", None) or 8 * samples.itemsize
    start = 16 if big else 8
    entries = {
        256: (4, (width,)),
        257: (4, (height,)),
        258: (3, (bits,) * channels),
        259: (3, (1,)),
        262: (3, (2 if channels == 3 else 1,)),
        273: (16 if big else 4, (start,)),
        277: (3, (channels,)),
        278: (4, (height,)),
        279: (16 if big else 4, (len(data),)),
    }
    entries |= {int(name[1:]): value for name, value in changed.items()}
    entries = {tag: entries[tag] for tag in sorted(entries) if tag not in without}
    body, records = bytearray(data), b""
    body += bytes(len(body) % 2)
    inline, head, pointer = (8, "<HHQ", "<Q") if big else (4, "<HHI", "<I")
    for tag, (kind, numbers) in entries.items():
        packed = struct.pack(f"<{len(numbers)}{ {1: 'B', 3: 'H', 4: 'I', 12: 'd', 16: 'Q'}[kind] }", *numbers)
        if len(packed) > inline:
            value = struct.pack(pointer, start + len(body))
            body += packed + bytes(len(packed) % 2)
        else:
            value = packed.ljust(inline, b"\0")
        records += struct.pack(head, tag, kind, len(numbers)) + value
    offset = start + len(body)
    if big:
        header = struct.pack("<2sHHHQ", b"II", 43, 8, 0, offset)
        return header + body + struct.pack("<Q", len(entries)) + records + bytes(8)
    return struct.pack("<2sHI", b"II", 42, offset) + body + struct.pack("<H", len(entries)) + records + bytes(4)


def bmp_with_alpha(alpha, compression=3):
    """A BMP of 32 bits with masks for red, green, blue and alpha (H, W)."""
    rows = np.dstack([picture()[..., ::-1], alpha])[::-1].tobytes()
    height, width = SIZE
    info = struct.pack("<IiiHHIIiiII", 124, width, height, 1, 32, compression, len(rows), 2835, 2835, 0, 0)
    info += struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    info = info.ljust(124, b"\0")
    return struct.pack("<2sIHHI", b"BM", 138 + len(rows), 0, 0, 138) + info + rows
