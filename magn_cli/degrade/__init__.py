"""A folder of clean photos in, a degraded set with its manifest out.

A set lies in ``OUT/<task>-<level>/<path of the clean picture, with the set's suffix>``. Its bytes depend on the
clean files, their relative paths and the :class:`DegradeRecipe` only: not on order, workers, place or time.
"""

from magn_cli.degrade.manifest import DegradedFile, Manifest
from magn_cli.degrade.planning import DegradePlan, Source, plan
from magn_cli.degrade.recipe import (
    GRAYS,
    DegradeLevel,
    DegradeRecipe,
    check_levels,
    folder_name,
    parse_levels,
    read_numbers,
)
from magn_cli.degrade.running import DegradeOutcome, run

__all__ = [
    "GRAYS",
    "DegradeLevel",
    "DegradeOutcome",
    "DegradePlan",
    "DegradeRecipe",
    "DegradedFile",
    "Manifest",
    "Source",
    "check_levels",
    "folder_name",
    "parse_levels",
    "plan",
    "read_numbers",
    "run",
]
