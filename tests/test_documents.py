"""Links and module names in the documents refer to existing files."""

import re

import pytest

from magn_cli.version import __version__
from tests.support.paths import ROOT

DOCUMENTS = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "examples/*.md") for path in ROOT.glob(pattern) if path.is_file()
)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
NAME = re.compile(r"`([a-z_]+/(?:[\w-]+/)*(?:[\w-]+\.\w+)?)`")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path):
    links = [link for link in LINK.findall(path.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_named_modules_exist(name):
    named = NAME.findall((ROOT / name).read_text(encoding="utf-8"))
    assert len(named) > 10
    # Some are named as they are called inside of the package, or of their own folder.
    missing = [path for path in named if not (ROOT / path).exists() and not any(ROOT.glob(f"magn_cli/**/{path}"))]
    assert missing == []


def test_every_floor_is_described():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    floors = {path.name for path in (ROOT / "magn_cli").iterdir() if (path / "__init__.py").exists()}
    assert {floor for floor in floors if f"| `{floor}/` |" not in text} == set()


def test_the_citation_names_this_version():
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
