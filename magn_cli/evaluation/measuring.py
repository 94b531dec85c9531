"""Measuring one pair with all methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from magn_cli.errors import ImageError
from magn_cli.evaluation import run
from magn_cli.evaluation.methods import Method
from magn_cli.evaluation.run import Float, LoadedPair, Pair, Protocol, Row
from magn_cli.files import Access, is_hopeless
from magn_cli.tasks import Task


@dataclass(frozen=True)
class MeasuredPair:
    """A pair as every method left it."""

    found: tuple[Row | str, ...] | str
    """For each method a row, or the sentence of its failure; one sentence where the pair cannot be loaded."""

    pixels: dict[str, Float] = field(default_factory=dict)
    """What was measured on, by method, finished as the protocol says."""

    reference: Float | None = None
    access: Access | None = None
    """Who may read the files of the pair."""

    ends_run: bool = False
    """Whether other pairs would fail in the same way."""


def measured(pair: Pair, task: Task, protocol: Protocol, methods: Sequence[Method]) -> MeasuredPair:
    """Measure a pair with all methods."""
    found: list[Row | str] = []
    pixels: dict[str, Float] = {}
    loaded: list[LoadedPair] = []
    latest: list[Float] = []

    def watch(restored: Float, pair: LoadedPair) -> None:
        latest[:], loaded[:] = [restored], [pair]

    try:
        rows = run.measure(pair, task, (method.measured for method in methods), protocol, watch)
        for method, row in zip(methods, rows, strict=True):
            if isinstance(row, Row):
                pixels[method.facts.name] = latest[0]
                found.append(row)
            else:
                found.append(_named(pair, row))
    except ImageError as error:
        return MeasuredPair(_named(pair, error), ends_run=is_hopeless(error))
    reference, access = (loaded[0].reference, loaded[0].access) if loaded else (None, None)
    return MeasuredPair(tuple(found), pixels, reference, access)


def _named(pair: Pair, error: ImageError) -> str:
    """Return the sentence of an error, with the name of the pair where it knows nothing of files."""
    says = str(error)
    # What reads no files says which are missing.
    is_named = not pair.files or says.startswith(f"{pair.name} ") or any(str(path) in says for path in pair.files)
    return says if is_named else f"{pair.name}: {says}"
