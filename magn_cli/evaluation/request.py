"""What an evaluation is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, get_args

from magn_cli.errors import UsageError
from magn_cli.evaluation.run import Protocol
from magn_cli.inference.onnx.layout import Told
from magn_cli.inference.options import check_tile
from magn_cli.limits import MAX_SEED, check_range
from magn_cli.runtime.threads import check_threads

AUTO = "auto"
"""In place of a task: each photo has its own."""


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """How the network is loaded and run: settings of :func:`magn_cli.load`.

    Raises :class:`UsageError` for a number that is out of range.
    """

    preset: str = "magn-s"
    weights: str | PathLike[str] | None = None
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    tile: int | None = None
    ensemble: bool = False

    def __post_init__(self) -> None:
        check_threads(self.threads)
        check_tile(self.tile)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to measure, on which pictures, and how.

    The pictures come from one of three places: the folder ``clean`` (with ``degraded``, or degraded on the
    fly), one test set of the paper (``dataset``), or all sets of one of its tables (``table``).

    Raises :class:`UsageError` for a protocol or seed that does not exist; the rest is checked by
    :func:`~magn_cli.evaluation.evaluate`.
    """

    clean: Path | None = None
    """Folder of clean pictures, sub-folders included."""

    degraded: Path | None = None
    """Folder of degraded pictures, paired with ``clean`` by relative path without suffix."""

    dataset: str | None = None
    """A test set in ``data``: one of the paper, such as ``Classic5``, or of real pairs, such as ``PolyU``."""

    table: str | None = None
    """``II``, ``III`` or ``IV``: all sets of that table that are in ``data``."""

    data: Path | None = None
    """Folder that holds the test sets."""

    task: str | None = None
    """A name in :data:`~magn_cli.tasks.TASKS`; for sets of real pairs also ``auto``. None where a test set or a
    manifest says it."""

    levels: tuple[float, ...] | None = None
    """In the task's units; None: those of the set."""

    protocol: Protocol | None = None
    """``paper``: as Tables II-IV were made. ``modern``: 8 bit always, Gaussian SSIM. None: ``modern`` for sets of
    real pairs, which the paper has none of, else ``paper``."""

    baselines: tuple[str, ...] = ()
    """Names of the task's :attr:`~magn_cli.tasks.Task.baselines`; the degraded input is always measured."""

    network: NetworkSettings | None = NetworkSettings()
    """None: only the input, the baselines and the networks of others are measured."""

    against: tuple[Path, ...] = ()
    """Networks of others, as ONNX files, to be measured in the same way."""

    told: Told = field(default_factory=Told)
    """What their files do not say."""

    threads: int | None = None
    """CPU threads for the networks of others; None for all cores."""

    blind: bool = False
    """Do not tell the network the level."""

    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the task, for degrading on the fly."""

    seed: int = 0
    """Of noise made on the fly, 0 to 2^63 - 1."""

    def __post_init__(self) -> None:
        if self.protocol not in (None, *get_args(Protocol)):
            raise UsageError(f"unknown protocol {self.protocol!r}: choose {' or '.join(get_args(Protocol))}.")
        check_range("--seed", self.seed, 0, MAX_SEED)
        check_threads(self.threads)
