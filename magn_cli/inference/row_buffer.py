"""A buffer for rows of features that wait for the next stage."""

from __future__ import annotations

import torch
from torch import Tensor

from magn_cli.inference.tiling import Span


class RowBuffer:
    """Features over the whole width of a picture, in fixed memory: rows are added below and dropped above."""

    def __init__(self, capacity: int, width: int, device: torch.device) -> None:
        """Create an empty buffer.

        Args:
            capacity: maximum number of rows to hold.
            width: columns of the features.
            device: where the memory is.
        """
        self.capacity, self.width, self.device = capacity, width, device
        self.span = Span(0, 0)
        self.held: Tensor | None = None
        """``(1, F, capacity, W)``. Its first rows are those of :attr:`span`; None before the first row."""

    @torch.inference_mode()
    def extend(self, stop: int, features: int, dtype: torch.dtype) -> Tensor:
        """Add rows up to ``stop`` and return them, ``(1, F, rows, W)``, not initialized."""
        if self.held is None:
            shape = (1, features, self.capacity, self.width)
            self.held = torch.empty(shape, dtype=dtype, device=self.device, memory_format=torch.channels_last)
        new = Span(self.span.stop, stop)
        self.span = Span(self.span.start, stop)
        if len(self.span) > self.capacity:
            raise AssertionError(f"{len(self.span)} rows wait where there is room for {self.capacity}")
        return self.held[:, :, new.within(self.span)]

    @torch.inference_mode()
    def write(self, part: Tensor, rows: Span, columns: Span) -> None:
        """Write a tile, ``(1, F, rows, columns)``, to the last rows, or to new rows after them."""
        if rows.stop > self.span.stop:
            self.extend(rows.stop, part.shape[1], part.dtype)
        assert self.held is not None
        self.held[:, :, rows.within(self.span), columns.slice] = part

    def cut(self, rows: Span, columns: Span) -> Tensor:
        """Return a tile, ``(1, F, rows, columns)``, as a view."""
        assert self.held is not None
        return self.held[:, :, rows.within(self.span), columns.slice]

    @torch.inference_mode()
    def forget(self, before: int) -> None:
        """Drop the rows above ``before``."""
        if self.held is None or before <= self.span.start:
            return
        kept, by = Span(before, self.span.stop), before - self.span.start
        # In parts that do not overlap, as a copy of all rows could take hundreds of megabytes.
        for start in range(0, len(kept), by):
            part = Span(start, min(start + by, len(kept)))
            self.held[:, :, part.slice] = self.held[:, :, part.start + by : part.stop + by]
        self.span = kept
