"""Plans runs with URLs: memory does not grow with the number of pictures, and no store is listed twice.

Listings of inputs and outputs go page by page into a temporary database, which also holds the plan.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from magn_cli import images
from magn_cli.batch import inputs, journal, local_planning, pace
from magn_cli.batch.inputs import RESTORED, FoundPicture
from magn_cli.batch.journal import Journal
from magn_cli.batch.outputs import why_refused
from magn_cli.batch.plan import BatchPlan, PlanRequest
from magn_cli.batch.plan_table import FoundRow, PlanTable, State
from magn_cli.batch.targets import Job, beside_or_below, check_folder_name, check_format
from magn_cli.errors import ImageError, UsageError
from magn_cli.files import UrlPath, check_output, collision_key, is_left_alone
from magn_cli.files.remote import Anywhere
from magn_cli.files.remote.anywhere import is_magic, parse_pattern
from magn_cli.files.remote.lines import is_part
from magn_cli.files.store import Listed

MAX_PROBLEMS = 100
"""Names of a store that are told one by one; further ones are counted."""


def plan(request: PlanRequest, store: Anywhere) -> BatchPlan:
    """Decide which pictures to restore and where to write them; see :func:`magn_cli.batch.planning.plan`."""
    sources, out = request.sources, request.out
    try:
        _check_places(sources, out, store)
        if len(sources) == 1 and _is_one_file(sources[0], store):
            return local_planning.plan(request, store)
        check_format(request.suffix)
        check_folder_name(out, store)
        search = _Search(out, request.recursive, request.mosaics, store)
        search.all(sources)
        table = search.table
        if not table.has_found() and len(search.failures) == 1:
            raise search.failures[0][1]
        planned = request.begin(search.failures, store)
        _aim(table, out, request.suffix, planned, search.is_listed)
    except OSError as error:
        raise request.unusable(error) from error
    planned.jobs = table.jobs(State.TO_DO, store)
    planned.kept = table.jobs(State.KEPT, store)
    planned.refusals = table.refusals(store)
    planned.megapixels = table.megapixels()
    return planned


def _check_places(sources: Sequence[Path], out: Path | None, store: Anywhere) -> None:
    if out is not None:
        check_output(out, store)
        return
    for source in sources:
        # The results come beside them.
        check_output(source, store)


def _is_one_file(source: Path, store: Anywhere) -> bool:
    try:
        found = store.status(source)
    except (OSError, ValueError, RuntimeError) as error:
        raise inputs.unusable(source, error) from error
    return found is not None and found.kind == "file"


@dataclass
class _Source:
    """A folder of a store, or a pattern, whose pictures are wanted."""

    number: int
    named: UrlPath
    folder: UrlPath
    recursive: bool
    takes: Callable[[Path], bool] | None = None
    """Whether a path matches the pattern; None: a folder."""

    journals: set[UrlPath] = field(default_factory=set)
    """Folders below that hold results of other runs."""

    def includes(self, path: Path) -> bool:
        """Whether a path is below the folder, deep enough and not hidden."""
        depth = len(self.folder.parts)
        if path.parts[:depth] != self.folder.parts:
            return False
        names = path.parts[depth:]
        if self.takes is not None:
            unasked = set(names) - set(self.named.parts)
            return self.takes(path) and not any(is_left_alone(name) for name in unasked)
        return (self.recursive or len(names) == 1) and not any(is_left_alone(name) for name in names)


class _Search:
    """Fills the table with the pictures, and with the outputs that exist."""

    def __init__(self, out: Path | None, recursive: bool, mosaics: inputs.Mosaics, store: Anywhere) -> None:
        self.out, self.recursive, self.mosaics, self.store = out, recursive, mosaics, store
        self.suffixes = images.INPUT_SUFFIXES | (images.RAW_SUFFIXES if mosaics != "no" else frozenset())
        self.table, self.failures = PlanTable(), list[tuple[Path, ImageError]]()
        self.problems = 0
        self.own: inputs.OwnPictures | None = None
        self.sources = list[_Source]()
        self.listed = list[tuple[UrlPath, bool]]()

    def all(self, words: Sequence[Path]) -> None:
        """Find the pictures of all sources."""
        for number, source in enumerate(words):
            try:
                if isinstance(source, UrlPath):
                    self._name(number, source)
                else:
                    self._find_here(number, source)
            except (OSError, ValueError, RuntimeError) as error:
                self.failures.append((source, inputs.unusable(source, error)))
        self._list()
        for one in self.sources:
            self._settle(one)
        if self.problems > MAX_PROBLEMS:
            folder = self.sources[0].named
            more = f"{self.problems - MAX_PROBLEMS} more names in {folder} cannot be used as paths; rename them."
            self.failures.append((folder, ImageError(more)))

    def is_listed(self, path: Path) -> bool:
        """Whether the table knows if there is a file of this name."""
        return any(
            _is_below(path, root) and (deep or len(path.parts) == len(root.parts) + 1)
            for root, deep in self.listed
        )

    def _name(self, number: int, source: UrlPath) -> None:
        found = self.store.status(source)
        if found is not None and found.kind == "folder":
            self.sources.append(_Source(number, source, source, self.recursive))
        elif found is not None:
            self.table.add_found(number, source, source.parent, found)
        elif any(is_magic(part) for part in source.parts[2:]):
            fixed, matches, deep = parse_pattern(source)
            above = len(fixed.parts)

            def takes(path: Path) -> bool:
                # A folder that matches stands for what is in it.
                parents = path.parents[: len(path.parts) - above - 1] if self.recursive else ()
                return matches(path) or any(matches(parent) for parent in parents)

            self.sources.append(_Source(number, source, fixed, deep or self.recursive, takes))
        else:
            raise FileNotFoundError

    def _find_here(self, number: int, source: Path) -> None:
        found = inputs.find([source], self.out, self.recursive, self.mosaics, self.store)
        self.failures += found.failures
        for picture in found.pictures:
            status = self.store.status(picture.path)
            if status is not None:
                self.table.add_found(number, picture.path, picture.root, status, self.store.identity(picture.path))

    def _list(self) -> None:
        wanted: list[tuple[UrlPath, bool]] = [(source.folder, source.recursive) for source in self.sources]
        if isinstance(self.out, UrlPath) and (self.sources or self.table.has_found(2)):
            wanted.append((self.out, self.recursive or any(s.takes and s.recursive for s in self.sources)))
        # What another listing covers is not listed again.
        for number, (folder, deep) in enumerate(wanted):
            others = wanted[:number] + [one for one in wanted[number + 1 :] if one != (folder, deep)]
            if not any(_covers(other, folder, deep) for other in others):
                self.listed.append((folder, deep))
        for folder, deep in self.listed:
            try:
                for one in self.store.listing(folder, deep):
                    self._take(one)
            except FileNotFoundError:
                # An output folder that is not there yet.
                continue

    def _take(self, one: Listed) -> None:
        path = one.path
        if one.problem is not None:
            self.problems += 1
            if self.problems <= MAX_PROBLEMS and any(_is_below(path, s.folder) for s in self.sources):
                self.failures.append((path, ImageError(f"{path}: the name {one.problem}; rename it.")))
            return
        assert isinstance(path, UrlPath)
        if path.name == journal.NAME or is_part(path):
            folder = path.parent if path.name == journal.NAME else path.parent.parent
            for source in self.sources:
                if _is_below(folder, source.folder) and folder != source.folder:
                    source.journals.add(folder)
            return
        out = self.out
        is_below_out = out is not None and _is_below(path, out)
        if is_below_out or (out is None and path.stem.endswith(RESTORED)):
            self.table.add_there(path, one.status)
        if path.suffix.lower() not in self.suffixes:
            return
        for source in self.sources:
            if not source.includes(path):
                continue
            if is_below_out and out is not None and out != source.folder and _is_below(out, source.folder):
                self.own = self.own or inputs.OwnPictures(out, source.folder, self.store)
                self.own.check(path)
                continue
            self.table.add_found(source.number, path, source.folder, one.status)
            return

    def _settle(self, source: _Source) -> None:
        """Leave out results of other runs, and mosaics or developed pictures."""
        for folder in sorted(source.journals):
            known = Journal(folder, self.store)
            self.table.drop((folder / result for result in known.results()), source.number)
        if source.takes is None:
            self._drop_results_beside(source)
            self.table.drop_mosaics(source.number, only=self.mosaics == "only")
        if not self.table.has_found(source=source.number) and not any(
            path == source.named for path, _ in self.failures
        ):
            if source.takes is None:
                error = inputs.without_pictures(source.named, self.recursive)
            else:
                error = ImageError(f"no picture matches {source.named}; check the path.")
            self.failures.append((source.named, error))

    def _drop_results_beside(self, source: _Source) -> None:
        known: Container[str] | None = None
        doubtful = inputs.Doubtful()
        for path in self.table.results_beside(source.number, RESTORED):
            if known is None:
                known = journal.results_in(source.folder, self.store)
            if path.relative_to(source.folder).as_posix() not in known:
                doubtful.add(path)
            self.table.drop([path], source.number)
        doubtful.tell()


def _is_below(path: Path, folder: Path) -> bool:
    """Whether a path is below a folder, or the folder itself."""
    return path.parts[: len(folder.parts)] == folder.parts


def _covers(other: tuple[UrlPath, bool], folder: UrlPath, deep: bool) -> bool:
    above, is_deep = other
    return _is_below(folder, above) and (is_deep or (folder == above and not deep))


def _aim(
    table: PlanTable, out: Path | None, suffix: str | None, planned: BatchPlan, is_listed: Callable[[Path], bool]
) -> None:
    """Choose the output of each picture, and find out which of them exist."""
    store, journals = planned.store, dict[Path, Journal]()
    folders = dict[Path, Path]()
    for row in table.found():
        picture = FoundPicture(row.path, row.root)
        job = beside_or_below(picture, out, suffix or "png", False, store)
        # One output may be named from here and from the root.
        key = collision_key(str(job.target) if isinstance(job.target, UrlPath) else os.path.abspath(job.target))  # noqa: PTH100
        first = table.source_of_key(key)
        if first is not None:
            raise UsageError(f"{first} and {row.path} would both become {job.target}; rename one of them.")
        _check_input(table, row, job, planned.overwrite)
        if job.folder is not None and store.has_folders(job.target):
            folders.setdefault(job.target.parent, job.folder)
        state, reason = State.TO_DO, ""
        known = table.there(job.target) if is_listed(job.target) else None
        is_taken = known is not None if is_listed(job.target) else store.is_taken(job.target)
        if is_taken and not planned.overwrite:
            refused = why_refused(job, journals, planned.settings, row.status, known)
            state, reason = (State.KEPT, "") if refused is None else (State.REFUSED, refused)
        megapixels = row.status.bytes / pace.BYTES_A_PIXEL / 1e6
        table.add_job(job, key, state, megapixels, reason)
    local_planning.tell_links([Job(below, below / "x", top, store=store) for below, top in folders.items()], store)


def _check_input(table: PlanTable, row: FoundRow, job: Job, overwrite: bool) -> None:
    taken = table.input(job.target, job.store.identity(job.target))
    if taken is None or (taken == row.path and overwrite):
        return
    if taken == row.path:
        raise UsageError(f"the output {job.target} is the input itself; give another --out, or --overwrite.")
    raise UsageError(f"the result of {row.path} would take the place of the input {taken}; give another --out.")
