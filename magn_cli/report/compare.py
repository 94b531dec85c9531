"""Before and after of one's own photos: a page with sliders, or pictures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from magn_cli import images
from magn_cli.errors import ImageError, UsageError
from magn_cli.files import atomic
from magn_cli.images import Array, Metadata, Photo
from magn_cli.report import page
from magn_cli.report.gallery import REGION_SIDE, Gallery, State
from magn_cli.report.regions import most_different
from magn_cli.report.side_by_side import side_by_side

PAGES = frozenset({".html", ".htm"})
REGIONS = 2


class Comparison:
    """Takes photos one after the other; use as a context. This one shows nothing of them."""

    def add(self, name: str, before: Photo, after: Array, sentence: str) -> None:
        """Take a photo.

        Args:
            name: of its file, relative to the folder that was restored.
            before: the photo, the right way up.
            after: its pixels restored, ``(H, W)`` or ``(H, W, 3)``.
            sentence: what was done.

        Raises:
            ImageError: it cannot be kept or written.
            UsageError: a picture of that name has come into being meanwhile.
        """

    def write(self) -> None:
        """Write what is written at the end. Raises :class:`ImageError`."""

    def __enter__(self) -> Comparison:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Throw away what was kept meanwhile."""


def comparison(
    path: Path | None,
    names: Sequence[str],
    *,
    taken: Collection[Path] = (),
    overwrite: bool = False,
    limit: float = page.LIMIT,
) -> Comparison:
    """Return what a path asks for: by its suffix a page or a picture, else a folder of pictures.

    Args:
        path: ``.html``; for one photo also a suffix that :func:`magn_cli.images.write` knows; a folder; None for
            nothing.
        names: of the photos that will come.
        taken: the photos themselves and their results, which a comparison never replaces.
        overwrite: whether what is there may be replaced.
        limit: of a page's size in megabytes.

    Raises:
        UsageError: it can be none of these, or is there already.
        ImageError: its folder is missing.
    """
    if path is None:
        return Comparison()
    if path == Path("-"):
        raise UsageError("a comparison does not go through a pipe; give --compare the name of a page or a folder.")
    suffix = path.suffix.lower()
    others = {other.resolve() for other in taken}
    if suffix in PAGES:
        _check(path, others, overwrite)
        _try(path)
        return ComparePage(path, limit)
    if path.is_dir() or not suffix:
        targets = {name: (path / name).with_name(f"{Path(name).stem}_compare.png") for name in names}
        if len(set(targets.values())) < len(names):
            raise UsageError(
                f"photos of one name from several folders would share a comparison in {path}; give a page such as "
                f"{path.with_suffix('.html')}."
            )
        for target in targets.values():
            _check(target, others, overwrite, parents=True)
        for folder, target in {target.parent: target for target in targets.values()}.items():
            _try(target)
            with suppress(OSError):
                atomic.remove_leftovers(folder, [target.name for target in targets.values()])
        return ComparePictures(targets, overwrite)
    if not images.is_supported_output(path):
        raise UsageError(f"{path} can be no comparison; give a name such as compare.html or compare.png.")
    if len(names) > 1:
        raise UsageError(
            f"{path} is one picture, but {len(names)} photos are to be compared; give a page such as "
            f"{path.with_suffix('.html')}, or a folder."
        )
    _check(path, others, overwrite)
    _try(path)
    return ComparePictures(dict.fromkeys(names, path), overwrite)


class ComparePage(Comparison):
    """One page for all photos."""

    def __init__(self, path: Path, limit: float = page.LIMIT) -> None:
        self._path, self._limit, self._gallery = path, limit, Gallery()

    def add(self, name: str, before: Photo, after: Array, sentence: str) -> None:
        """Keep a photo for the page."""
        regions = most_different(before.pixels, after, REGION_SIDE, REGIONS)
        number = len(self._gallery.pictures)
        self._gallery.add(
            name,
            sentence if regions else f"{sentence}. Nothing changed",
            [State("before", before.pixels), State("after", after)],
            regions,
            rank=number,
            alpha=before.alpha,
            icc=before.metadata.icc,
        )

    def write(self) -> None:
        """Write the page, where any photo came."""
        pictures = self._gallery.pictures
        if not pictures:
            return
        names = pictures[0].name if len(pictures) == 1 else f"{len(pictures)} photos"
        text = page.render(
            "compare.html.j2",
            pictures,
            limit=self._limit,
            title=f"magn restore: {names}",
            heading="Before and after",
            subtitle=f"{names}, restored {page.today()}",
        )
        try:
            atomic.write_bytes(self._path, text.encode(errors="backslashreplace"))
        except OSError as error:
            raise ImageError(f"{self._path} cannot be written ({error.strerror}); give another name.") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gallery.close()


class ComparePictures(Comparison):
    """A picture for each photo, written as it comes."""

    def __init__(self, targets: dict[str, Path], overwrite: bool = False) -> None:
        """``targets``: a path for each name."""
        self._targets, self._overwrite = targets, overwrite

    def add(self, name: str, before: Photo, after: Array, sentence: str) -> None:
        """Write the picture of one photo."""
        target = self._targets[name]
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ImageError(f"the folder {target.parent} cannot be made ({error.strerror}).") from error
        sheet = side_by_side(before.pixels, after, before.alpha)
        images.write(target, sheet, _with_profile(before, sheet), overwrite=self._overwrite)


def _with_profile(photo: Photo, sheet: Array) -> Photo:
    """Return the sheet as a photo with the profile, which is for RGB only, and nothing else of the other's."""
    icc = photo.metadata.icc
    return replace(
        photo, pixels=sheet, alpha=None, metadata=Metadata(icc=icc if icc and icc[16:20] == b"RGB " else None)
    )


def _check(path: Path, others: Collection[Path], overwrite: bool, parents: bool = False) -> None:
    if path.resolve() in others:
        raise UsageError(f"{path} is a photo or its result, so no comparison can go there; give another name.")
    if path.exists() and not overwrite:
        raise UsageError(f"{path} exists; give another name, or --overwrite to replace it.")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; give the name of a file.")
    if not parents and not path.absolute().parent.is_dir():
        raise ImageError(f"there is no folder {path.parent} for {path.name}; make it first.")


def _try(path: Path) -> None:
    """Meet now what would keep a file from being written at the end."""
    if not path.absolute().parent.is_dir():
        return
    try:
        atomic.check_writable(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"{path} cannot be written ({reason}); give another name.") from error
    # What a run that was killed has left.
    with suppress(OSError):
        atomic.remove_leftovers(path.parent, [path.name])
