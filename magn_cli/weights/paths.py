"""Where weights and what is known of them lie on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_config_path

from magn_cli.errors import WeightsError

BUNDLED = Path(__file__).with_name("bundled")
"""Checkpoints that came with the package."""

REGISTRY = "weights.toml"


def shipped_registry() -> Path:
    """Return the registry of the package; in a checkout it stands at the top."""
    packaged = Path(__file__).with_name(REGISTRY)
    return packaged if packaged.is_file() else Path(__file__).parents[2] / REGISTRY


def own_registry() -> Path | None:
    """Return the user's registry: what ``MAGN_WEIGHTS`` names (a file, or its folder), else the platform's folder
    for settings.

    It may not exist. None: there is no such folder, or it may not be entered. Raises :class:`WeightsError` where
    ``MAGN_WEIGHTS`` names nothing that can be used.
    """
    named = os.environ.get("MAGN_WEIGHTS")
    try:
        path = Path(named).expanduser() if named else user_config_path("magn", appauthor=False)
        there = path.exists()
        registry = path if path.suffix == ".toml" else path / REGISTRY
        registry.exists()
    except (OSError, RuntimeError, ValueError) as error:
        if named:
            raise WeightsError(f"MAGN_WEIGHTS={named} cannot be used ({error}); name a file or folder.") from error
        # Somebody without a home of their own has no registry.
        return None
    if named and not there:
        raise WeightsError(f"MAGN_WEIGHTS={named} does not exist; name a weights.toml or its folder, or unset it.")
    return registry
