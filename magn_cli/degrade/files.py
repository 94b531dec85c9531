"""Reads clean pictures and writes the files of a degraded set."""

from __future__ import annotations

from pathlib import Path, PurePath

from magn_cli import images
from magn_cli.degrade.recipe import DegradeLevel, DegradeRecipe
from magn_cli.errors import ImageError
from magn_cli.files import LOCAL, Access, Store, checksum, sentences
from magn_cli.files.data import in_memory


def read(path: Path, store: Store = LOCAL) -> tuple[bytes, str, Access | None]:
    """Return the bytes of a clean picture's file, their sha256, and who may read it.

    Raises:
        ImageError: the file cannot be read.
    """
    data, status = images.read_bytes(path, store)
    return data, checksum.of_bytes(data), status.access


def made(recipe: DegradeRecipe, photo: images.Photo, name: str, level: DegradeLevel) -> bytes:
    """Degrade a photo and return the bytes of its file in the set, without alpha and metadata.

    Args:
        recipe: how to degrade.
        photo: the clean photo.
        name: relative path of the photo, with ``/`` as separator.
        level: in the task's units; None if the task has none.

    Raises:
        ImageError: the picture is too large for the format.
    """
    try:
        content = recipe.content(recipe.clean(photo.pixels), photo.pixels.dtype, name, level)
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from error
    if isinstance(content, bytes):
        return content
    result = PurePath(recipe.result_name(name, level))
    return in_memory(images.encode(content, images.output_format(result), name=str(result)))


def save(
    path: Path, data: bytes, store: Store = LOCAL, *, overwrite: bool = True, access: Access | None = None
) -> None:
    """Write a file atomically, with the ``access`` of the clean picture that it shows.

    Raises:
        ImageError: writing fails.
        UsageError: the file exists and ``overwrite`` is False.
    """
    with sentences.writing(path):
        store.write(path, data, overwrite=overwrite, access=access)
