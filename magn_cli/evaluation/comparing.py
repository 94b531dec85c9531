"""Compares two pictures that were made elsewhere, or two folders of them, with a reference if there is one."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from magn_cli import images
from magn_cli.errors import ImageError, UsageError
from magn_cli.evaluation import metrics
from magn_cli.evaluation.pairs import by_name
from magn_cli.files import sentences
from magn_cli.images import Photo
from magn_cli.version import __version__

log = logging.getLogger(__name__)

SCHEMA = 1


@dataclass(frozen=True)
class Side:
    """One of the things that are compared."""

    label: str
    """``A``, ``B`` or ``reference``, with the name of the file or folder."""

    path: Path


@dataclass(frozen=True)
class Figures:
    """What was measured against the reference: in 8 bit, on the numbers of the files."""

    psnr: float
    """dB; infinite for equal pictures."""

    ssim: float
    """Gaussian window; NaN below 11 pixels."""


@dataclass(frozen=True)
class Compared:
    """One picture on all sides."""

    name: str
    photos: tuple[Photo, ...]
    """In the order of :attr:`Comparison.sides`."""

    figures: tuple[Figures | None, ...]
    """In the same order; None for the reference, and without one."""


@dataclass
class Comparison:
    """What is to be compared. Iterate to get one picture after the other."""

    sides: tuple[Side, ...]
    """A, B, and the reference if it is neither."""

    reference: int | None
    """Index of the reference in :attr:`sides`."""

    names: list[tuple[str, list[Path | None]]]
    failures: list[str] = field(default_factory=list)
    """A sentence for each picture that could not be compared."""

    results: list[tuple[str, tuple[Figures | None, ...]]] = field(default_factory=list)

    def __iter__(self) -> Iterator[Compared]:
        for name, paths in self.names:
            try:
                compared = self._one(name, paths)
            except ImageError as error:
                self.failures.append(str(error))
            else:
                self.results.append((name, compared.figures))
                yield compared

    def means(self) -> tuple[Figures | None, ...]:
        """Return the means over all pictures, in the order of :attr:`sides`."""
        means: list[Figures | None] = []
        for several in zip(*(figures for _, figures in self.results), strict=True):
            known = [one for one in several if one is not None]
            psnr, ssim = (
                float(np.mean([getattr(one, name) for one in known] or [math.nan])) for name in ("psnr", "ssim")
            )
            means.append(Figures(psnr, ssim) if known else None)
        return tuple(means)

    def as_document(self) -> dict[str, object]:
        """Return the figures as plain values for JSON."""
        return {
            "schema": SCHEMA,
            "magn": __version__,
            "a": str(self.sides[0].path),
            "b": str(self.sides[1].path),
            "reference": None if self.reference is None else str(self.sides[self.reference].path),
            "pictures": [
                {"name": name, "a": _plain(figures[0]), "b": _plain(figures[1])} for name, figures in self.results
            ],
            "failures": self.failures,
        }

    def _one(self, name: str, paths: list[Path | None]) -> Compared:
        known = [path for path in paths if path is not None]
        for side, path in zip(self.sides, paths, strict=True):
            if path is None:
                raise ImageError(f"{known[0]} has no partner {name} in {side.path}: add the missing file.")
        log.info("%s: %s", name, " and ".join(map(str, known)))
        photos = tuple(images.read(path) for path in known)
        for path, photo in zip(known[1:], photos[1:], strict=True):
            first, other = (f"{p.pixels.shape[1]}x{p.pixels.shape[0]}" for p in (photos[0], photo))
            if first != other:
                sizes = f"{first} and {other}"
                raise ImageError(f"{known[0]} and {path} differ in size ({sizes}): compare pictures of one size.")
        _check_profiles(name, photos)
        if self.reference is None:
            return Compared(name, photos, (None,) * len(photos))
        good = photos[self.reference]
        figures = tuple(None if photo is good else measure(photo.pixels, good.pixels) for photo in photos)
        return Compared(name, photos, figures)


def comparison(a: Path, b: Path, reference: str | None = None, recursive: bool = False) -> Comparison:
    """Prepare a comparison of two files, or of two folders, whose pictures are matched by path without suffix.

    Args:
        a, b: pictures or folders.
        reference: ``A`` or ``B``, in either case, or a third file or folder.
        recursive: include sub-folders.

    Raises:
        UsageError: files and folders are mixed, or a folder holds two pictures of one name.
        ImageError: something does not exist, or a folder holds no picture.
    """
    index = None if reference is None else {"a": 0, "b": 1}.get(reference.lower(), 2)
    named = [("A", a), ("B", b), *([("reference", Path(reference))] if index == 2 and reference else [])]
    for _, path in named:
        if not path.exists():
            raise ImageError(f"there is no file or folder {path}; check the path.")
    kinds = {path.is_dir() for _, path in named}
    if len(kinds) > 1:
        raise UsageError("files and folders cannot be compared: give files only, or folders only.")
    sides = tuple(Side(f"{letter}: {path.resolve().name}", path) for letter, path in named)
    paths = [side.path for side in sides]
    if kinds == {True}:
        failures = list[str]()

        def failed(path: Path, error: OSError) -> None:
            failures.append(str(sentences.unusable(error, path)))

        return Comparison(sides, index, by_name(paths, recursive, failed=failed), failures)
    name = a.name if a.name == b.name else f"{a.name} and {b.name}"
    return Comparison(sides, index, [(name, list[Path | None](paths))])


def measure(pixels: images.Array, reference: images.Array) -> Figures:
    """Return PSNR and SSIM of the protocol ``modern``. Gray counts as three equal channels beside colour.

    Args:
        pixels, reference: ``(H, W)`` or ``(H, W, 3)`` of one height and width, any depth.
    """
    both = [images.to_float(images.change_depth(one, np.uint8)) for one in (pixels, reference)]
    if both[0].ndim != both[1].ndim:
        both = [np.dstack([one] * 3) if one.ndim == 2 else one for one in both]
    return Figures(metrics.psnr(*both), metrics.ssim_gaussian(*both))


def _check_profiles(name: str, photos: tuple[Photo, ...]) -> None:
    blocks = [photo.metadata.icc for photo in photos]
    # No profile means sRGB to most programs.
    names = [("sRGB" if icc is None else images.profile_name(icc)) or "a profile without a name" for icc in blocks]
    spaces = {"sRGB" if "srgb" in space.lower() else space for space in names}
    if len(spaces) > 1:
        log.warning(
            "%s: the colour profiles differ (%s); each version is shown by its own, but figures compare numbers.",
            name,
            ", ".join(sorted(spaces)),
        )


def _plain(figures: Figures | None) -> dict[str, float | None] | None:
    if figures is None:
        return None
    values = {"psnr": figures.psnr, "ssim": figures.ssim}
    return {name: round(value, 6) if math.isfinite(value) else None for name, value in values.items()}
