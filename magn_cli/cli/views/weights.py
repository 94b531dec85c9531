"""The list of ``magn weights list``."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from magn_cli.cli import console
from magn_cli.files import printable

DETAILS = {"path": "path", "repo_id": "repository", "revision": "commit", "sha256": "sha256", "licence": "licence"}
"""What only the whole description has, by its name in the document, with words for it."""


def show(rows: list[dict[str, Any]], whole: bool) -> None:
    """Print the checkpoints of the document; ``whole``: with everything that it says of them."""
    width = console.results.width
    for row in rows:
        size = f", {row['size'] / 1e6:.1f} MB" if row["size"] else ""
        _tell(f"{row['preset']} for {row['task']}: {row['state']}{size}", width, "")
        for text in _details(row, whole):
            shown = text if whole else textwrap.shorten(text, width - 2, placeholder=" ...")
            _tell(shown, width, "  ")


def _details(row: dict[str, Any], whole: bool) -> Iterator[str]:
    by_set = dict[str, list[str]]()
    for where, psnr in row["figures"].items():
        name, _, level = where.partition(" ")
        by_set.setdefault(name, []).append(f"{psnr:.2f} dB{f' at {level}' if level else ''}")
    for name, figures in by_set.items():
        yield f"{name}: {', '.join(figures)}"
    if row["trained"]:
        yield f"trained: {row['trained']}"
    for key, word in DETAILS.items() if whole else ():
        if row[key]:
            yield f"{word}: {row[key]}"


def _tell(text: str, width: int, indent: str) -> None:
    lines = textwrap.wrap(
        printable(text),
        width,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        # A path is copied more easily in one piece.
        break_long_words=False,
        break_on_hyphens=False,
    )
    for line in lines:
        console.answer(line)
