"""Asking a store again, later and later, while it does not answer or asks for fewer requests."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from magn_cli.files.remote.errors import ExpiredError, LostError, told
from magn_cli.files.urls import UrlPath

PATIENCE = 60.0
"""Seconds after which a store that keeps failing is given up."""

FIRST_PATIENCE = 10.0
"""The same for a store that has never answered: its name may be wrong."""

FIRST_DELAY, LONGEST_DELAY = 0.2, 15.0
"""Seconds; each delay is about twice the one before."""

T = TypeVar("T")

log = logging.getLogger(__name__)


def retrying(work: Callable[[], T], path: UrlPath, *, patience: float, renew: Callable[[], None]) -> T:
    """Return what ``work`` returns, tried again while that may help.

    Args:
        work: asks the store; is called again after connections that were cut, throttling and faults of the store.
        path: what it is about.
        patience: seconds after which an error is final.
        renew: drops the session, so that credentials are read anew.

    Raises:
        OSError: in our words; :class:`LostError` or :class:`ExpiredError` where patience is at its end.
        MemoryError: as it came.
    """
    began, delay, renewed = time.monotonic(), FIRST_DELAY, 0
    while True:
        try:
            return work()
        except Exception as error:
            found = told(error, path)
        wait = delay * random.uniform(0.5, 1.0)  # noqa: S311 - spreads clients, keeps no secret
        if not isinstance(found, LostError | ExpiredError) or time.monotonic() - began + wait > patience:
            # The error of the driver can hold a signed URL.
            raise found from None
        if isinstance(found, ExpiredError):
            renewed += 1
            if renewed > 2:
                raise found from None
            renew()
        log.info("%s: %s; trying again in %.1f s.", path, found.strerror, wait)
        time.sleep(wait)
        delay = min(2 * delay, LONGEST_DELAY)
