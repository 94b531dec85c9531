"""MAGN in plain torch. This folder imports nothing else of the package: copy it to use it on its own.

The network is that of Jiatao Jiang, Zhen Cui, Chunyan Xu and Jian Yang, "Multi-level Attention-guided Graph Neural
Network for Image Restoration", 2025. Where the paper leaves a choice open, the docstrings say what was chosen.
"""

from .config import PRESETS, MagnConfig
from .magn import UNKNOWN_LEVEL, Magn

__all__ = ["PRESETS", "UNKNOWN_LEVEL", "Magn", "MagnConfig"]
