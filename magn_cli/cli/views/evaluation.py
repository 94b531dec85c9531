"""What ``magn eval --html`` does beside measuring."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from magn_cli.cli import console
from magn_cli.errors import UsageError
from magn_cli.report import plotting

if TYPE_CHECKING:
    from magn_cli.evaluation import Evaluation, MeasuredPicture
    from magn_cli.evaluation.report import MethodResult


def command() -> str:
    """Return the command line as it could be typed again."""
    return shlex.join(["magn", *sys.argv[1:]])


class EvaluationPage:
    """The page of ``magn eval``: use as a context around the measuring."""

    def __init__(self, path: Path, limit: float, link_images: bool, overwrite: bool) -> None:
        """Take what was asked for. Raises :class:`UsageError` where the page or its folder cannot be written."""
        self._path, self._limit, self._link, self._overwrite = path, limit, link_images, overwrite
        if not link_images:
            return
        if path == console.STANDARD_OUTPUT:
            raise UsageError("--link-images needs a page in a file: give --html a file name.")
        from magn_cli.report.embedding import files_folder

        folder = files_folder(path)
        if folder.exists() and (not overwrite or not folder.is_dir()):
            raise UsageError(f"{folder} already exists: give --html another name, or use --overwrite.")

    def prepare(self, evaluation: Evaluation) -> None:
        """Get ready for what will be measured. Raises :class:`UsageError` where plots cannot be drawn."""
        levels: dict[str, set[float | None]] = {}
        for job in evaluation.jobs:
            levels.setdefault(job.dataset, set()).add(job.level)
        if any(len(found) > 1 for found in levels.values()) and not plotting.is_available():
            raise UsageError(
                "a page for several levels has plots, which need matplotlib: run pip install 'magn-cli[report]'."
            )
        from magn_cli.report.evaluation import Report
        from magn_cli.report.gallery import Gallery

        networks = [m.name for chosen in evaluation.methods.values() for m in chosen if m.is_network]
        self._gallery = Gallery(self._path if self._link else None)
        self._report = Report(self._gallery, networks[0] if networks else None)

    def __enter__(self) -> EvaluationPage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gallery.close()

    def add(self, picture: MeasuredPicture) -> None:
        """Take one picture as every method left it."""
        if picture.reference is not None and picture.pixels:
            self._report.add(picture.results, picture.pixels, picture.reference, picture.access)

    def write(self, results: list[MethodResult], settings: dict[str, str]) -> None:
        """Write the page. Raises :class:`ImageError`, and :class:`UsageError` if a file has appeared there."""
        beside = self._path if self._link else None
        text = self._report.draw(results, settings, limit=self._limit, beside=beside)
        console.write_report(text, self._path, self._overwrite, self._gallery.access)
