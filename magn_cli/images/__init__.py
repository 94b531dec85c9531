"""Picture files: the only package that handles formats, bit depths, alpha, orientation and metadata."""

from magn_cli.images.arrays import photo_of
from magn_cli.images.decoding import INPUT_SUFFIXES, check_start, decode, format_of
from magn_cli.images.depth import change_depth, from_float, full_scale, is_beyond_range, to_float
from magn_cli.images.encoding import OUTPUT_SUFFIXES, WriteOptions, encode, is_supported_output, output_format
from magn_cli.images.formats.jpeg_coefficients import JpegCoefficients, OverrunError, read_coefficients
from magn_cli.images.keeping import OUTPUT_FORMATS, Kept, kept_in, parts
from magn_cli.images.limits import MAX_PIXELS
from magn_cli.images.metadata.description import ExifSummary, exif_summary, profile_name
from magn_cli.images.metadata.orientation import as_seen, as_stored
from magn_cli.images.on_disk import load, read, read_bytes, write
from magn_cli.images.photo import Array, JpegTables, Metadata, Mosaic, Photo
from magn_cli.images.raw.developing import developed
from magn_cli.images.raw.libraw import NEEDS_DEMOSAIC, RAW_SUFFIXES
from magn_cli.images.size import read_size
from magn_cli.images.transparency import filled, hidden, visible
from magn_cli.images.warnings import collected_warnings

__all__ = [
    "INPUT_SUFFIXES",
    "MAX_PIXELS",
    "NEEDS_DEMOSAIC",
    "OUTPUT_FORMATS",
    "OUTPUT_SUFFIXES",
    "RAW_SUFFIXES",
    "Array",
    "ExifSummary",
    "JpegCoefficients",
    "JpegTables",
    "Kept",
    "Metadata",
    "Mosaic",
    "OverrunError",
    "Photo",
    "WriteOptions",
    "as_seen",
    "as_stored",
    "change_depth",
    "check_start",
    "collected_warnings",
    "decode",
    "developed",
    "encode",
    "exif_summary",
    "filled",
    "format_of",
    "from_float",
    "full_scale",
    "hidden",
    "is_beyond_range",
    "is_supported_output",
    "kept_in",
    "load",
    "output_format",
    "parts",
    "photo_of",
    "profile_name",
    "read",
    "read_bytes",
    "read_coefficients",
    "read_size",
    "to_float",
    "visible",
    "write",
]
