"""Errors that users can cause. Each is one sentence: what is wrong, with which file, and what to do.

``exit_code`` is the exit code of the command line.
"""

import errno
import os
from collections.abc import Iterable

_OF_THE_MACHINE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors of the system that name no file."""


class MagnError(Exception):
    """Base class of all errors that are shown to the user, each as one sentence."""

    exit_code = 1


class UsageError(MagnError):
    """The request itself is wrong, such as an unknown task, a level out of range, or an existing output."""

    exit_code = 2


class ImageError(MagnError):
    """A picture cannot be read or written."""


class WeightsError(MagnError):
    """A checkpoint is missing, damaged or unsuitable, or cannot be downloaded."""

    exit_code = 3


class NoSuchWeightsError(WeightsError):
    """The registry has no checkpoint for a task and preset."""


class NotHereError(WeightsError):
    """A checkpoint is on the Hub but has not been downloaded."""


class DamagedError(WeightsError):
    """A checkpoint does not match the size or hash in the registry."""


class ClusterError(MagnError):
    """A cluster cannot be reached or used, or its workers differ from this machine."""

    exit_code = 3


class TrainingError(MagnError):
    """Training cannot start or continue, such as without usable data, or after the loss diverged."""


def unexpected(error: Exception) -> str:
    """Return the sentence for an error that nobody has worded: what the system says of a file, or a bug in magn.

    >>> unexpected(KeyError("deblur"))
    "unexpected error (KeyError: 'deblur'); please report it with the traceback that MAGN_DEBUG=1 shows."
    >>> unexpected(PermissionError(13, "Permission denied", "locked/photo.jpg"))
    'locked/photo.jpg cannot be used (Permission denied); check the path and its permissions.'
    """
    if isinstance(error, OSError) and error.strerror:
        if isinstance(error.filename, str | bytes | os.PathLike):
            where = os.fsdecode(error.filename)
            return f"{where} cannot be used ({error.strerror}); check the path and its permissions."
        if error.errno in _OF_THE_MACHINE:
            return f"the system is out of a resource ({error.strerror}); free some and run the same command again."
    what = ": ".join(filter(None, [type(error).__name__, " ".join(str(error).split())]))
    return f"unexpected error ({what}); please report it with the traceback that MAGN_DEBUG=1 shows."


def any_of(choices: Iterable[object]) -> str:
    """Join choices as in a sentence: ``a, b or c``."""
    *most, last = map(str, choices)
    return f"{', '.join(most)} or {last}" if most else last
