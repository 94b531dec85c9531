"""Makes a degraded set with a manifest from a folder of clean photos.

A result is at ``OUT/<task>-<level>/<relative path of the clean picture, with the set's suffix>``. Its bytes depend
only on the clean file, its relative path and the :class:`DegradeRecipe`, not on order, workers, machine or time.
"""

from magn_cli.degrade.manifest import DegradedFile, Manifest
from magn_cli.degrade.planning import DegradePlan, Source, find, plan
from magn_cli.degrade.recipe import (
    GRAYS,
    DegradeLevel,
    DegradeRecipe,
    check_levels,
    folder_name,
    parse_levels,
    read_numbers,
)
from magn_cli.degrade.running import DegradeOutcome, ManifestKeeper, degrade, run

__all__ = [
    "GRAYS",
    "DegradeLevel",
    "DegradeOutcome",
    "DegradePlan",
    "DegradeRecipe",
    "DegradedFile",
    "Manifest",
    "ManifestKeeper",
    "Source",
    "check_levels",
    "degrade",
    "find",
    "folder_name",
    "parse_levels",
    "plan",
    "read_numbers",
    "run",
]
