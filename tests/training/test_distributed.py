"""Several processes train as one: two on the CPU over gloo stand for two GPUs."""

import os
import subprocess
import sys

import pytest
import torch
from PIL import Image

from magn_cli.training.record import read
from magn_cli.training.state import load_state
from magn_cli.weights.checkpoint import load_checkpoint
from tests.support.paths import ROOT

GRADIENTS = ROOT / "tests" / "support" / "gradients.py"
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gloo under torchrun is tried on POSIX only")


def run(*words):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, timeout=240, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


def test_two_processes_have_the_gradients_of_one_with_the_double_batch(tmp_path, otter):
    Image.fromarray(otter).save(tmp_path / "photo.png")
    run(GRADIENTS, tmp_path / "photo.png", tmp_path)
    run(*TORCHRUN, GRADIENTS, tmp_path / "photo.png", tmp_path)
    one, first, second = (torch.load(tmp_path / f"gradients-{name}.pt") for name in ("0-of-1", "0-of-2", "1-of-2"))
    assert one.keys() == first.keys() and len(one) > 20
    assert max(g.abs().max() for g in one.values()) > 1e-3
    for name, gradient in one.items():
        torch.testing.assert_close(first[name], gradient, rtol=1e-4, atol=1e-7)
        assert torch.equal(first[name], second[name]), name


def test_torchrun_trains_writes_once_and_resumes(tmp_path, otter):
    photos, out = tmp_path / "photos", tmp_path / "run"
    photos.mkdir()
    Image.fromarray(otter).save(photos / "a.png")
    (tmp_path / "small.toml").write_text(
        "[network]\nfeatures = 16\ngraph_features = 16\nblocks_before = 1\nblocks_after = 1\nheads = 2\n"
        "window = 32\nwindow_overlap = 8\npatch_features = 8\n[training]\nbatch = 4\nsave_every = 2\n"
    )
    words = ("--config", tmp_path / "small.toml", "--task", "denoise", "--data", photos)
    said = run(*TORCHRUN, "-m", "magn_cli", "train", *words, "--out", out, "--max-steps", 3)
    assert said.count("1 photographs in the training data") == said.count("checkpoint in") == 1
    assert [line["step"] for line in read(out / "log.csv")] == [3]
    run(*TORCHRUN, "-m", "magn_cli", "train", "--out", out, "--resume", "--max-steps", 5)
    assert load_state(out / "state.pt")["stand"]["step"] == 5
    model, about = load_checkpoint(out / "magn-s-denoise.safetensors")
    assert about.training["steps"] == 5 and model.config.features == 16
