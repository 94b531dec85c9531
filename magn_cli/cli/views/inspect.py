"""What ``magn inspect`` shows: a panel for one photo, a table for several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from magn_cli.cli import console
from magn_cli.cli.views import inspect_rows
from magn_cli.files import Access, narrowest, printable

if TYPE_CHECKING:
    from magn_cli.inspection import BrokenFile, Inspection

WIDEST = 100
"""Columns of a panel, at most."""

SORTS: dict[str, Callable[[Inspection], Any]] = {
    "name": lambda photo: photo.path,
    "size": lambda photo: photo.megapixels,
    "quality": lambda photo: photo.jpeg.quality if photo.jpeg else None,
    "blocks": lambda photo: photo.blocks.contrast if photo.blocks else None,
    "noise": lambda photo: photo.noise.sigma if photo.noise else None,
    "task": lambda photo: photo.plan.task,
    "time": lambda photo: photo.plan.forecast.seconds if photo.plan.forecast else None,
}
"""By what the table sorts."""

_TEXTS = ("name", "task")
_COLUMNS = ("photo", "format", "pixels", "bits", "quality", "blocks", "noise", "task", "about")
_RIGHT = frozenset({"pixels", "bits", "quality", "blocks", "noise", "about"})


class InspectView:
    """Takes inspections one by one, and shows all at the end."""

    def __init__(self, is_one: bool, sort: str = "name", reverse: bool = False) -> None:
        """Take how to show them.

        Args:
            is_one: a single file was asked for: show a panel.
            sort: one of :data:`SORTS`.
            reverse: sort the other way round.
        """
        self.is_one, self.sort, self.reverse = is_one, sort, reverse
        self.photos: list[Inspection] = []
        self.broken: list[BrokenFile] = []

    def add(self, one: Inspection | BrokenFile) -> None:
        """Take an inspection."""
        from magn_cli.inspection import BrokenFile

        if isinstance(one, BrokenFile):
            self.broken.append(one)
        else:
            self.photos.append(one)

    def document(self) -> dict[str, Any]:
        """Return all, sorted, for JSON. Broken files come last."""
        from magn_cli.inspection import as_document

        return as_document([*self._sorted(), *self.broken])

    @property
    def access(self) -> Access | None:
        """Who may read all photos, and so the facts from inside of them."""
        return narrowest(photo.access for photo in self.photos)

    def show(self) -> None:
        """Print the panel or the table. Raises :class:`ImageError` where standard output takes none."""
        if self.is_one:
            for photo in self.photos:
                console.print_wide(_panel(str(photo.path), inspect_rows.of_photo(photo)), WIDEST)
            for file in self.broken:
                console.print_wide(_panel(str(file.path), inspect_rows.of_broken(file)), WIDEST)
        elif self.photos:
            console.print_wide(self._table())

    def finish(self, quiet: bool) -> int:
        """Say what is broken, and sum up; return how many files are broken."""
        # The panel of a single file has the sentence, too, but scripts read standard error.
        for file in self.broken:
            console.complain(file.error)
        total = len(self.photos) + len(self.broken)
        if not quiet and not self.is_one and total > 1:
            counts = Counter(photo.plan.task or "nothing to restore" for photo in self.photos)
            told = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
            seconds = [p.plan.forecast.seconds for p in self.photos if p.plan.forecast]
            known = sum(s for s in seconds if s is not None)
            kinds = Counter(file.kind for file in self.broken)
            broken = "".join(f"; {count} {kind}" for kind, count in sorted(kinds.items()))
            in_all = f"; about {inspect_rows.duration(known)} in all" if known and None not in seconds else ""
            console.say(f"{total} files: {told or 'no photo'}{in_all}{broken}.")
        return len(self.broken)

    def _sorted(self) -> list[Inspection]:
        key = SORTS[self.sort]
        known = sorted((p for p in self.photos if key(p) is not None), key=lambda photo: photo.path)
        known.sort(key=key, reverse=(self.sort not in _TEXTS) != self.reverse)
        return known + [photo for photo in self.photos if key(photo) is None]

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        for name in _COLUMNS:
            table.add_column(name, justify="right" if name in _RIGHT else "left", overflow="fold", no_wrap=True)
        for photo in self._sorted():
            table.add_row(*_cells(inspect_rows.of_table(photo)))
        for file in self.broken:
            words = [str(file.path), file.format or "", *[""] * (len(_COLUMNS) - 4), file.kind, ""]
            table.add_row(*_cells(words))
        return table


def _panel(name: str, rows: Iterable[tuple[str, str]]) -> Panel:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in rows:
        grid.add_row(*_cells([label, text]))
    return Panel(grid, title=escape(printable(name)), title_align="left")


def _cells(words: Iterable[str]) -> list[str]:
    return [escape(printable(word)) for word in words]
