"""Inspection of photos: what is seen in a file, and what ``magn restore`` would do with it and why."""

from magn_cli.inspection.document import as_document
from magn_cli.inspection.facts import Blocks, BrokenFile, Inspection, JpegFacts, Noise, Plan, Raw
from magn_cli.inspection.photo import inspect_file

__all__ = [
    "Blocks",
    "BrokenFile",
    "Inspection",
    "JpegFacts",
    "Noise",
    "Plan",
    "Raw",
    "as_document",
    "inspect_file",
]
