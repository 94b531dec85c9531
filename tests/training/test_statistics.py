"""Batch statistics belong to the weights that are saved, and bad steps leave no trace in them."""

import numpy as np
import pytest
import torch

from magn_cli.errors import UsageError
from magn_cli.model import Magn, MagnConfig
from magn_cli.tasks import get_task
from magn_cli.training import loop, preparation, statistics
from magn_cli.training.engine import Engine
from magn_cli.training.options import TrainingOptions
from magn_cli.training.recipe import TrainingRecipe
from magn_cli.weights.checkpoint import load_checkpoint

SMALL = {
    "features": 8,
    "graph_features": 8,
    "blocks_before": 1,
    "blocks_after": 1,
    "graph_blocks": 1,
    "heads": 1,
    "patch_size": 3,
    "patch_stride": 2,
    "patch_features": 4,
    "level_channel": True,
    "window": 16,
    "window_overlap": 8,
}


def trainer(out, steps, **settings):
    options = TrainingOptions(max_steps=steps, batch=2, precision="fp32", warmup=0, save_every=1000, **settings)
    pairs = get_task("denoise").pairs(camera=0.0)
    recipe = TrainingRecipe(task="denoise", preset="magn-s", network=SMALL, pairs=pairs, training=options)
    out.mkdir(exist_ok=True)
    return loop.Trainer(recipe, out, Engine("cpu"))


def photos():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (64, 64, 3), np.uint8) for _ in range(2)]


def copied(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def norms(model):
    return [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]


def test_they_are_the_medians_over_the_batches():
    torch.manual_seed(0)
    model = Magn(MagnConfig(**SMALL)).eval()
    batches = [torch.rand(2, 3, 16, 16) for _ in range(5)]
    # A pattern that is amplified by thousands must not hide the photographs.
    batches[2] *= 1000
    inputs = []
    hook = norms(model)[0].register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    statistics.measure(model, batches, lambda network, batch: network(batch, torch.zeros(2)))
    hook.remove()
    means = torch.stack([given.mean((0, 2, 3)) for given in inputs])
    variances = torch.stack([given.var((0, 2, 3)) for given in inputs])
    torch.testing.assert_close(norms(model)[0].running_mean, means.median(0).values)
    torch.testing.assert_close(norms(model)[0].running_var, variances.median(0).values)
    assert (norms(model)[0].running_var < variances.mean(0) / 100).all()
    assert not model.training and norms(model)[0].momentum == 0.1


def test_the_end_of_a_run_measures_them_and_keeps_those_of_the_state(tmp_path):
    run = trainer(tmp_path / "run", 4)
    run.run(photos(), photos(), lambda progress: None)
    saved, _ = load_checkpoint(run.checkpoint_path)
    state = torch.load(run.state_path, weights_only=True)
    mean = norms(saved)[0].running_mean
    assert not torch.equal(mean, state["averaged"]["module.graph.blocks.0.first.norm.running_mean"])


def test_they_can_be_fixed_from_the_start(tmp_path):
    first = trainer(tmp_path / "first", 3)
    first.run(photos(), photos(), lambda progress: None)

    def fixed(out, steps):
        return trainer(tmp_path / out, steps, fixed_statistics=True, schedule="constant")

    whole = fixed("whole", 4)
    whole.start_from(first.checkpoint_path)
    seen = []
    whole.run(photos(), photos(), lambda progress: seen.append(copied(whole.model)))
    saved, _ = load_checkpoint(whole.checkpoint_path)
    assert not torch.equal(seen[-1]["head.weight"], first.model.state_dict()["head.weight"])
    statistic = "graph.blocks.0.first.norm.running_var"
    torch.testing.assert_close(seen[-1][statistic], saved.state_dict()[statistic])
    # Stopped and resumed, it is the same run.
    half = fixed("half", 4)
    half.start_from(first.checkpoint_path)
    half.run(photos(), photos(), lambda progress: None, lambda: half.state.step >= 1)
    rest = fixed("half", 4)
    rest.resume()
    rest.run(photos(), photos(), lambda progress: None)
    for name, tensor in copied(whole.model).items():
        assert torch.equal(tensor, rest.model.state_dict()[name]), name


def test_fixed_statistics_need_a_checkpoint(tmp_path):
    run = trainer(tmp_path / "run", 2, fixed_statistics=True)
    with pytest.raises(UsageError, match="give --init a checkpoint"):
        preparation.begin(run, resume=False)


def test_a_step_with_a_gradient_beyond_all_measure_is_left_out(tmp_path, monkeypatch):
    run, whole, calls = trainer(tmp_path / "run", 6), loop.loss_of, []

    def exploding(*args):
        calls.append({name: tensor.clone() for name, tensor in run.model.state_dict().items()})
        return whole(*args) * (1e6 if len(calls) == 4 else 1)

    monkeypatch.setattr(loop, "loss_of", exploding)
    # A loss like this would stop the run for its own sake.
    monkeypatch.setattr(loop.Health, "look", lambda *args: None)
    run.run(photos(), photos(), lambda progress: None)
    before, after = calls[3], calls[4]
    steady = [name for name in before if torch.equal(before[name], after[name])]
    # The pass that is under way has changed its statistics again.
    assert {name for name in before if "running" not in name and "num_batches" not in name} <= set(steady)
    assert not torch.equal(after["head.weight"], calls[5]["head.weight"])


@pytest.mark.parametrize("kept_apart", [True, False])
def test_put_back(kept_apart):
    torch.manual_seed(0)
    model = Magn(MagnConfig(**SMALL)).train()
    before = statistics.kept(model)
    model(torch.rand(2, 3, 16, 16), torch.zeros(2))
    changed = norms(model)[0].running_mean.clone()
    assert changed.abs().sum() > 0
    if kept_apart:
        statistics.put_back(before)
    assert torch.equal(norms(model)[0].running_mean, changed) is not kept_apart
