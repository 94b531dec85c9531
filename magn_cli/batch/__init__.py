"""Restores files: finds the inputs, plans the outputs, keeps the journal and runs the network over all of them."""

from magn_cli.batch.events import Done, Event, Failed, Kept, Working
from magn_cli.batch.inputs import find
from magn_cli.batch.pace import Pace, in_words
from magn_cli.batch.pipeline import RunPlan, run
from magn_cli.batch.plan import BatchPlan
from magn_cli.batch.planning import plan
from magn_cli.batch.targets import FORMATS, Job, check_folder, check_format

__all__ = [
    "FORMATS",
    "BatchPlan",
    "Done",
    "Event",
    "Failed",
    "Job",
    "Kept",
    "Pace",
    "RunPlan",
    "Working",
    "check_folder",
    "check_format",
    "find",
    "in_words",
    "plan",
    "run",
]
