"""Settings of the C library's memory allocator."""

from __future__ import annotations

import ctypes
import platform

# Names and numbers from glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3

LARGEST_MMAP_THRESHOLD = 32 << 20
"""Highest value that glibc accepts."""


def keep_freed_memory(most: int = 128 << 20) -> None:
    """Make glibc keep up to ``most`` freed bytes for the next tensor. Does nothing with other C libraries.

    By default, glibc returns large blocks to the kernel at once, and the kernel clears each page again for the
    next tensor of that size. This took half the time of a forward pass in training, and a quarter
    of the time of the convolutions in restoring. glibc keeps no block above :data:`LARGEST_MMAP_THRESHOLD`.
    Call it from programs, not from libraries, because it affects the whole process.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
    libc.mallopt(M_TRIM_THRESHOLD, min(most, 2**31 - 1))


def return_large_blocks() -> None:
    """Make glibc return blocks above 1 MB at once from now on, for when memory has run out.

    Blocks of many sizes that it keeps leave gaps between them. Where the address space is limited (``ulimit -v``),
    not even a page for machine code could be had then. Does nothing with other C libraries.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 20)
        return_freed_memory()


def return_freed_memory() -> None:
    """Make glibc return the memory that it kept to the system. Does nothing with other C libraries.

    Restoring 100 megapixels frees blocks of many sizes, of which glibc kept 0.5 GB that no later block fitted in.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
