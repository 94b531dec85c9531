"""A planned run, and what was asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from magn_cli.batch import inputs
from magn_cli.batch.journal import Settings
from magn_cli.batch.targets import Job
from magn_cli.errors import ImageError, UsageError
from magn_cli.files import LOCAL, Store, sentences


@dataclass(frozen=True)
class Refusal:
    """An existing output that may not be replaced."""

    job: Job
    reason: str
    """The end of a sentence that starts with the output's name."""


@dataclass
class BatchPlan:
    """A planned run."""

    settings: Settings
    overwrite: bool = False
    jobs: Sequence[Job] = ()
    """Pictures to restore."""

    megapixels: Sequence[float] = ()
    """Size of each of :attr:`jobs`, from the header of its file or estimated."""

    kept: Sequence[Job] = ()
    """Pictures that were restored before with the same settings."""

    refusals: Sequence[Refusal] = ()
    failures: list[tuple[Path, ImageError]] = field(default_factory=list)
    """Inputs that cannot be found or listed."""

    store: Store = LOCAL
    """Storage of all files."""

    @property
    def total(self) -> int:
        """Number of all pictures, including those that cannot be found."""
        return len(self.jobs) + len(self.kept) + len(self.refusals) + len(self.failures)

    def check(self) -> None:
        """Raise :class:`UsageError` if there are existing outputs that may not be replaced."""
        if not self.refusals:
            return
        first = self.refusals[0]
        if len(self.refusals) == 1:
            says = f"{first.job.target} {first.reason}"
        else:
            says = f"{len(self.refusals)} outputs exist, the first of which {first.reason}: {first.job.target}"
        raise UsageError(f"{says}; give another --out, or --overwrite to replace {_what(self.refusals)}.")


@dataclass(frozen=True, kw_only=True)
class PlanRequest:
    """What a run is asked to do; the fields are the arguments of :func:`magn_cli.batch.planning.plan`."""

    sources: Sequence[Path]
    out: Path | None
    out_is_folder: bool
    settings: Settings
    recursive: bool
    mosaics: inputs.Mosaics
    suffix: str | None
    overwrite: bool

    def begin(self, failures: list[tuple[Path, ImageError]], store: Store) -> BatchPlan:
        """Return a plan that has no pictures yet."""
        # A journal returns settings in this form.
        plain: Settings = json.loads(json.dumps(self.settings))
        return BatchPlan(plain, self.overwrite, failures=failures, store=store)

    def unusable(self, error: OSError) -> ImageError:
        """Say in a sentence what a store or file system answered."""
        return sentences.unusable(error, self.sources[0] if self.sources else self.out)


def _what(several: Sequence[object]) -> str:
    return "it" if len(several) == 1 else "them"
