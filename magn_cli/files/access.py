"""Who may read and write a file, and so what is made from it."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce


@dataclass(frozen=True)
class Access:
    """The permissions of a file, as POSIX has them."""

    mode: int
    """Permission bits, such as ``0o640``."""

    group: int | None = None
    """Whom the bits of the group are about; None: they allow no more than those of others do."""

    @classmethod
    def of(cls, found: os.stat_result) -> Access | None:
        """Return the permissions of a file; None on Windows, which has others."""
        if sys.platform == "win32":
            return None
        return cls(stat.S_IMODE(found.st_mode), found.st_gid)

    def of_what_is_made(self) -> Access:
        """Return the permissions for what is made from the file: never executable, and its owner may change it."""
        return Access(self.mode & 0o666 | 0o200, self.group)

    def __and__(self, other: Access) -> Access:
        """Return what both allow."""
        if self.group == other.group:
            return Access(self.mode & other.mode, self.group)
        return Access(_without_group(self.mode) & _without_group(other.mode))

    def give(self, descriptor: int) -> None:
        """Give an open file these permissions, and its group if that matters, as far as its disk knows them."""
        if sys.platform == "win32":
            return
        mode = self.mode
        with suppress(OSError):
            if mode != _without_group(mode) and os.fstat(descriptor).st_gid != self.group:
                try:
                    os.fchown(descriptor, -1, -1 if self.group is None else self.group)
                except OSError:
                    # Members of another group could not read the original.
                    mode = _without_group(mode)
            os.fchmod(descriptor, mode)


def narrowest(several: Iterable[Access | None]) -> Access | None:
    """Return what all of them allow; None where nothing is known of any.

    Example:
        >>> narrowest([Access(0o644, 100), None, Access(0o640, 100)]) == Access(0o640, 100)
        True
    """
    known = [access for access in several if access is not None]
    return reduce(Access.__and__, known) if known else None


def _without_group(mode: int) -> int:
    return mode & ~0o070 | mode & (mode & 0o007) << 3
