"""The files of a degraded set."""

from __future__ import annotations

from pathlib import Path, PurePath

from magn_cli import images
from magn_cli.degrade.recipe import DegradeLevel, DegradeRecipe
from magn_cli.errors import ImageError
from magn_cli.files import LOCAL, checksum, sentences


def read(path: Path) -> tuple[bytes, str]:
    """Return the bytes of a clean picture's file and their sha256. Raises :class:`ImageError`."""
    data, _ = images.read_bytes(path)
    return data, checksum.of_bytes(data)


def made(recipe: DegradeRecipe, photo: images.Photo, name: str, level: DegradeLevel) -> bytes:
    """Degrade a photo; return the bytes of the set's file. Alpha and metadata stay behind.

    ``name``: the photo's path below its folder, with ``/`` between the parts.

    Raises :class:`ImageError` where the picture is too large for the format.
    """
    try:
        content = recipe.content(recipe.clean(photo.pixels), photo.pixels.dtype, name, level)
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    if isinstance(content, bytes):
        return content
    result = PurePath(recipe.result_name(name, level))
    return images.encode(content, images.output_format(result), name=str(result))


def save(path: Path, data: bytes, *, overwrite: bool = True) -> None:
    """Write a file, whole or not at all.

    Raises :class:`ImageError` where that fails, :class:`UsageError` where it exists and is not to be replaced.
    """
    with sentences.writing(path):
        LOCAL.write(path, data, overwrite=overwrite)
