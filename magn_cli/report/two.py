"""The page of ``magn compare``: two pictures, or two folders of them, under a slider."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

from magn_cli.evaluation.comparing import Compared, Figures, Side, measure
from magn_cli.files import Access, narrowest
from magn_cli.images import Photo
from magn_cli.report import page
from magn_cli.report.formatting import decibel
from magn_cli.report.gallery import REGION_SIDE, Gallery, State
from magn_cli.report.regions import Region, most_different

REGIONS = 2


class TwoPage:
    """A page of pictures with two or three states; use as a context manager."""

    def __init__(self, sides: Sequence[Side], reference: int | None) -> None:
        """Take what is compared, and which side is the reference."""
        self._sides, self._reference, self._gallery = sides, reference, Gallery()

    def add(self, compared: Compared) -> None:
        """Add a picture. Raises :class:`ImageError` if it cannot be stored."""
        photos = compared.photos
        regions = most_different(photos[0].pixels, photos[1].pixels, REGION_SIDE, REGIONS)
        states = [
            State(
                side.label,
                photo.pixels,
                "" if figures is None else _words(figures),
                [_of_region(photo, photos[self._reference], region) for region in regions]
                if self._reference is not None and figures is not None
                else [""] * len(regions),
                photo.metadata.icc,
            )
            for side, photo, figures in zip(self._sides, photos, compared.figures, strict=True)
        ]
        self._gallery.add(
            compared.name,
            "" if regions else "A and B are equal.",
            states,
            regions,
            rank=len(self._gallery.pictures),
            alpha=photos[0].alpha,
            access=narrowest(photo.access for photo in photos),
        )

    def draw(self, limit: float = page.LIMIT) -> str:
        """Return the page as HTML of at most ``limit`` megabytes."""
        pictures = self._gallery.pictures
        names = pictures[0].name if len(pictures) == 1 else f"{len(pictures)} pictures"
        count = f"{names}. " if len(pictures) > 1 else ""
        labels = ", ".join(side.label for side in self._sides[:2])
        against = ""
        if self._reference is not None:
            against = f" PSNR and SSIM against {self._sides[self._reference].path.resolve().name}."
        return page.render(
            "compare.html.j2",
            pictures,
            limit=limit,
            title=f"magn compare: {names}",
            heading="Two versions",
            subtitle=f"{count}{labels}.{against}",
            regions_are="Most different",
            right=self._sides[1].label,
        )

    @property
    def access(self) -> Access | None:
        """Who may read all pictures, and so the page."""
        return self._gallery.access

    def __enter__(self) -> TwoPage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Delete temporary files."""
        self._gallery.close()


def _words(figures: Figures) -> str:
    return f"{decibel(figures.psnr)}, SSIM {figures.ssim:.4f}"


def _of_region(photo: Photo, reference: Photo, region: Region) -> str:
    return decibel(measure(region.of(photo.pixels), region.of(reference.pixels)).psnr)
