"""Renders HTML pages as single files: template, style, script and pictures, up to a size limit."""

from __future__ import annotations

import base64
import datetime
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from magn_cli.files import printable
from magn_cli.report.embedding import Shown, embedded, linked
from magn_cli.report.gallery import GalleryPicture
from magn_cli.version import __version__

LIMIT = 25.0
"""Default size limit of a page in megabytes (10^6 bytes)."""


def render(
    template: str,
    pictures: Sequence[GalleryPicture],
    *,
    limit: float = LIMIT,
    beside: Path | None = None,
    script: str = "page.js",
    styles: Sequence[str] = ("style.css",),
    **values: Any,
) -> str:
    """Render a page as HTML.

    Args:
        template: file name in ``templates/``.
        pictures: pictures to show.
        limit: maximum size in megabytes. Text is always included, even if it is larger.
        beside: path of the page, to write its pictures to a folder beside it; None to embed them.
        script: file name in ``templates/``.
        styles: file names in ``templates/``.
        values: values for the template.

    Raises:
        ImageError: the pictures cannot be written.
    """
    code = _text(script)
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    values |= {
        "style": Markup("\n".join(_text(name) for name in styles)),
        "script": Markup(code),
        "script_hash": f"sha256-{digest}",
    }
    if beside is not None:
        return _rendered(template, *linked(pictures, beside), values)
    bare = [Shown.whole(p, ("",) * len(p.states)) for p in pictures]
    without = len(_rendered(template, bare, "", values).encode())
    # Room for the sentences that say how the pictures are shown.
    spare = 1000 + 100 * len(pictures)
    return _rendered(template, *embedded(pictures, round(limit * 1e6) - without - spare), values)


def _rendered(template: str, shown: Sequence[Shown], fitted: str, values: dict[str, Any]) -> str:
    return (
        _environment()
        .get_template(template)
        .render(
            shown=shown,
            shown_numbers={one.picture.number for one in shown},
            fitted=fitted,
            version=__version__,
            date=today(),
            **values,
        )
    )


def today() -> str:
    """Return the current local date, such as ``24 November 2026``."""
    now = datetime.datetime.now().astimezone()
    return f"{now.day} {now:%B %Y}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("magn_cli.report"),
        autoescape=True,
        finalize=_printable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["json"] = _json
    return environment


def _json(text: str) -> Markup:
    """Return JSON for a script element, which nothing in it can end."""
    return Markup(text.replace("<", "\\u003c"))


def _printable(value: Any) -> Any:
    """Every name in a page goes through here, and through nothing else."""
    return printable(value) if type(value) is str else value


@cache
def _text(name: str) -> str:
    return (files("magn_cli.report") / "templates" / name).read_text(encoding="utf-8")
