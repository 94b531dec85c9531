"""The commands of the documents run: each block, in a folder with pictures of the names that it uses.

A block is run as it stands, except that it trains for a minute only. ``<!-- slow -->`` above it marks what takes
minutes; lines that install are left out.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.paths import EXAMPLES, ROOT

DOCUMENTS = (
    "README.md",
    "docs/restoring.md",
    "docs/inspect.md",
    "docs/graph.md",
    "docs/evaluating.md",
    "docs/export.md",
    "docs/python.md",
)
BLOCK = re.compile(r"^(<!-- (?P<mark>[\w ]+) -->\n)?```(?P<language>sh|python)\n(?P<text>.*?)^```$", re.M | re.S)
TRAINS = re.compile(r"--max-minutes \d+")
INSTALLS = re.compile(r"^(pip|apt|brew) install [^&\n]*(&& |$)", re.M)


@dataclass(frozen=True)
class Block:
    document: str
    number: int
    language: str
    text: str
    mark: str

    @property
    def command(self) -> list[str]:
        """How it is run."""
        if self.language == "python":
            return [sys.executable, "-c", self.text]
        bash = shutil.which("bash")
        if bash is None:
            pytest.skip("needs bash")
        text = TRAINS.sub("--max-minutes 1", INSTALLS.sub("", self.text))
        return [bash, "-euo", "pipefail", "-c", text]


def blocks():
    for document in DOCUMENTS:
        text = (ROOT / document).read_text(encoding="utf-8")
        for number, found in enumerate(BLOCK.finditer(text), 1):
            block = Block(document, number, found["language"], found["text"], found["mark"] or "")
            marks = [pytest.mark.slow] if block.mark == "slow" else []
            if block.mark != "tests":
                yield pytest.param(block, id=f"{document}-{number}", marks=marks)


@pytest.fixture
def folder(tmp_path, otter):
    """Where a reader would be: small pictures, the examples, and ``magn`` on the path."""
    photos, sets = tmp_path / "photos", tmp_path / "testsets" / "Classic5"
    for made in (photos / "2024", sets, tmp_path / "bin"):
        made.mkdir(parents=True)
    picture = Image.fromarray(otter)
    picture.save(tmp_path / "photo.jpg", quality=30)
    picture.save(photos / "a.png")
    picture.rotate(180).save(photos / "2024" / "b.png")
    noisy = otter + np.random.default_rng(0).normal(0, 25, otter.shape)
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(tmp_path / "night.jpg", quality=95)
    Image.fromarray(otter[..., 1]).save(tmp_path / "mosaic.tif")
    for name in ("a", "b", "c", "d", "e"):
        picture.convert("L").save(sets / f"{name}.png")
    pairs = tmp_path / "testsets" / "PolyU"
    pairs.mkdir()
    for name, pixels in (("mean", otter), ("real", noisy.clip(0, 255).astype(np.uint8))):
        Image.fromarray(pixels).save(pairs / f"one_{name}.JPG", quality=98)
    for name in ("ours", "theirs", "originals", "means", "shots"):
        shutil.copytree(photos, tmp_path / name)
    for name in ("ours", "theirs", "original"):
        shutil.copy(photos / "a.png", tmp_path / f"{name}.png")
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    shim = tmp_path / "bin" / "magn"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m magn_cli "$@"\n')
    shim.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("block", list(blocks()))
def test_a_block_runs(block, folder):
    variables = os.environ | {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
    }
    variables.pop("MAGN_DATA", None)
    run = subprocess.run(
        block.command, cwd=folder, env=variables, capture_output=True, text=True, timeout=1800, check=False
    )
    assert run.returncode == 0, f"{block.text}\n{run.stderr[-2000:]}"


def test_nothing_but_setting_up_is_left_out():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    every = "".join(re.findall(r"^```(?:sh|python)\n(.*?)^```$", text, re.M | re.S)).splitlines()
    run = "".join(block.values[0].text for block in blocks() if block.values[0].document == "README.md")
    assert [line for line in every if line not in run] == [
        "pip install -e '.[dev]' && python -m pytest -n 2 --dist worksteal"
    ]


def test_results_are_where_the_readme_says(folder):
    block = next(b.values[0] for b in blocks() if "photo_restored.png" in b.values[0].text)
    first = next(line for line in block.text.splitlines() if "photo_restored.png" in line).partition("#")[0]
    words = [sys.executable, "-m", "magn_cli", *first.split()[1:]]
    assert (
        subprocess.run(words, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False).returncode == 0
    )
    assert Path(folder / "photo_restored.png").stat().st_size > 0
