"""Where weights and what is known of them lie on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path, user_config_path

BUNDLED = Path(__file__).with_name("bundled")
"""Checkpoints that came with the package."""

REGISTRY = "weights.toml"


def shipped_registry() -> Path:
    """Return the registry of the package; in a checkout it stands at the top."""
    packaged = Path(__file__).with_name(REGISTRY)
    return packaged if packaged.is_file() else Path(__file__).parents[2] / REGISTRY


def own_registry() -> Path:
    """Return where the user's registry is looked for: ``MAGN_WEIGHTS`` (a file, or its folder), else the
    platform's folder for settings. It may not exist."""
    named = os.environ.get("MAGN_WEIGHTS")
    path = Path(named).expanduser() if named else user_config_path("magn", appauthor=False)
    return path if path.suffix == ".toml" else path / REGISTRY


def own_folder() -> Path:
    """Return the folder beside the user's registry, in which files of the registry are looked for."""
    return own_registry().parent


def hashes_file() -> Path:
    """Return where the hashes of files that were read before are kept."""
    return user_cache_path("magn", appauthor=False) / "sha256.json"
