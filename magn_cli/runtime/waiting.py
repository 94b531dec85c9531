"""How the threads of OpenMP wait for each other: spinning is a little faster, until others need the core."""

from __future__ import annotations

import os
from collections.abc import MutableMapping

SPINS = "10000"
"""Of libgomp, which torch uses on Linux: tens of microseconds. See docs/performance.md."""

BLOCKTIME = "0"
"""Milliseconds, of the OpenMP of LLVM and Intel, which torch uses on macOS and Windows."""

OWN = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME")
"""Where a user says how to wait."""


def spin_little(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let threads that wait give up their core soon, unless the user has said something else.

    For programs, before torch is imported. The library leaves the environment as it is.

    >>> settings = {"OMP_WAIT_POLICY": "active"}
    >>> spin_little(settings)
    >>> settings
    {'OMP_WAIT_POLICY': 'active'}
    """
    if not any(name in environment for name in OWN):
        environment["GOMP_SPINCOUNT"] = SPINS
        environment["KMP_BLOCKTIME"] = BLOCKTIME
