"""Convolutions without machine code of their own, for when there is no memory for it."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)


def stop_compiling() -> None:
    """Have torch compute convolutions on the CPU without oneDNN from now on, in the whole process.

    oneDNN compiles code for each size of a convolution. It takes 256 KB of addresses each time and keeps the code
    of failed attempts, so with a limit on the address space (``ulimit -v``), smaller tiles soon find no room for
    theirs. A thread that once found none never recovers: the assembler keeps the error, and all its convolutions
    of new sizes fail. Without oneDNN, float32 takes about twice the time, and bf16 more than float32.
    """
    import torch

    log.warning("not enough memory for oneDNN's machine code; continuing without it, at about half the speed")
    torch.backends.mkldnn.enabled = False  # type: ignore[assignment]


def compiles() -> bool:
    """Return whether torch computes convolutions on the CPU with oneDNN."""
    import torch

    return bool(torch.backends.mkldnn.enabled)
