"""Picture files: the only place that knows formats, bit depths, alpha, orientation and metadata."""

from magn_cli.images.arrays import photo_of
from magn_cli.images.depth import change_depth, from_float, full_scale, is_beyond_range, to_float
from magn_cli.images.limits import MAX_PIXELS
from magn_cli.images.metadata.orientation import as_seen, as_stored
from magn_cli.images.photo import Array, JpegTables, Metadata, Mosaic, Photo
from magn_cli.images.raw.developing import developed
from magn_cli.images.raw.libraw import NEEDS_DEMOSAIC, RAW_SUFFIXES
from magn_cli.images.reading import INPUT_SUFFIXES, read
from magn_cli.images.size import read_size
from magn_cli.images.transparency import filled, hidden, visible
from magn_cli.images.writing import OUTPUT_SUFFIXES, WriteOptions, is_supported_output, write

__all__ = [
    "INPUT_SUFFIXES",
    "MAX_PIXELS",
    "NEEDS_DEMOSAIC",
    "OUTPUT_SUFFIXES",
    "RAW_SUFFIXES",
    "Array",
    "JpegTables",
    "Metadata",
    "Mosaic",
    "Photo",
    "WriteOptions",
    "as_seen",
    "as_stored",
    "change_depth",
    "developed",
    "filled",
    "from_float",
    "full_scale",
    "hidden",
    "is_beyond_range",
    "is_supported_output",
    "photo_of",
    "read",
    "read_size",
    "to_float",
    "visible",
    "write",
]
