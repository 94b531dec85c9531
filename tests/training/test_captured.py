"""The step that becomes a CUDA graph does what the loop's own step does."""

import numpy as np
import pytest
import torch

from magn_cli.training import loop, recipe
from magn_cli.training.captured import CapturedStep
from magn_cli.training.engine import Engine
from magn_cli.training.loop import Trainer
from magn_cli.training.patches import Crops

NETWORK = {
    "features": 16, "graph_features": 16, "blocks_before": 1, "blocks_after": 1, "graph_blocks": 1, "heads": 2,
    "patch_features": 8, "stem": 2, "graph_stride": 2, "window": 32, "window_overlap": 8,
}  # fmt: skip


def weights(out, monkeypatch, captured, **training):
    """The averaged weights, the losses and the gradients of a run with or without the step for graphs."""
    settings = {
        "task": "denoise", "data": ["photos"], "network": NETWORK,
        "pairs": {"excess": 0.9, "camera": 0.2},
        "training": {"max_steps": 12, "batch": 6, "warmup": 2, "precision": "fp32", "ema": 0.9, **training},
    }  # fmt: skip
    out.mkdir()
    trainer = Trainer(recipe.resolve(recipe.check(settings, "test")), out, Engine("cpu"))
    monkeypatch.setattr(loop, "can_capture", lambda trainer: captured)
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    photos = [np.random.default_rng(n).integers(0, 256, (64, 80, 3), np.uint8) for n in range(3)]
    lines = []
    trainer.run(photos, photos, lines.append)
    values = [v for v in trainer.averaged.module.state_dict().values() if v.is_floating_point()]
    return (
        torch.cat([v.flatten() for v in values]),
        [line.loss for line in lines],
        [line.gradient for line in lines],
        trainer.state,
    )


@pytest.fixture
def one_thread(set_threads):
    """Sums that several threads share round differently from call to call, and training amplifies that."""
    set_threads(1)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("kind", ["muon", "adamw"])
@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_it_is_the_loops_own_step(tmp_path, monkeypatch, kind, clip):
    monkeypatch.setattr(CapturedStep, "MOST_TAUGHT", 1.0)
    training = {"optimizer": kind, "clip": clip}
    plain, losses, gradients, stand = weights(tmp_path / "plain", monkeypatch, False, **training)
    own, own_losses, own_gradients, own_stand = weights(tmp_path / "captured", monkeypatch, True, **training)
    assert own_losses == pytest.approx(losses, rel=1e-4)
    assert own_gradients == pytest.approx(gradients, rel=1e-3)
    assert own_stand.usual_gradient == pytest.approx(stand.usual_gradient, rel=1e-3)
    torch.testing.assert_close(own, plain, rtol=1e-3, atol=2e-5)


def test_crops_beyond_what_a_graph_restores_are_left_out_of_the_loss(tmp_path):
    settings = {"task": "denoise", "data": ["photos"], "network": NETWORK, "training": {"precision": "fp32"}}
    trainer = Trainer(recipe.resolve(settings), tmp_path, Engine("cpu"))
    step = CapturedStep(trainer, teaches=True, outlier=10)
    degraded, clean = torch.rand(5, 3, 32, 32), torch.rand(5, 3, 32, 32)
    noisier = torch.where(
        torch.tensor([True, False, True, True, True])[:, None, None, None], degraded + 1, degraded
    )
    levels = torch.full((5,), 0.3), torch.full((5,), 0.4)
    target, left_out = step._target(Crops(degraded, clean, levels[0], noisier, levels[1]))
    assert left_out.flatten().tolist() == [False, False, False, False, True]
    restored = trainer.averaged(noisier, levels[1]).clamp(0, 1)
    for index in (0, 2, 3):
        torch.testing.assert_close(target[index], restored[index])
    assert torch.equal(target[1], clean[1]) and torch.equal(target[4], clean[4])


def test_rates_are_on_the_device_only_while_a_graph_is_made(tmp_path):
    settings = {"task": "denoise", "data": ["photos"], "network": NETWORK}
    trainer = Trainer(recipe.resolve(settings), tmp_path, Engine("cpu"))
    step, groups = CapturedStep(trainer, False, 10), [g for p in trainer.optimizer.parts for g in p.param_groups]
    before = [(group["lr"], group.get("capturable")) for group in groups]
    with pytest.raises(KeyError), step._rate_on_device():
        assert all(group["lr"] is step.rate for group in groups)
        raise KeyError
    assert [(group["lr"], group.get("capturable")) for group in groups] == before
