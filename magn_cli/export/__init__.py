"""From a checkpoint to files that other programs load: ONNX, and packages for darktable.

Needs the extra ``export``.
"""

from magn_cli.export.exporting import Exported, export
from magn_cli.export.settings import ExportSettings

__all__ = ["ExportSettings", "Exported", "export"]
