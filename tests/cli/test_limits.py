"""Numbers out of range, from options, TOML files and checkpoints: one sentence, before anything is allocated."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from magn_cli.errors import UsageError
from magn_cli.evaluation import NetworkSettings, Request
from magn_cli.model import PRESETS, MagnConfig
from magn_cli.tasks import get_task
from tests.support.paths import ROOT

LIMITED = ROOT / "tests" / "support" / "limited.py"

SETTINGS = [
    ("training", "workers", 100_000),
    ("training", "workers", -2),
    ("training", "batch", 10_000_000),
    ("training", "accumulate", 10_000_000),
    ("training", "max_steps", 10**12),
    ("training", "max_minutes", 1e9),
    ("training", "learning_rate", 1e6),
    ("training", "learning_rate", 0),
    ("training", "warmup", 10**12),
    ("training", "seed", 2**63),
    ("training", "clip", 1e9),
    ("training", "gamma", 7),
    ("training", "save_every", 10**12),
    ("training", "validate_every", 0),
    ("network", "blocks_before", 10_000_000),
    ("network", "blocks_after", 10_000_000),
    ("network", "graph_blocks", 10_000_000),
    ("network", "graph_residuals", 10_000_000),
    ("network", "features", 1_000_000),
    ("network", "graph_features", 1_000_000),
    ("network", "patch_features", 1_000_000),
    ("network", "patch_size", 1_000_001),
    ("network", "patch_stride", 1_000_000),
    ("network", "heads", 1_000_000),
    ("network", "stem", 1_000),
    ("network", "window", 1_000_000),
    ("network", "window_overlap", 1_000_000),
    ("network", "graph_stride", 1_000),
]
TEXTS = {
    "milestones": "[training]\nmilestones = [2.0]",
    "at most 4 entries": '[network]\ngraphs = ["patch", "patch", "patch", "patch", "patch"]',
    "million weights": "[network]\nfeatures = 1000\ngraph_features = 1024\nblocks_before = 100",
    "graph nodes a side": "[network]\nstem = 1\ngraph_stride = 1\nfeatures = 64\nwindow = 256",
    "batch 4096": "[training]\nbatch = 4096\n[network]\nwindow = 512",
}


def limited(commands):
    """Exit code and stderr of each command."""
    if sys.platform == "win32":
        pytest.skip("limits of memory are POSIX")
    done = subprocess.run(
        [sys.executable, LIMITED, json.dumps([[str(word) for word in words] for words in commands])],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def is_sentence(answer, code, *words):
    found, said = answer
    assert found == code, said
    [line] = [line for line in said.splitlines() if line.strip()]
    assert line.startswith("magn: ") and line.endswith(".") and "unexpected" not in line
    for word in words:
        assert str(word) in line


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(np.zeros((96, 96, 3), np.uint8)).save(folder / "a.png")
    return folder


def test_settings_of_a_file(tmp_path, photos):
    commands, expected = [], []
    for table, name, value in SETTINGS:
        file = tmp_path / f"{len(commands)}.toml"
        file.write_text(f"[{table}]\n{name} = {value}\n")
        commands.append(["train", "-t", "jpeg", "--data", photos, "-o", tmp_path / "run", "--config", file])
        expected.append(name)
    for words, text in TEXTS.items():
        file = tmp_path / f"{len(commands)}.toml"
        file.write_text(text)
        commands.append(["train", "-t", "jpeg", "--data", photos, "-o", tmp_path / "run", "--config", file])
        expected.append(words)
    for answer, words in zip(limited(commands), expected, strict=True):
        is_sentence(answer, 2, words)
    assert not (tmp_path / "run").exists()


def test_options(tmp_path, photos):
    train = ["train", "-t", "jpeg", "--data", photos, "-o", tmp_path / "run"]
    evaluate = ["eval", photos, "-t", "jpeg", "-l", "20"]
    degrade = ["degrade", photos, "-t", "jpeg", "-l", "20", "-o", tmp_path / "set"]
    restore = ["restore", photos, "-o", tmp_path / "out"]
    huge = [
        [*train, "--workers", "100000"],
        [*train, "--batch", "100000000"],
        [*train, "--threads", "1000000"],
        [*train, "--seed", "-1"],
        [*train, "--max-steps", "0"],
        [*train, "--max-minutes", "nan"],
        [*evaluate, "--threads", "1000000"],
        [*evaluate, "--threads", "0"],
        [*evaluate, "--tile", "99999999999999999999"],
        [*evaluate, "--seed", "-1"],
        [*evaluate, "--html", tmp_path / "a.html", "--html-limit", "nan"],
        [*evaluate, "--level", "1e400"],
        [*degrade, "--workers", "100000"],
        [*degrade, "--workers", "0"],
        [*degrade, "--seed", "-5"],
        [*restore, "--threads", "1000000"],
        [*restore, "--tile", "0"],
        [*restore, "--max-pixels", "0"],
        [*restore, "--html-limit", "1e9"],
    ]
    for answer, words in zip(limited(huge), huge, strict=True):
        # A recipe's settings are named as in its file; levels by what they are.
        option = {"--level": "quality"}.get(words[-2], words[-2].removeprefix("--").replace("-", "_"))
        is_sentence((answer[0], answer[1].replace("-", "_").replace("magn:__", "magn: ")), 2, option)
    assert not {"run", "set", "out"} & {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("setting", [{"blocks_before": 10_000_000}, {"features": 10**9}, {"graph_blocks": 10**9}])
def test_a_checkpoint_that_describes_a_huge_network(tmp_path, photos, setting):
    scale = get_task("jpeg").scale
    metadata = {
        "format_version": "1",
        "task": "jpeg",
        "preset": "magn-s",
        "config": json.dumps({**PRESETS["magn-s"].to_dict(), **setting}),
        "level_scale": json.dumps(scale.to_dict()),
        "training": "{}",
        "licence": "",
    }
    path = tmp_path / "huge.safetensors"
    save_file({"head.weight": torch.zeros(1)}, path, metadata)
    [name] = setting
    commands = [
        ["restore", photos / "a.png", "-t", "jpeg", "--weights", path],
        ["eval", photos, "-t", "jpeg", "-l", "20", "--weights", path],
    ]
    for answer in limited(commands):
        is_sentence(answer, 3, "huge.safetensors", name)


def test_networks_in_use_are_far_inside_the_limits():
    for config in PRESETS.values():
        assert config.weights < 10_000_000
    MagnConfig(stem=2, graph_stride=2, window=320, features=256, graph_features=256, blocks_before=16)


def test_in_python_too():
    for values in ({"threads": 0}, {"tile": 10**9}):
        with pytest.raises(UsageError, match="out of range"):
            NetworkSettings(**values)
    with pytest.raises(UsageError, match="--seed"):
        Request(seed=-1)
