"""Keeping the complaints of decoders about broken files away from the user."""

import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from magn_cli.runtime import stderr

# One may be asked for within the other.
_lock = threading.RLock()


@contextmanager
def silence(*, native: bool) -> Iterator[None]:
    """Without what Pillow warns and logs and, if ``native``, without what C libraries print.

    This changes state of the whole process, hence only one thread at a time gets in.
    """
    with _lock, _silence_pillow():
        if native:
            with without_stderr():
                yield
        else:
            yield


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
def without_stderr() -> Iterator[None]:
    """Without what C libraries print, libtiff and LibRaw, which have no other way to be silenced from Python.

    It is taken away from the whole process, one caller at a time.
    """
    with _lock, stderr.in_use:
        try:
            sys.stderr.flush()
            kept = os.dup(2)
        except (AttributeError, OSError, ValueError):
            # A program without a console has no standard error to keep quiet.
            yield
            return
        try:
            with Path(os.devnull).open("wb") as nothing:
                os.dup2(nothing.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
