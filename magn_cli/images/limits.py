"""How large a picture may be."""

MAX_PIXELS = 500_000_000
"""The most pixels that are read; beyond it a file is taken for a decompression bomb."""


class RefusedError(Exception):
    """Why a file is not read, as the rest of a sentence that starts with the file's name."""


def check_size(width: int, height: int) -> None:
    """Raises RefusedError for a picture without pixels or with too many."""
    if width <= 0 or height <= 0:
        raise RefusedError("has no pixels: its width or height is 0, so pick another file")
    if width * height > MAX_PIXELS:
        raise RefusedError(
            f"has {width} x {height} pixels, more than the {MAX_PIXELS:,} that are read at once: "
            "cut it into smaller pictures first"
        )
