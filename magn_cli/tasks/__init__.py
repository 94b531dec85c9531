"""The restoration tasks. One file defines each of them for all commands."""

from magn_cli.tasks.base import (
    Baseline,
    Claim,
    Need,
    PairSet,
    PaperTable,
    Pixels,
    Projection,
    Published,
    Task,
    TrainingPair,
    ValidationCase,
    as_rgb,
)
from magn_cli.tasks.demosaic import Demosaic
from magn_cli.tasks.denoise import Denoise
from magn_cli.tasks.jpeg import Jpeg
from magn_cli.tasks.levels import FoundLevel, LevelScale, level_text
from magn_cli.tasks.options import Option, PairOptions, Use
from magn_cli.tasks.registry import TASKS, declared, get_task, register, register_installed

for _task in (Denoise(), Jpeg(), Demosaic()):
    register(_task)
register_installed()

__all__ = [
    "TASKS",
    "Baseline",
    "Claim",
    "FoundLevel",
    "LevelScale",
    "Need",
    "Option",
    "PairOptions",
    "PairSet",
    "PaperTable",
    "Pixels",
    "Projection",
    "Published",
    "Task",
    "TrainingPair",
    "Use",
    "ValidationCase",
    "as_rgb",
    "declared",
    "get_task",
    "level_text",
    "register",
]
