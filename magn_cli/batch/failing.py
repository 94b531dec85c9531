"""What a failure of one picture means: a sentence, and whether the run can go on."""

from __future__ import annotations

import errno

from magn_cli.batch.targets import Job
from magn_cli.errors import ImageError, MagnError, unexpected
from magn_cli.files import StoreError, without_secrets


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


def is_hopeless(error: BaseException | None) -> bool:
    """Return whether all other results would fail in the same way, as on a full disk or in a lost store."""
    while error is not None:
        if isinstance(error, StoreError):
            return True
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            return True
        error = error.__cause__
    return False
