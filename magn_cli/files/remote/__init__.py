"""Stores on other machines, reached through the drivers of fsspec.

Only :func:`store_for` is imported from outside; it imports fsspec.
"""

from magn_cli.files.remote.anywhere import Anywhere, store_for

__all__ = ["Anywhere", "store_for"]
