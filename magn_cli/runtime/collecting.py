"""How often Python looks for garbage."""

from __future__ import annotations

import gc

SELDOM = 10_000
"""New objects before the next look. Python's own 700 make a tenth of the time that a start takes, as importing
torch creates some hundred thousand objects, none of them garbage."""


def collect_seldom() -> None:
    """Look for garbage less often.

    Call it from programs, not from libraries, because it affects the whole process.
    """
    gc.set_threshold(SELDOM, *gc.get_threshold()[1:])
