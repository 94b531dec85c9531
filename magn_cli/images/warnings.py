"""What a user should know of a file that was read or written all the same, logged with the file's name."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

logger = logging.getLogger(__name__)

_subject: ContextVar[Path | None] = ContextVar("subject", default=None)


@contextmanager
def about(path: Path) -> Iterator[None]:
    """In this block, remarks are about that file."""
    before = _subject.set(path)
    try:
        yield
    finally:
        _subject.reset(before)


def warn(sentence: str) -> None:
    """Warn with one sentence about the file that is at work."""
    subject = _subject.get()
    logger.warning("%s%s", f"{subject}: " if subject else "", sentence)
