"""Picture files: the only place that knows formats, bit depths, alpha, orientation and metadata."""

from magn_cli.images.depth import change_depth, from_float, full_scale, to_float
from magn_cli.images.limits import MAX_PIXELS
from magn_cli.images.photo import Array, JpegTables, Metadata, Photo
from magn_cli.images.reading import INPUT_SUFFIXES, read
from magn_cli.images.upright import as_seen, as_stored
from magn_cli.images.writing import OUTPUT_SUFFIXES, is_supported_output, write

__all__ = [
    "INPUT_SUFFIXES",
    "MAX_PIXELS",
    "OUTPUT_SUFFIXES",
    "Array",
    "JpegTables",
    "Metadata",
    "Photo",
    "as_seen",
    "as_stored",
    "change_depth",
    "from_float",
    "full_scale",
    "is_supported_output",
    "read",
    "to_float",
    "write",
]
