"""The files of a degraded set."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from magn_cli import images
from magn_cli.degrade.recipe import DegradeLevel, DegradeRecipe
from magn_cli.errors import ImageError, UsageError
from magn_cli.files import atomic


def make(
    recipe: DegradeRecipe,
    photo: images.Photo,
    name: str,
    level: DegradeLevel,
    target: Path,
    *,
    overwrite: bool = False,
) -> None:
    """Degrade a photo and write the result, whole or not at all; alpha and metadata stay behind.

    ``name``: the photo's path below its folder, with ``/`` between the parts.

    Raises:
        ImageError: the picture is too large for the format, or cannot be written.
        UsageError: the file exists, and ``overwrite`` is False.
    """
    try:
        made = recipe.content(recipe.clean(photo.pixels), photo.pixels.dtype, name, level)
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    if not isinstance(made, bytes):
        images.write(target, made, overwrite=overwrite)
    elif os.path.lexists(target) and not overwrite:
        raise UsageError(f"{target} exists; give another --out, or --overwrite to replace it.")
    else:
        save(target, made)


def save(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all. Raises :class:`ImageError` where that fails."""
    try:
        atomic.write_bytes(path, data)
    except OSError as error:
        raise ImageError(f"{path} cannot be written ({error.strerror}); give another --out.") from error


def sha256(path: Path) -> str:
    """Return the digest of a file, in hexadecimal. Raises ``OSError``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
