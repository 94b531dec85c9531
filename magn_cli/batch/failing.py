"""The sentence for a picture that failed, and the end of a run that cannot go on."""

from __future__ import annotations

from magn_cli.batch.targets import Job
from magn_cli.errors import ImageError, MagnError, unexpected
from magn_cli.files import without_secrets


class Stopped(Exception):  # noqa: N818 - no error, but the end of the run
    """A failure that stops the run."""


def sentence(job: Job, error: Exception) -> MagnError:
    """Return an error that names the file and says what to do."""
    if isinstance(error, MemoryError):
        says = f"{job.source} needs more memory than there is; close other programs, or cut it into parts."
    elif isinstance(error, MagnError):
        if str(job.source) in str(error) or str(job.target) in str(error):
            return error
        says = f"{job.source}: {error}"
    else:
        says = f"{job.source}: {without_secrets(unexpected(error))}"
    told = ImageError(says)
    told.__cause__ = error
    return told
