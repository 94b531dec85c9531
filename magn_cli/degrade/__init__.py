"""A folder of clean photos in, a degraded set with its manifest out.

A set lies in ``OUT/<task>-<level>/<path of the clean picture, with the set's suffix>``. Its bytes depend on the
clean files, their relative paths and the :class:`Recipe` only: not on order, workers, place or time.
"""

from magn_cli.degrade.manifest import Manifest, Result
from magn_cli.degrade.planning import Plan, Source, plan
from magn_cli.degrade.recipe import GRAYS, Level, Recipe, folder_name, parse_levels
from magn_cli.degrade.running import Done, run

__all__ = [
    "GRAYS",
    "Done",
    "Level",
    "Manifest",
    "Plan",
    "Recipe",
    "Result",
    "Source",
    "folder_name",
    "parse_levels",
    "plan",
    "run",
]
