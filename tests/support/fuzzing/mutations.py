"""Breaking a file: blindly, and with knowledge of where its format keeps sizes, kinds and checksums."""

import random
import struct
import zlib
from collections.abc import Callable

Dice = random.Random
_EDGES = (0, 1, 2, 7, 8, *(2**bits + step for bits in (7, 8, 15, 16, 31) for step in (-1, 0)), 2**32 - 1)


def broken(seed: int, corpus: dict[str, bytes]) -> tuple[str, bytes]:
    """The broken file that belongs to a seed: the name of what it was made of, and its bytes."""
    dice = Dice(seed)
    name = dice.choice(sorted(corpus))
    data = bytearray(corpus[name])
    known = _BY_SUFFIX[name.rpartition(".")[2]]
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        if len(data) < 12:
            break
        if dice.random() < 0.6:
            data = known(dice, data)
        elif dice.random() < 0.1:
            data = _spliced(dice, data, bytearray(corpus[dice.choice(sorted(corpus))]))
        else:
            data = dice.choice(_BLIND)(dice, data)
    return name, bytes(data)


def _flipped(dice: Dice, data: bytearray) -> bytearray:
    for _ in range(dice.choice((1, 2, 8))):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return data


def _overwritten(dice: Dice, data: bytearray) -> bytearray:
    at, length = dice.randrange(len(data)), dice.choice((1, 4, 16, 100))
    fill = dice.choice((b"\0", b"\xff", None))
    run = fill * length if fill else dice.randbytes(length)
    data[at : at + length] = run[: len(data) - at]
    return data


def _cut(dice: Dice, data: bytearray) -> bytearray:
    return data[: dice.randrange(8, len(data))]


def _shortened(dice: Dice, data: bytearray) -> bytearray:
    at = dice.randrange(len(data))
    del data[at : at + dice.choice((1, 2, 4, 30))]
    return data


def _lengthened(dice: Dice, data: bytearray) -> bytearray:
    at = dice.randrange(len(data))
    data[at:at] = data[at : at + dice.choice((1, 4, 30))] if dice.random() < 0.5 else dice.randbytes(5)
    return data


def _number(dice: Dice, data: bytearray) -> bytearray:
    return _put(dice, data, dice.randrange(len(data)), dice.choice((1, 2, 4)), dice.choice("<>"))


_BLIND: tuple[Callable[[Dice, bytearray], bytearray], ...] = (
    _flipped,
    _overwritten,
    _cut,
    _shortened,
    _lengthened,
    _number,
)


def _spliced(dice: Dice, data: bytearray, other: bytearray) -> bytearray:
    return data[: dice.randrange(len(data))] + other[dice.randrange(len(other)) :]


def _put(dice: Dice, data: bytearray, at: int, size: int, order: str) -> bytearray:
    """A number that makes trouble, or one near the number that is there."""
    endian = "little" if order == "<" else "big"
    now = int.from_bytes(data[at : at + size], endian)
    number = dice.choice((dice.choice(_EDGES), now + dice.choice((-1, 1, 8)), dice.randrange(1 << 8 * size)))
    data[at : at + size] = (number % (1 << 8 * size)).to_bytes(size, endian)
    return data


