"""Warnings about a file that was read or written nevertheless, logged with its name."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

logger = logging.getLogger(__name__)

_subject: ContextVar[str] = ContextVar("subject", default="")
_collected: ContextVar[list[str] | None] = ContextVar("collected", default=None)


@contextmanager
def about(name: str) -> Iterator[None]:
    """In this block, warnings are about the file of that name."""
    before = _subject.set(name)
    try:
        yield
    finally:
        _subject.reset(before)


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """In this block, keep warnings in the list that it gets, without the name of the file, and log none."""
    sentences: list[str] = []
    before = _collected.set(sentences)
    try:
        yield sentences
    finally:
        _collected.reset(before)


def warn(sentence: str) -> None:
    """Log a warning of one sentence about the current file."""
    sentences = _collected.get()
    if sentences is not None:
        sentences.append(sentence)
        return
    subject = _subject.get()
    logger.warning("%s%s", f"{subject}: " if subject else "", sentence)
