"""Keep decoders' messages about broken files from the terminal."""

import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from magn_cli.runtime import stderr

# One may be asked for within the other.
_lock = threading.RLock()
_MAX_SAID = 1 << 16


@contextmanager
def silence(*, native: bool) -> Iterator[Callable[[], str]]:
    """Run a block without the warnings and logs of Pillow and, if ``native``, without the output of C libraries.

    The function that is given returns the first of what they have printed so far, 64 KB or less. This changes
    state of the whole process, hence only one thread at a time gets in.
    """
    with _lock, _silence_pillow():
        if native:
            with without_stderr() as said:
                yield said
        else:
            yield str


@contextmanager
def _silence_pillow() -> Iterator[None]:
    log = logging.getLogger("PIL")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


@contextmanager
def without_stderr() -> Iterator[Callable[[], str]]:
    """Run a block without the output of C libraries (libtiff, LibRaw), which Python cannot silence otherwise.

    It is taken away from the whole process, one caller at a time. As for the function, see :func:`silence`.
    """
    with _lock, stderr.in_use:
        try:
            sys.stderr.flush()
            kept = os.dup(2)
        except (AttributeError, OSError, ValueError):
            # A program without a console has no standard error to keep quiet.
            yield str
            return
        reading = None
        try:
            reading, writing = _pipe()
            os.dup2(writing, 2)
            os.close(writing)
            yield partial(_read, reading)
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            if reading is not None:
                os.close(reading)


def _pipe() -> tuple[int, int]:
    """A pipe that takes what fits and lets the rest go, or else nothing: a file can provoke gigabytes of text."""
    reading, writing = os.pipe()
    try:
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
    except (AttributeError, OSError):
        # Windows knows that since Python 3.12.
        os.close(writing)
        writing = os.open(os.devnull, os.O_WRONLY)
    return reading, writing


def _read(descriptor: int) -> str:
    try:
        return os.read(descriptor, _MAX_SAID).decode("ascii", "replace")
    except OSError:
        return ""
