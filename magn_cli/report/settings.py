"""Lists the settings of an evaluation for its report, so that it can be repeated."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Sequence

from magn_cli.evaluation import Evaluation, Request
from magn_cli.evaluation.plan import EvaluationJob
from magn_cli.version import __version__


def settings(command: str, evaluation: Evaluation) -> dict[str, str]:
    """Return the settings by name.

    Args:
        command: the command line.
        evaluation: the evaluation.
    """
    request, work = evaluation.request, evaluation.jobs
    now = datetime.datetime.now().astimezone()
    found = {
        "command": command,
        "date": f"{now:%Y-%m-%d %H:%M %Z}",
        "pictures": ", ".join(dict.fromkeys(f"{len(job.pairs)} in {job.dataset}" for job in work)),
        "degraded": _degraded(request, work),
        "protocol": ", ".join(dict.fromkeys(job.protocol for job in work)),
    }
    for chosen in evaluation.methods.values():
        for method in chosen:
            found |= method.settings
    import torch

    found["made by"] = f"magn {__version__}, torch {torch.__version__}, Python {platform.python_version()}"
    return found


def _degraded(request: Request, work: Sequence[EvaluationJob]) -> str:
    if request.degraded is not None:
        return f"pictures of {request.degraded}"
    words = ["on the fly"]
    for task in dict.fromkeys(job.task for job in work):
        words += [f"seed {request.seed}"] if task.random else []
        words += [f"{name} {value}" for name, value in task.settings("degrade", request.options).items()]
    return ", ".join(dict.fromkeys(words))
