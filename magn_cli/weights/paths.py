"""Locations of weights and registries on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_config_path

from magn_cli.errors import WeightsError

BUNDLED = Path(__file__).with_name("bundled")
"""Folder of the checkpoints that are part of the package."""

REGISTRY = "weights.toml"


def shipped_registry() -> Path:
    """Return the package's registry, which is at the top of a checkout."""
    packaged = Path(__file__).with_name(REGISTRY)
    return packaged if packaged.is_file() else Path(__file__).parents[2] / REGISTRY


def check_no_folder(path: Path) -> Path:
    """Return the path of a checkpoint that a user gives, or raise :class:`WeightsError` if it is a folder."""
    if path.is_dir():
        raise WeightsError(f"the weights {path} are a folder; give the .safetensors file in it.")
    return path


def own_registry() -> Path | None:
    """Return the user's registry, which need not exist.

    ``MAGN_WEIGHTS`` names the file or its folder; without it, the registry is in the platform's configuration
    folder.

    Returns:
        The path; None if there is no accessible configuration folder.

    Raises:
        WeightsError: the path in ``MAGN_WEIGHTS`` does not exist or cannot be used.
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
        # A user without a home folder has no registry.
        return None
    if named and not there:
        raise WeightsError(f"MAGN_WEIGHTS={named} does not exist; name a weights.toml or its folder, or unset it.")
    return registry
