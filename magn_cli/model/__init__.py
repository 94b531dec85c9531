"""MAGN in plain torch. This folder imports nothing else from the package: you can copy it and use it on its own.

The network is that of Jiatao Jiang, Zhen Cui, Chunyan Xu and Jian Yang, "Multi-level Attention-guided Graph Neural
Network for Image Restoration", 2025. Docstrings mark choices that the paper leaves open as "ours". Reading a
configuration does not need torch; using the network imports it.
"""

from typing import TYPE_CHECKING, Any

from .config import PRESETS, MagnConfig

if TYPE_CHECKING:
    from .magn import UNKNOWN_LEVEL, Magn

__all__ = ["PRESETS", "UNKNOWN_LEVEL", "Magn", "MagnConfig"]


def __getattr__(name: str) -> Any:
    if name in ("UNKNOWN_LEVEL", "Magn"):
        from . import magn

        return getattr(magn, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
