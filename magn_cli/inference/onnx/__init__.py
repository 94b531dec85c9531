"""Networks of others, as ONNX files: read with care, and run on pictures of any size."""

from magn_cli.inference.onnx.layout import Told
from magn_cli.inference.onnx.network import OnnxNetwork

__all__ = ["OnnxNetwork", "Told"]
