"""JPEG files that the libraries at hand do not write: unusual subsampling, many scans, arithmetic coding."""

import base64
import struct

import numpy as np

from tests.support import as_written

SIZE = (80, 96)

ARITHMETIC = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmBanGQc1tdhbWGkJ6j"
    "q62rZ4C8ybqmx5moq6T/2wBDARweHigjKE4rK06kbl1upKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSk"
    "pKSkpKSkpKT/yQARCAAwAEADASIAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwDQyFmrRZLIisHuFPpT+SAWJh7EqLVx"
    "MYZFOD1f3fjDjD2QWp17cz43sqveIzW9uDczcDVSkrUQR+oprmab8L8jwu8YzLnTqk5ABRKaDsIEqah6DT3PqHMPa11/T5QGb0B1"
    "RzcjZIBdixjdI6pDp4lYZrcX64UjBDcRxRy4bp9CHRnvgqleH4OBoWH90QJlpgEMRq7Mh/KAuYgtdzC2Y6NW/qrrTpc+ZrEhz1uA"
    "c8stF0OPiD1Jj0AKAMEsPSmSkKiqXsC93rcxfwp96FkvmvCMKT/A/9k="
)
"""``as_written.picture()``, as ``cjpeg -arithmetic -quality 30`` writes it."""


def with_factors(*factors, interleaved=True, flat=(), seed=0):
    """A file of noise in Huffman coding.

    Args:
        factors: of each component, across and down.
        interleaved: whether all components share one scan.
        flat: the components of which all blocks are the same; their codes make them zeros.
        seed: of the noise.
    """
    rng = np.random.default_rng(seed)
    tables = [*_huffman_segments(), *(bytes([number, 1]) + bytes(16) for number in (0x01, 0x11))]
    most = [max(one[axis] for one in factors) for axis in (0, 1)]
    blocks = {}
    for number, (across, down) in enumerate(factors):
        shape = (-(-SIZE[0] // (8 * most[1])) * down, -(-SIZE[1] // (8 * most[0])) * across)
        values = rng.integers(1, 8, (*shape, 6)) * rng.choice([-1, 1], (*shape, 6))
        values[..., 0] *= 4
        blocks[number] = np.zeros((*shape, 1), int) if number in flat else values
    chosen = {number: int(number in flat) for number in blocks}
    frame = struct.pack(">BHHB", 8, *SIZE, len(factors))
    frame += b"".join(bytes([n + 1, across << 4 | down, 0]) for n, (across, down) in enumerate(factors))
    data = b"\xff\xd8" + as_written.segment(0xDB, b"\0" + bytes([4] * 64))
    data += as_written.segment(0xC1, frame) + b"".join(as_written.segment(0xC4, one) for one in tables)
    pairs = [_codes(tables[0]), _codes(tables[1])], [_codes(tables[2]), _codes(tables[3])]
    codes = {number: pairs[which] for number, which in chosen.items()}
    for members in [list(blocks)] if interleaved else [[number] for number in blocks]:
        header = bytes([len(members)]) + b"".join(bytes([n + 1, 17 * chosen[n]]) for n in members) + b"\0\x3f\0"
        data += as_written.segment(0xDA, header) + _coded(members, blocks, factors, most, codes)
    return data + b"\xff\xd9"


def _coded(members, blocks, factors, most, codes):
    last, bits = dict.fromkeys(members, 0), []
    for number, block in _in_order(members, blocks, factors, most):
        difference, last[number] = int(block[0]) - last[number], int(block[0])
        of_means, of_others = codes[number]
        bits.append(_code(of_means, difference))
        # Zeros are at the end only, so there are no runs of them.
        bits += [_code(of_others, int(value)) for value in block[1:]]
        bits.append(of_others[0])
    packed = "".join(bits)
    packed += "1" * (-len(packed) % 8)
    return int(packed, 2).to_bytes(len(packed) // 8, "big").replace(b"\xff", b"\xff\0")


def _in_order(members, blocks, factors, most):
    if len(members) == 1:
        number = members[0]
        rows, columns = (-(-SIZE[axis] * factors[number][1 - axis] // (8 * most[1 - axis])) for axis in (0, 1))
        for row in range(rows):
            for column in range(columns):
                yield number, blocks[number][row, column]
        return
    first = members[0]
    rows, columns = (blocks[first].shape[axis] // factors[first][1 - axis] for axis in (0, 1))
    for row in range(rows):
        for column in range(columns):
            for number in members:
                across, down = factors[number]
                for y in range(down):
                    for x in range(across):
                        yield number, blocks[number][row * down + y, column * across + x]


def _code(codes, value):
    size = abs(value).bit_length()
    return codes[size] + (f"{value if value > 0 else value + (1 << size) - 1:0{size}b}" if size else "")


def _huffman_segments():
    """The usual tables, for DC and for AC, as libjpeg writes them."""
    data, found, at = as_written.jpeg(), [], 0
    while len(found) < 2:
        at = data.index(b"\xff\xc4", at + 1)
        found.append(data[at + 4 : at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")])
    assert [one[0] for one in found] == [0x00, 0x10]
    return found


def _codes(segment):
    """Symbol to the bits of its code."""
    counts, symbols = segment[1:17], segment[17:]
    codes, code, at = {}, 0, 0
    for length, count in enumerate(counts, 1):
        for symbol in symbols[at : at + count]:
            codes[symbol] = f"{code:0{length}b}"
            code += 1
        at, code = at + count, code << 1
    return codes
