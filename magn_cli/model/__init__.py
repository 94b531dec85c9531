"""MAGN in plain torch. This folder imports nothing else of the package and can be taken on its own."""

from .config import PRESETS, MagnConfig
from .magn import UNKNOWN_LEVEL, Magn

__all__ = ["PRESETS", "UNKNOWN_LEVEL", "Magn", "MagnConfig"]
