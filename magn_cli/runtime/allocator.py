"""How the C library hands out memory to this process."""

from __future__ import annotations

import ctypes
import platform

# Names and numbers of glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3

LARGEST_MMAP_THRESHOLD = 32 << 20
"""glibc takes no higher one."""


def keep_freed_memory(most: int = 128 << 20) -> None:
    """Let glibc keep up to ``most`` freed bytes for the next tensor; nothing happens where it is not used.

    As it comes, it gives large blocks back to the kernel at once, and the kernel clears each page again for the
    next tensor of that size: half of the time of a forward pass in training, hardly any of restoring. For
    programs, not for libraries: it changes the whole process.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
    libc.mallopt(M_TRIM_THRESHOLD, min(most, 2**31 - 1))
