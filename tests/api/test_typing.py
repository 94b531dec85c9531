"""``mypy --strict`` knows the types of results."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT


def test_kinds_are_typed(tmp_path):
    checked = Path(__file__).with_name("typed_use.py")
    words = ["--strict", "--no-error-summary", "--config-file", os.devnull, "--follow-imports", "silent"]
    words += ["--cache-dir", str(ROOT / ".mypy_cache" / "use")]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *words, str(checked)],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
