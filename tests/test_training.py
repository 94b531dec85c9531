"""Training: resumed runs are the same runs, and what comes out restores a photo."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from commands import magn
from PIL import Image
from safetensors import safe_open

from magn_cli.cli.train import command_line
from magn_cli.model import MagnConfig
from magn_cli.tasks import get_task
from magn_cli.training.loop import Trainer
from magn_cli.training.optimizer import Optimizer
from magn_cli.training.options import TrainingOptions
from magn_cli.training.patches import Pairs, PatchOptions, load_photos, split_photos
from magn_cli.training.state import load_state

TINY = MagnConfig(
    features=8,
    graph_features=8,
    blocks_before=1,
    blocks_after=1,
    graph_blocks=1,
    level_channel=True,
    normalized_scores=True,
    window=32,
)
OPTIONS = TrainingOptions(max_steps=6, batch=2, warmup=2, save_every=3)


@pytest.fixture
def photos(tmp_path, otter):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(3):
        Image.fromarray(otter[:, 40 * i :]).save(folder / f"{i}.png")
    return folder


def run(folder, photos, stop_at=None):
    folder.mkdir(exist_ok=True)
    trainer = Trainer(folder, get_task("jpeg"), "tiny", TINY, OPTIONS, {})
    if (folder / "state.pt").exists():
        trainer.resume()
    train, validate = split_photos(load_photos([photos], 48))
    trainer.run(train, validate, lambda progress: None, lambda: trainer.step == stop_at)
    return load_state(folder / "state.pt")


def test_a_resumed_run_is_the_undisturbed_run(tmp_path, photos):
    whole = run(tmp_path / "whole", photos)
    run(tmp_path / "parts", photos, stop_at=4)
    parts = run(tmp_path / "parts", photos)
    assert whole["step"] == parts["step"] == 6
    for part in ("model", "averaged"):
        for name, tensor in whole[part].items():
            assert torch.equal(tensor, parts[part][name]), name
    assert len(whole["optimizer"]["parts"]) == 2
    for ours, theirs in zip(*(state["optimizer"]["parts"] for state in (whole, parts)), strict=True):
        assert ours["state"].keys() == theirs["state"].keys() and ours["state"]
        for index, values in ours["state"].items():
            for name, tensor in values.items():
                assert torch.equal(tensor, theirs["state"][index][name]), (index, name)


def test_muon_makes_updates_of_matrices_orthogonal_and_adam_does_the_rest():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(32, 48, 3), torch.nn.PReLU(), torch.nn.Conv2d(48, 3, 1))
    model = model.to(memory_format=torch.channels_last)
    before = [p.detach().clone() for p in model.parameters()]
    optimizer = Optimizer(model, "muon", 0.01)
    model(torch.rand(2, 32, 9, 9)).square().sum().backward()
    # A gradient may lie in memory in another order than its weight.
    model[0].weight.grad = torch.randn(48, 32, 3, 3)
    gradient = model[0].weight.grad.flatten(1).clone()
    optimizer.step()
    moved = [(p.detach() - b) for p, b in zip(model.parameters(), before, strict=True)]
    update = moved[0].flatten(1)
    values = torch.linalg.svdvals(update) / (0.01 * 0.2 * (32 * 9) ** 0.5)
    assert values.min() > 0.5 and values.max() < 1.4
    assert (update * gradient).sum() < 0
    left, _, right = torch.linalg.svd(gradient, full_matrices=False)
    torch.testing.assert_close(update / update.norm(), -(left @ right) / 48**0.5, rtol=0, atol=0.03)
    for step in moved[1:]:
        assert 0.005 < step.abs().max() < 0.011  # Adam's first step is the learning rate
    optimizer.zero_grad()
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("task", ["jpeg", "denoise", "demosaic"])
def test_pairs_belong_together(task, otter):
    pairs = Pairs([otter], get_task(task), PatchOptions(48), seed=5, length=30)
    told = []
    for degraded, clean, level in (pairs[i] for i in range(30)):
        assert degraded.shape == clean.shape == (3, 48, 48) and degraded.dtype == torch.float32
        told.append(level)
        if task != "demosaic":
            shifted = clean.roll(3, 2)
            assert (degraded - clean).square().mean() < (degraded - shifted).square().mean()
        else:
            assert ((degraded == 0) | (degraded == clean)).all()
    assert (-1 in told) and (task == "demosaic" or len(set(told)) > 10)
    again = pairs[7]
    assert torch.equal(again[0], pairs[7][0]) and not torch.equal(again[0], pairs[8][0])


def test_gray_pairs_are_gray_in_every_channel(otter):
    pairs = Pairs([otter], get_task("denoise"), PatchOptions(48, gray=1.0), seed=5, length=3)
    for degraded, clean, _ in (pairs[i] for i in range(3)):
        assert torch.equal(degraded[0], degraded[1]) and torch.equal(clean[0], clean[2])


def test_the_recorded_command_can_be_typed_again_and_names_no_folder_of_this_machine():
    words = ["train", "--data=/home/me/my photos/", "--out", "/runs/a", "--licence", "CC BY-SA 4.0"]
    assert command_line(words) == "magn train '--data=my photos' --out a --licence 'CC BY-SA 4.0'"


def test_from_photos_to_a_restored_photo(tmp_path, photos, otter_jpeg):
    out = tmp_path / "run"
    words = ("train", "--task", "jpeg", "--data", photos, "--out", out, "--batch", 1, "--precision", "fp32")
    done = magn(*words, "--max-steps", 2)
    assert done.exit_code == 0, done.output
    with safe_open(out / "magn-s-jpeg.safetensors", "pt") as file:
        metadata = file.metadata()
        assert metadata["task"] == "jpeg" and '"steps": 2' in metadata["training"]
        assert str(tmp_path) not in str(metadata)
    assert magn(*words, "--max-steps", 2).exit_code == 2  # a run is not overwritten unasked
    done = magn("restore", otter_jpeg, "--task", "jpeg", "--weights", out / "magn-s-jpeg.safetensors")
    assert done.exit_code == 0, done.output
    other = tmp_path / "other.png"
    done = magn(
        "restore", otter_jpeg, "--task", "denoise", "--weights", out / "magn-s-jpeg.safetensors", "--out", other
    )
    assert done.exit_code == 3 and "jpeg" in done.stderr


@pytest.mark.parametrize("content", [None, "text", "tiny"])
def test_data_that_cannot_be_used(tmp_path, content):
    folder = tmp_path / "data"
    if content is not None:
        folder.mkdir()
        (folder / "a.txt").write_text("x")
        (folder / "b.jpg").write_text("x")
    if content == "tiny":
        Image.fromarray(np.zeros((5, 5, 3), np.uint8)).save(folder / "c.png")
    done = magn("train", "--task", "jpeg", "--data", folder, "--out", tmp_path / "run")
    assert done.exit_code == 1 and "data" in done.stderr and "Traceback" not in done.output
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_keeps_the_state(tmp_path, photos, name):
    out = tmp_path / "run"
    words = [sys.executable, "-m", "magn_cli", "train", "--task", "jpeg", "--data", photos, "--out", out]
    process = subprocess.Popen([*words, "--batch", "1"], stderr=subprocess.PIPE, text=True, start_new_session=True)
    for line in process.stderr:
        if line.startswith("step"):
            os.killpg(process.pid, name)
            break
    rest = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "--resume" in rest and "Traceback" not in rest
    assert load_state(out / "state.pt")["step"] >= 50
