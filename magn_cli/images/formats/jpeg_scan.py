"""Decode the Huffman-coded scans of a JPEG file.

Where a symbol begins is known only once all symbols before it are read. So a plain loop goes over the lengths
alone, which numpy has looked up for every bit of a chunk at once, and numpy then reads all values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CHUNK = 1 << 17
"""Bytes whose lengths are looked up at once."""

RESERVE = 1 << 15
"""Bits that one interleaved unit takes at most (ten blocks of 64 symbols of up to 31 bits)."""

Index = NDArray[np.int64]
Part = tuple["HuffmanTable", "HuffmanTable | None", "NDArray[np.int16] | None", Index, int]


class OverrunError(ValueError):
    """A block has more coefficients than fit into it: bytes before them are missing or wrong."""

    def __init__(self) -> None:
        super().__init__("a block has more than 64 coefficients")


class HuffmanTable:
    """Lookup tables for the next 16 bits."""

    def __init__(self, counts: bytes, symbols: bytes) -> None:
        """``counts``: how many codes there are of each length, 1..16; ``symbols``: in the order of the codes."""
        lengths = np.repeat(np.arange(1, 17), np.frombuffer(counts, np.uint8))
        if len(symbols) != len(lengths) or len(lengths) > 256:
            raise ValueError("a Huffman table is damaged")
        spans = 1 << (16 - lengths)
        used = int(spans.sum())
        if used > 1 << 16:
            raise ValueError("a Huffman table is damaged")
        self.code = np.zeros(1 << 16, np.uint8)
        """Bits of the code; 0: there is none."""

        self.symbol = np.zeros(1 << 16, np.uint8)
        self.code[:used] = np.repeat(lengths, spans)
        self.symbol[:used] = np.repeat(np.frombuffer(symbols, np.uint8), spans)
        size = self.symbol & 15
        run = self.symbol >> 4
        self.step = np.where(self.code > 0, self.code + size, 255).astype(np.uint8)
        """Bits of the code and of the value after it."""

        self.run = np.where((size == 0) & (run < 15), 64, run + 1).astype(np.uint8)
        """By how many coefficients an AC symbol goes on; 64: to the end of the block."""


class BitStream:
    """The bits of one scan, its restart intervals one after the other."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self.starts = [0]
        for piece in pieces:
            self.starts.append(self.starts[-1] + 8 * len(piece))
        self.bytes = np.frombuffer(b"".join(pieces) + bytes(8 + RESERVE // 8), np.uint8)
        self.end = self.starts[-1]

    def windows(self, byte: int) -> NDArray[np.uint16]:
        """Return the 16 bits that begin at each bit of a chunk."""
        some = self.bytes[byte : byte + CHUNK + RESERVE // 8 + 2].astype(np.uint32)
        wide = some[:-2] << 16 | some[1:-1] << 8 | some[2:]
        return (wide[:, None] >> np.arange(8, 0, -1, dtype=np.uint32)).astype(np.uint16).ravel()

    def bits(self, position: Index, count: NDArray[np.int64] | int) -> Index:
        """Return ``count`` bits (up to 16) at each position as numbers."""
        byte = position >> 3
        some = self.bytes
        wide = some[byte].astype(np.int64) << 16 | some[byte + 1].astype(np.int64) << 8 | some[byte + 2]
        wide = wide << 8 | some[np.minimum(byte + 3, len(some) - 1)]
        result: Index = (wide >> (32 - (position & 7) - count)) & ((1 << np.asarray(count, np.int64)) - 1)
        return result

    def _values(self, position: Index, table: HuffmanTable) -> tuple[Index, Index]:
        """Return runs as of :attr:`HuffmanTable.run` and values of symbols at positions."""
        window = self.bits(position, 16)
        size = (table.symbol[window] & 15).astype(np.int64)
        value = self.bits(position + table.code[window], size)
        value = np.where(value < (1 << np.maximum(size - 1, 0)), value - (1 << size) + 1, value)
        return table.run[window].astype(np.int64), np.where(size > 0, value, 0)

    def sequential(self, parts: Sequence[Part], low: int, interval: int) -> None:
        """Read a scan that tells coefficients for the first time: all, or the DC of a progressive file.

        Args:
            parts: of each component the tables for DC and AC (None: no AC), the blocks ``(..., 64)`` to fill
                (None: nobody wants them), which block comes when, and how many an interleaved unit has.
            low: by how many bits values are shifted.
            interval: of units, after which coding begins anew; 0: never.
        """
        total = len(parts[0][3]) // parts[0][4]
        pattern = [which for which, part in enumerate(parts) for _ in range(part[4])]
        tables = [part[0] for part in parts], [part[1] for part in parts]
        differences: list[list[Index]] = [[] for _ in parts]
        done = [0] * len(parts)
        position = unit = 0
        while unit < total:
            origin = position >> 3
            windows = self.windows(origin)
            base, limit = 8 * origin, 8 * CHUNK
            looked: dict[int, tuple[bytes, bytes]] = {}
            for table in (*tables[0], *tables[1]):
                if table is not None and id(table) not in looked:
                    looked[id(table)] = table.step[windows].tobytes(), table.run[windows].tobytes()
            dc_steps = [looked[id(table)][0] for table in tables[0]]
            ac = [None if table is None else looked[id(table)] for table in tables[1]]
            kept: list[tuple[list[int], list[int]]] = [([], []) for _ in parts]
            steps = [(which, dc_steps[which], ac[which], *kept[which]) for which in pattern]
            at = position - base
            while unit < total and at < limit:
                if interval and unit % interval == 0:
                    at = self.starts[unit // interval] - base
                    if not 0 <= at < limit:
                        break
                for _, dc_step, pair, positions, begins in steps:
                    begins.append(len(positions))
                    positions.append(at)
                    at += dc_step[at]
                    if pair is None:
                        continue
                    step, run = pair
                    k = 1
                    while k < 64:
                        positions.append(at)
                        k += run[at]
                        at += step[at]
                unit += 1
            position = at + base
            if position > self.end:
                raise ValueError("a scan ends too early")
            for which, (positions, begins) in enumerate(kept):
                if begins and parts[which][2] is not None:
                    where = np.array(positions, np.int64) + base
                    differences[which].append(self._store(parts[which], where, np.array(begins), done[which], low))
                done[which] += len(begins)
        for part, found in zip(parts, differences, strict=True):
            if part[2] is not None:
                values = np.cumsum(np.concatenate(found))
                if interval:
                    per = interval * part[4]
                    heads = np.arange(0, len(values), per)
                    before = np.where(heads > 0, values[heads - 1], 0)
                    values = values - np.repeat(before, per)[: len(values)]
                part[2].reshape(-1, 64)[part[3], 0] = values << low

    def _store(self, part: Part, positions: Index, begins: Index, done: int, low: int) -> Index:
        """Fill in AC coefficients; return the differences of DC."""
        dc, ac, blocks, order, _ = part
        assert blocks is not None
        _, differences = self._values(positions[begins], dc)
        if ac is not None:
            run, value = self._values(positions, ac)
            run[begins], value[begins] = 1, 0
            counts = np.diff(begins, append=len(positions))
            total = np.cumsum(run)
            k = total - np.repeat(total[begins], counts)
            block = np.repeat(order[done : done + len(begins)], counts)
            told = value != 0
            if (k[told] > 63).any():
                raise OverrunError
            blocks.reshape(-1, 64)[block[told], k[told]] = value[told] << low
        return differences

    def refine_dc(
        self, parts: Sequence[tuple[NDArray[np.int16] | None, Index, int]], low: int, interval: int
    ) -> None:
        """Read one more bit of each DC coefficient.

        ``parts``: of each component the blocks, their order and how many an interleaved unit has.
        """
        per_unit = sum(each for *_, each in parts)
        first = 0
        for blocks, order, each in parts:
            number = np.arange(len(order))
            unit = number // each
            position = unit * per_unit + first + number % each
            if interval:
                starts = np.array(self.starts, np.int64)
                position = starts[unit // interval] + position - unit // interval * interval * per_unit
            if blocks is not None:
                blocks.reshape(-1, 64)[order, 0] |= (self.bits(position, 1) << low).astype(np.int16)
            first += each

    def first_ac(
        self,
        table: HuffmanTable,
        blocks: NDArray[np.int16],
        order: Index,
        band: tuple[int, int],
        low: int,
        interval: int,
    ) -> None:
        """Read a band of AC coefficients of one component, ``(blocks, 64)``, for the first time."""
        first, last = band
        position = number = skipped = 0
        while number < len(order):
            origin = position >> 3
            windows = self.windows(origin)
            symbols, codes = table.symbol[windows].tobytes(), table.code[windows].tobytes()
            base, limit, at = 8 * origin, 8 * CHUNK, position - 8 * origin
            positions: list[int] = []
            places: list[int] = []
            while number < len(order) and at < limit:
                if interval and number % interval == 0:
                    at, skipped = self.starts[number // interval] - base, 0
                    if not 0 <= at < limit:
                        break
                number += 1
                if skipped:
                    skipped -= 1
                    continue
                k = first
                while k <= last:
                    symbol, code = symbols[at], codes[at]
                    run, size = symbol >> 4, symbol & 15
                    if not code:
                        raise ValueError("a scan is damaged")
                    if size == 0 and run < 15:
                        skipped = (1 << run) - 1 + self._number(base + at + code, run)
                        at += code + run
                        break
                    k += run
                    if size:
                        if k > last:
                            raise OverrunError
                        positions.append(at)
                        places.append(64 * (number - 1) + k)
                    k += 1
                    at += code + size
            position = at + base
            if position > self.end:
                raise ValueError("a scan ends too early")
            if positions:
                _, value = self._values(np.array(positions, np.int64) + base, table)
                place = np.array(places, np.int64)
                inside = place - place // 64 * 64 >= first
                blocks[order[place[inside] // 64], place[inside] % 64] = value[inside] << low

    def refine_ac(
        self,
        table: HuffmanTable,
        blocks: NDArray[np.int16],
        order: Index,
        band: tuple[int, int],
        low: int,
        interval: int,
    ) -> None:
        """Read one more bit of a band of AC coefficients of one component, ``(blocks, 64)``."""
        first, last = band
        width = last + 1 - first
        known = blocks[order, first : last + 1] != 0
        flags = known.tobytes()
        where = np.flatnonzero(known)
        ends = np.cumsum(known.sum(axis=1)).tolist()
        known_places = where.tolist()
        position = number = skipped = 0
        corrected: list[int] = []
        correcting: list[int] = []
        new: list[int] = []
        signs: list[int] = []
        while number < len(order):
            origin = position >> 3
            windows = self.windows(origin)
            symbols, codes = table.symbol[windows].tobytes(), table.code[windows].tobytes()
            bits = (windows >> 15).astype(np.uint8).tobytes()
            base, limit, at = 8 * origin, 8 * CHUNK, position - 8 * origin
            while number < len(order) and at < limit:
                if interval and number % interval == 0:
                    at, skipped = self.starts[number // interval] - base, 0
                    if not 0 <= at < limit:
                        break
                begin = k = number * width
                stop = begin + width
                number += 1
                if not skipped:
                    while k < stop:
                        symbol, code = symbols[at], codes[at]
                        if not code:
                            raise ValueError("a scan is damaged")
                        at += code
                        run, size = symbol >> 4, symbol & 15
                        sign = 0
                        if size:
                            sign = bits[at]
                            at += 1
                        elif run < 15:
                            skipped = (1 << run) + self._number(base + at, run)
                            at += run
                            break
                        while k < stop:
                            if flags[k]:
                                corrected.append(k)
                                correcting.append(bits[at])
                                at += 1
                            elif run == 0:
                                break
                            else:
                                run -= 1
                            k += 1
                        if size:
                            if k >= stop:
                                raise OverrunError
                            new.append(k)
                            signs.append(sign)
                        k += 1
                if skipped:
                    skipped -= 1
                    if k == begin:
                        rest = known_places[ends[number - 2] if number > 1 else 0 : ends[number - 1]]
                    else:
                        rest = [place for place in range(k, stop) if flags[place]]
                    corrected += rest
                    correcting += bits[at : at + len(rest)]
                    at += len(rest)
            position = at + base
            if position > self.end:
                raise ValueError("a scan ends too early")
        some = np.array(corrected, np.int64)
        row, column = order[some // width], first + some % width
        old = blocks[row, column]
        blocks[row, column] = old + np.sign(old) * (np.array(correcting, np.int16) << low)
        some = np.array(new, np.int64)
        blocks[order[some // width], first + some % width] = np.where(np.array(signs, bool), 1, -1) << low

    def _number(self, position: int, count: int) -> int:
        byte = position >> 3
        wide = int.from_bytes(self.bytes[byte : byte + 4].tobytes(), "big")
        return (wide >> (32 - (position & 7) - count)) & ((1 << count) - 1)
