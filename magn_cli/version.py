"""The version, where every module may look it up."""

__version__ = "0.2.0.dev0"
