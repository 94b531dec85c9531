"""Restore photographs with MAGN, a multi-level attention-guided graph network.

``magn_cli.restore(picture, task="jpeg")`` restores one picture; ``magn_cli.load("jpeg")`` keeps the network
for many. Both import torch only when they are first used.
"""

from typing import TYPE_CHECKING, Any

from magn_cli.version import __version__

if TYPE_CHECKING:
    from magn_cli.api import load, restore

__all__ = ["__version__", "load", "restore"]


def __getattr__(name: str) -> Any:
    if name in ("load", "restore"):
        from magn_cli import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
