"""Shows photos before and after restoration, as a page with sliders or as pictures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from magn_cli import files, images
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
    """A comparison of photos, used as a context manager. This base class shows nothing."""

    def add(self, name: str, before: Photo, after: Array, sentence: str) -> None:
        """Add a photo.

        Args:
            name: path of its file, relative to the restored folder.
            before: the photo, the right way up.
            after: the restored pixels, ``(H, W)`` or ``(H, W, 3)``.
            sentence: description of what was done.

        Raises:
            ImageError: the photo cannot be stored or written.
            UsageError: a picture of that name has been created in the meantime.
        """

    def write(self) -> None:
        """Finish the comparison. Raises :class:`ImageError` if it cannot be written, and :class:`UsageError` if a
        file has appeared in its place."""

    def __enter__(self) -> Comparison:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Delete temporary files."""


def comparison(
    path: Path | None,
    names: Sequence[str],
    *,
    taken: Collection[Path] = (),
    overwrite: bool = False,
    limit: float = page.LIMIT,
) -> Comparison:
    """Create the comparison for a path: a page, a picture, or a folder of pictures.

    Args:
        path: a page (``.html``), a picture (for a single photo) or a folder; None for no comparison.
        names: names of the photos to come.
        taken: the photos and their results, which a comparison never replaces.
        overwrite: replace existing files.
        limit: maximum size of a page in megabytes.

    Raises:
        UsageError: the path is none of these, or exists already.
        ImageError: the folder of the path does not exist.
    """
    if path is None:
        return Comparison()
    if path == Path("-"):
        raise UsageError("a comparison cannot be written to a pipe; give --compare a page or a folder.")
    suffix = path.suffix.lower()
    others = {other.resolve() for other in taken}
    if suffix in PAGES:
        _check(path, others, overwrite)
        _try(path)
        return ComparePage(path, limit, overwrite)
    if path.is_dir() or not suffix:
        targets = {name: (path / name).with_name(f"{Path(name).stem}_compare.png") for name in names}
        if len(set(targets.values())) < len(names):
            raise UsageError(
                f"photos with the same name in several folders would share a comparison in {path}; give a page "
                f"such as {path.with_suffix('.html')}."
            )
        for target in targets.values():
            _check(target, others, overwrite, parents=True)
        for target in {target.parent: target for target in targets.values()}.values():
            _try(target)
        files.remove_leftovers(targets.values())
        return ComparePictures(targets, overwrite)
    if not images.is_supported_output(path):
        raise UsageError(f"invalid comparison {path}: give a name such as compare.html or compare.png.")
    if len(names) > 1:
        raise UsageError(
            f"{path} is a picture and cannot compare {len(names)} photos; give a page such as "
            f"{path.with_suffix('.html')}, or a folder."
        )
    _check(path, others, overwrite)
    _try(path)
    return ComparePictures(dict.fromkeys(names, path), overwrite)


class ComparePage(Comparison):
    """A page for all photos."""

    def __init__(self, path: Path, limit: float = page.LIMIT, overwrite: bool = False) -> None:
        self._path, self._limit, self._overwrite, self._gallery = path, limit, overwrite, Gallery()

    def add(self, name: str, before: Photo, after: Array, sentence: str) -> None:
        """Add a photo to the page."""
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
            access=before.access,
        )

    def write(self) -> None:
        """Write the page, unless there are no photos."""
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
        data = text.encode(errors="backslashreplace")
        try:
            atomic.write_bytes(self._path, data, overwrite=self._overwrite, access=self._gallery.access)
        except FileExistsError:
            raise UsageError(
                f"{self._path} has appeared meanwhile; give another name, or use --overwrite."
            ) from None
        except OSError as error:
            raise ImageError(f"{self._path} cannot be written ({error.strerror}); give another name.") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gallery.close()


class ComparePictures(Comparison):
    """A picture for each photo, written when the photo is added."""

    def __init__(self, targets: dict[str, Path], overwrite: bool = False) -> None:
        """Create a comparison.

        Args:
            targets: path of the picture for each name.
            overwrite: replace existing pictures.
        """
        self._targets, self._overwrite = targets, overwrite

    def add(self, name: str, before: Photo, after: Array, sentence: str) -> None:
        """Write the picture of one photo."""
        target = self._targets[name]
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ImageError(
                f"the folder {target.parent} cannot be created ({error.strerror}); give another name."
            ) from error
        sheet = side_by_side(before.pixels, after, before.alpha)
        images.write(target, sheet, with_profile(before, sheet), overwrite=self._overwrite)


def with_profile(photo: Photo, sheet: Array) -> Photo:
    """Return a drawing of a photo, with the photo's colour profile if it is for RGB, and no other metadata."""
    icc = photo.metadata.icc
    return replace(
        photo, pixels=sheet, alpha=None, metadata=Metadata(icc=icc if icc and icc[16:20] == b"RGB " else None)
    )


def _check(path: Path, others: Collection[Path], overwrite: bool, parents: bool = False) -> None:
    if path.resolve() in others:
        raise UsageError(f"the comparison {path} would replace a photo or its result; give another name.")
    if path.exists() and not overwrite:
        raise UsageError(f"{path} exists; give another name, or --overwrite to replace it.")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; give the name of a file.")
    if not parents and not path.absolute().parent.is_dir():
        raise ImageError(f"the folder {path.parent} for {path.name} does not exist; create it first.")


def _try(path: Path) -> None:
    """Meet now what would keep a file from being written at the end."""
    if not path.absolute().parent.is_dir():
        return
    try:
        atomic.check_writable(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ImageError(f"{path} cannot be written ({reason}); give another name.") from error
