"""The folder of the network runs on its own, copied under another name, without the rest of the package."""

import os
import shutil
import subprocess
import sys

from tests.support.paths import ROOT

# The package itself is out of reach: an import of it, early or late, fails.
FORWARD = """
import sys
sys.modules["magn_cli"] = None
import torch
from network import PRESETS, UNKNOWN_LEVEL, Magn
from network.config import MagnConfig

config = MagnConfig(features=16, graph_features=16, blocks_before=1, blocks_after=1, heads=2, window=32,
                    window_overlap=8, patch_features=8)
x = torch.rand(1, config.channels, 32, 32)
y = Magn(config)(x, torch.tensor([UNKNOWN_LEVEL]))
y.square().mean().backward()
assert y.shape == x.shape and torch.isfinite(y).all()
assert "magn-s" in PRESETS
"""


def test_runs_without_the_package(tmp_path):
    shutil.copytree(
        ROOT / "magn_cli" / "model", tmp_path / "network", ignore=shutil.ignore_patterns("__pycache__")
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", FORWARD], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-3000:]
