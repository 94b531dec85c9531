"""Hooks for ``mkdocs build``: remove the roles of docstrings, such as ``:class:``."""

import re
from typing import Any

ROLE = re.compile(r":(?:func|class|meth|attr|data|mod|exc):(?=<code>|<a |<autoref)")


def on_page_content(html: str, **about: Any) -> str:
    """Return a page without roles."""
    return ROLE.sub("", html)
