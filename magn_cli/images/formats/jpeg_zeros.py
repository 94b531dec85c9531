"""Find parts of the data of a JPEG file that were replaced by zeros, as lost sectors are."""

import numpy as np

from magn_cli.images.formats.jpeg_segments import DHT, SOS, Structure

REPLACED = (
    "is truncated or damaged: a part of its picture data has been replaced by zeros; get an intact copy of it"
)
"""The rest of a sentence that starts with the file's name."""

_SHORT, _LONG = bytes(16), bytes(64)
"""What tells: in a sequential file, and where bits mean less."""

_SEQUENTIAL, _PROGRESSIVE = (0xC0, 0xC1), 0xC2
_END_OF_BLOCK, _LONG_RUN = 0x00, 0xF0


def is_at_end(data: bytes) -> bool:
    """Whether a file without an end marker ends in zeros."""
    return data.endswith(_SHORT)


def are_within(data: bytes, structure: Structure) -> bool:
    """Whether there are zeros in the data of a scan that no encoder writes there.

    The Huffman tables may make zeros flat parts of the picture. Arithmetic coding packs these more tightly, but
    for the bits that refine means.

    Args:
        data: the bare file, see :func:`magn_cli.images.formats.jpeg_segments.bare`.
        structure: its structure.
    """
    assert structure.frame is not None
    codes: dict[int, bytes] = {}
    segments = [*structure.head, *structure.rest]
    ends = [segment.start for segment in segments[1:]] + [structure.end]
    last = next(segment for segment in reversed(structure.rest) if segment.marker == SOS)
    for segment, end in zip(segments, ends, strict=True):
        if segment.marker == DHT:
            codes |= _ac_codes(segment.content)
        elif segment.marker == SOS:
            scan = data[segment.end : end]
            # Some cameras fill the file up to the end marker.
            scan = scan.rstrip(b"\0") if segment is last else scan
            if _SHORT in scan and _are_impossible(scan, segment.content, codes, structure.frame.marker):
                return True
    return False


def _are_impossible(scan: bytes, header: bytes, codes: dict[int, bytes], frame: int) -> bool:
    count = header[0] if header else 0
    if len(header) < 4 + 2 * count:
        return False
    symbols = [codes.get(table & 15, b"") for table in header[2 : 2 + 2 * count : 2]]
    if frame in _SEQUENTIAL:
        return any(some and some[0] != _END_OF_BLOCK for some in symbols)
    if _LONG not in scan:
        return False
    first, is_refinement = header[1 + 2 * count], header[3 + 2 * count] >> 4 > 0
    if frame == _PROGRESSIVE:
        return first > 0 and any(some and not _may_repeat(some) for some in symbols)
    return first > 0 or not is_refinement


def _may_repeat(symbols: bytes) -> bool:
    """Whether an encoder with these codes writes the shortest again and again: it ends each block by itself.

    Others merge the ends of blocks into runs, for which they have codes.
    """
    has_runs = any(symbol & 15 == 0 and _END_OF_BLOCK < symbol < _LONG_RUN for symbol in symbols)
    return symbols[0] == _END_OF_BLOCK and not has_runs


def _ac_codes(content: bytes) -> dict[int, bytes]:
    """The symbols of each table for AC, those of the shortest codes first; the shortest of all is zeros alone."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 17 <= len(content):
        count = int(np.frombuffer(content, np.uint8, 16, at + 1).sum())
        if content[at] >> 4 == 1:
            found[content[at] & 15] = content[at + 17 : at + 17 + count]
        at += 17 + count
    return found