def _png(dice: Dice, data: bytearray) -> bytearray:
    """A chunk changed, with its checksum put right."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        chunks.append((bytes(data[at + 4 : at + 8]), bytearray(data[at + 8 : at + 8 + length])))
        at += 12 + length
    if not chunks:
        return data
    chosen = dice.randrange(len(chunks))
    kind, content = chunks[chosen]
    act = dice.randrange(6)
    if act == 0:
        chunks.insert(dice.randrange(len(chunks)), chunks.pop(chosen))
    elif act == 1:
        name = dice.choice((kind, b"tRNS", b"eXIf", b"PLTE", b"iCCP", b"pHYs"))
        chunks.insert(dice.randrange(len(chunks)), (name, content))
    elif act == 2:
        del chunks[chosen]
    elif kind == b"IDAT" and act == 3:
        try:
            content = bytearray(zlib.compress(_flipped(dice, bytearray(zlib.decompress(content)))))
        except zlib.error:
            content = _flipped(dice, content) if content else content
        chunks[chosen] = kind, content
    elif content:
        change = _number if kind == b"IHDR" else dice.choice(_BLIND) if len(content) > 8 else _flipped
        chunks[chosen] = kind, change(dice, content)
    out = data[:8]
    for kind, content in chunks:
        out += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return out


def _jpeg(dice: Dice, data: bytearray) -> bytearray:
    """A segment changed, doubled or dropped, or its length."""
    segments, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        segments.append((at, end))
        at = end
    if not segments or dice.random() < 0.2:
        return _flipped(dice, data)
    start, end = dice.choice(segments)
    act = dice.randrange(5)
    if act == 0:
        del data[start:end]
    elif act == 1:
        data[start:start] = data[start:end]
    elif act == 2:
        _put(dice, data, start + 2, 2, ">")
    elif act == 3 and end - start > 4:
        part = _flipped(dice, data[start + 4 : end])
        data[start + 4 : end] = part
    else:
        _put(dice, data, dice.randrange(start, max(end, start + 1)), dice.choice((1, 2)), ">")
    return data


def _tiff(dice: Dice, data: bytearray) -> bytearray:
    """A field of a record of the first directory, a record dropped, or the link to the next directory."""
    order = "<" if data[:2] == b"II" else ">"
    (start,) = struct.unpack_from(order + "I", data, 4)
    if start + 2 > len(data):
        return _flipped(dice, data)
    (count,) = struct.unpack_from(order + "H", data, start)
    if start + 6 + 12 * count > len(data) or not count:
        return _flipped(dice, data)
    act, at = dice.randrange(8), start + 2 + 12 * dice.randrange(count)
    if act == 0:
        struct.pack_into(order + "I", data, start + 2 + 12 * count, dice.choice((start, 8, len(data), 3)))
    elif act == 1:
        data[at : at + 12] = data[start + 2 : start + 14]
    elif act == 2:
        _put(dice, data, at, 2, order)
    elif act == 3:
        struct.pack_into(order + "H", data, at + 2, dice.randrange(20))
    elif act == 4:
        _put(dice, data, at + 4, 4, order)
    else:
        _put(dice, data, at + 8, dice.choice((2, 4)), order)
    return data


def _riff(dice: Dice, data: bytearray) -> bytearray:
    """Size, name or content of a chunk, the size of the whole put right now and then."""
    chunks, at = [], 12
    while at + 8 <= len(data):
        chunks.append(at)
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
    at = dice.choice(chunks or [0])
    act = dice.randrange(4)
    if act == 0:
        _put(dice, data, at + 4, 4, "<")
    elif act == 1:
        data[at : at + 4] = dice.choice((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"EXIF", b"ICCP", b"XMP ", b"ANMF"))
    elif act == 2:
        _put(dice, data, min(at + 8 + dice.randrange(20), len(data) - 1), dice.choice((1, 2, 3)), "<")
    else:
        data = _shortened(dice, data)
    if dice.random() < 0.7 and len(data) >= 8:
        data[4:8] = struct.pack("<I", len(data) - 8)
    return data


def _boxes(dice: Dice, data: bytearray) -> bytearray:
    """A number in the boxes before the coded picture, or the name of one."""
    end = data.find(b"mdat")
    if end <= 24:
        return _flipped(dice, data)
    act = dice.randrange(4)
    if act == 0:
        names = [at for at in range(8, end) if data[at : at + 4].isalpha()]
        at = dice.choice(names or [16])
        data[at : at + 4] = dice.choice((b"free", b"ispe", b"pixi", b"irot", b"auxC", b"colr", b"ipma"))
    elif act == 1:
        names = (b"ispe", b"pixi", b"irot", b"iloc", b"ipma", b"iinf", b"pitm", b"av1C", b"hvcC", b"colr")
        at = max(data.find(dice.choice(names)), 8) + dice.randrange(-4, 16)
        _put(dice, data, at, dice.choice((1, 2, 4)), ">")
    else:
        _put(dice, data, dice.randrange(8, end), dice.choice((1, 2, 4)), ">")
    return data


def _bmp(dice: Dice, data: bytearray) -> bytearray:
    return _put(dice, data, dice.randrange(2, min(60, len(data))), dice.choice((1, 2, 4)), "<")


def _pnm(dice: Dice, data: bytearray) -> bytearray:
    at = dice.randrange(min(20, len(data)))
    words = (b"0", b"9", b"65535", b"-1", b" ", b"#", b"\n", b"1.5", b"\xff")
    data[at : at + dice.randrange(3)] = dice.choice(words)
    return data


_BY_SUFFIX: dict[str, Callable[[Dice, bytearray], bytearray]] = {
    "jpg": _jpeg,
    "png": _png,
    "tif": _tiff,
    "dng": _tiff,
    "webp": _riff,
    "avif": _boxes,
    "heic": _boxes,
    "bmp": _bmp,
    "ppm": _pnm,
    "pgm": _pnm,
    "pbm": _pnm,
}
