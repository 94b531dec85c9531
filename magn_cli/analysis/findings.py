"""What several tasks want to know of one photo, computed once."""

from __future__ import annotations

from functools import cached_property

from magn_cli.analysis.jpeg_blocks import find_grid
from magn_cli.analysis.noise import as_gray
from magn_cli.images import Photo


class Findings:
    """A photo and what is seen in it; each finding is computed when it is first asked for."""

    def __init__(self, photo: Photo) -> None:
        """``photo``: as it came from its file."""
        self.photo = photo

    @cached_property
    def block_contrast(self) -> float:
        """Contrast of the 8x8 grid that shows most, see :class:`Grid`; 1 where the picture is too small."""
        grid = find_grid(self.photo.pixels)
        return 1.0 if grid is None else grid.contrast

    @cached_property
    def is_gray(self) -> bool:
        """Whether the picture has no colour, in one channel or in three."""
        return as_gray(self.photo.pixels).ndim == 2
