"""Read and write pictures by the paths of their files."""

import os
from functools import partial
from pathlib import Path

from magn_cli import files
from magn_cli.errors import UsageError
from magn_cli.files import sentences
from magn_cli.files.data import Data
from magn_cli.images.decoding import check_start, decode, is_read_in_parts
from magn_cli.images.encoding import WriteOptions, encode, output_format
from magn_cli.images.photo import Array, Photo


def read_bytes(path: Path, store: files.Store = files.LOCAL) -> tuple[bytes, files.Status]:
    """Return the bytes of a picture file, and its status at that time; a file that is no picture is not loaded.

    Raises ImageError, one sentence with the name of the file, if it cannot be read.
    """
    with sentences.reading(path):
        return store.read(path, partial(check_start, name=str(path)))


def load(path: Path, store: files.Store = files.LOCAL) -> tuple[Data, files.Status]:
    """Do as :func:`read_bytes`, but the bytes of a large TIFF file may come into a temporary file."""
    with sentences.reading(path):
        return store.load(path, partial(is_read_in_parts, name=str(path)))


def read(
    path: Path, max_pixels: int | None = None, *, mosaics: bool = False, store: files.Store = files.LOCAL
) -> Photo:
    """The picture in a file; see :func:`magn_cli.images.decode`. Raises ImageError for whatever cannot be read."""
    path = path if isinstance(path, files.UrlPath) else Path(path)
    data, status = load(path, store)
    return decode(data, max_pixels, mosaics=mosaics, name=str(path), access=status.access)


def write(
    path: Path,
    pixels: Array,
    like: Photo | None = None,
    *,
    options: WriteOptions | None = None,
    overwrite: bool = False,
    software: str | None = None,
) -> None:
    """Write pixels to a file in the format of its suffix, whole or not at all; see :func:`magn_cli.images.encode`.

    Whoever may read the file that ``like`` came from may read this one, and nobody else.

    Raises UsageError, before any work, if the suffix is not that of a format that can be written or if the
    file exists and ``overwrite`` is False; if it comes into being meanwhile, too. Raises ImageError if the
    picture is too large for the format or the file cannot be written. ValueError and TypeError for pixels that
    are no picture.
    """
    path = Path(path)
    format = output_format(path)
    if os.path.lexists(path) and not overwrite:
        raise UsageError(f"{path} exists already: choose another name or allow it to be overwritten.")
    data = encode(pixels, format, like, options=options, software=software, name=str(path))
    with sentences.writing(path):
        files.LOCAL.write(path, data, overwrite=overwrite, access=None if like is None else like.access)
