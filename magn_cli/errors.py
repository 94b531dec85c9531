"""What a user can cause: each error is one sentence saying what is wrong, with which file, what to do.

``exit_code`` is what the command line returns for it.
"""

from collections.abc import Iterable


class MagnError(Exception):
    """Base of every error that is shown to the user as one sentence."""

    exit_code = 1


class UsageError(MagnError):
    """The request itself is wrong: an unknown task, a level out of range, an output that exists."""

    exit_code = 2


class ImageError(MagnError):
    """A picture cannot be read, is not what its name says, or cannot be written."""


class WeightsError(MagnError):
    """A checkpoint is missing, damaged, of the wrong kind, or cannot be downloaded."""

    exit_code = 3


class NoSuchWeightsError(WeightsError):
    """The registry knows no checkpoint for a task and preset (yet)."""


class NotHereError(WeightsError):
    """A checkpoint is on the Hub but not on this machine."""


class DamagedError(WeightsError):
    """A checkpoint is not the file that the registry means."""


class TrainingError(MagnError):
    """Training cannot start or go on: no usable data, a diverged loss, a state of another run."""


def unexpected(error: Exception) -> str:
    """Return the sentence for an error that is not the user's.

    >>> unexpected(KeyError("deblur"))
    "unexpected error (KeyError: 'deblur'); please report it with the traceback that MAGN_DEBUG=1 shows."
    """
    what = ": ".join(filter(None, [type(error).__name__, " ".join(str(error).split())]))
    return f"unexpected error ({what}); please report it with the traceback that MAGN_DEBUG=1 shows."


def any_of(choices: Iterable[object]) -> str:
    """Return choices as in a sentence: ``a, b or c``."""
    *most, last = map(str, choices)
    return f"{', '.join(most)} or {last}" if most else last
