"""Packages of the extras, which not every installation has."""

from __future__ import annotations

from importlib.util import find_spec

from magn_cli.errors import UsageError


def check_extra(purpose: str, extra: str, *packages: str) -> None:
    """Raise :class:`UsageError` unless the packages of an extra are installed.

    Args:
        purpose: what needs them, as the start of a sentence.
        extra: name of the extra.
        packages: names of the modules.
    """
    if any(find_spec(name) is None for name in packages):
        raise UsageError(f"{purpose} needs {' and '.join(packages)}: run pip install 'magn-cli[{extra}]'.")
