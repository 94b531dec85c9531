"""Training: resumed runs are the same runs, faults are told, and what comes out restores a photo."""

import csv
import json
import os
import signal
import subprocess
import sys
import tomllib
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from magn_cli.cli.train import command_line
from magn_cli.errors import TrainingError
from magn_cli.training import health, loop, pace, recipe
from magn_cli.training.engine import Engine
from magn_cli.training.finetune import start_from
from magn_cli.training.health import SETTLING, STEPS, Health
from magn_cli.training.loop import Trainer, loss_of
from magn_cli.training.muon import Muon
from magn_cli.training.optimizer import Optimizer
from magn_cli.training.patches import Crops, Pairs
from magn_cli.training.record import read
from magn_cli.training.state import load_state
from magn_cli.weights.checkpoint import load_checkpoint
from tests.support.commands import magn, refused

NETWORK = {
    "features": 16, "graph_features": 16, "blocks_before": 1, "blocks_after": 1, "graph_blocks": 1, "heads": 2,
    "patch_features": 8, "stem": 2, "graph_stride": 2, "window": 32, "window_overlap": 8,
}  # fmt: skip
TRAINING = {"max_steps": 6, "batch": 4, "warmup": 2, "save_every": 3, "validate_every": 4}
CONFIG = """
task = "jpeg"
[network]
features = 16
graph_features = 16
blocks_before = 1
blocks_after = 1
graph_blocks = 1
stem = 2
graph_stride = 2
window = 32
window_overlap = 8
patch_features = 8
[training]
batch = 2
warmup = 2
"""


def made(out, values=None, **training):
    training = {**TRAINING, **training}
    settings = {"task": "jpeg", "data": ["photos"], "network": NETWORK, "training": training, **(values or {})}
    out.mkdir(exist_ok=True)
    return Trainer(recipe.resolve(settings), out, Engine("cpu"))


def run(trainer, otter, stop_at=None):
    if trainer.state_path.exists():
        trainer.resume()
    photos = [otter, otter[:, 40:]]
    trainer.run(photos, photos, lambda progress: None, lambda: trainer.state.step + 1 == stop_at)
    return load_state(trainer.state_path)


def flat(value, name=""):
    """All tensors and numbers of a state."""
    if isinstance(value, dict):
        return {n: t for key, v in value.items() for n, t in flat(v, f"{name}.{key}").items()}
    if isinstance(value, list):
        return {n: t for i, v in enumerate(value) for n, t in flat(v, f"{name}.{i}").items()}
    return {name: value}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimizer": "adamw", "precision": "bf16", "schedule": "steps"},
        {"accumulate": 2, "ema": 0.0, "clip": 0.0, "workers": 2},
        {"task": "denoise", "pairs": {"camera": 0.0, "excess": 0.5}},
    ],
)
def test_a_resumed_run_is_the_undisturbed_run_to_the_last_bit(tmp_path, otter, settings):
    values = {name: settings[name] for name in ("task", "pairs") if name in settings}
    training = {name: value for name, value in settings.items() if name not in values}
    whole = run(made(tmp_path / "whole", values, **training), otter)
    run(made(tmp_path / "parts", values, **training), otter, stop_at=2)
    run(made(tmp_path / "parts", values, **training), otter, stop_at=5)
    parts = run(made(tmp_path / "parts", values, **training), otter)
    assert whole["stand"]["step"] == parts["stand"]["step"] == 6
    assert whole["stand"]["length"] == 6
    whole, parts = flat(whole), flat(parts)
    assert whole.keys() == parts.keys() and len(whole) > 100
    for name, value in whole.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, parts[name]), name
        elif "minutes" not in name:
            assert value == parts[name], name
    with (tmp_path / "parts" / "log.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [2, 4, 5, 6]


def test_a_crop_that_is_told_more_is_to_become_what_the_network_makes_of_as_much_noise(tmp_path, otter):
    trainer = made(tmp_path / "run", {"task": "denoise", "pairs": {"camera": 0.0, "excess": 0.5}})
    pairs = Pairs([otter], trainer.task, 32, trainer.recipe.pairs, seed=1)
    crops = Crops(*(torch.stack(parts) for parts in zip(*(pairs[i] for i in range(12)), strict=True)))
    more = (crops.noisier != crops.degraded).flatten(1).any(1)
    target = trainer._target(crops)
    assert 2 < more.sum() < 10 and torch.equal(target[~more], crops.clean[~more])
    with torch.no_grad():
        made_of_it = trainer.averaged(crops.noisier, crops.noisier_level)
    assert target[more].min() >= 0 and target[more].max() <= 1
    assert torch.allclose(target[more], made_of_it[more].clamp(0, 1), atol=1e-4)


def test_a_run_that_was_killed_loses_no_more_than_the_last_interval(tmp_path, otter, monkeypatch):
    whole = run(made(tmp_path / "whole"), otter)
    trainer = made(tmp_path / "killed")
    step = Trainer._step

    def dying(self, *args):
        if self.state.step == 5:
            raise KeyboardInterrupt
        return step(self, *args)

    monkeypatch.setattr(Trainer, "_step", dying)
    with pytest.raises(KeyboardInterrupt):
        run(trainer, otter)
    assert load_state(trainer.state_path)["stand"]["step"] == 3
    monkeypatch.undo()
    again = run(made(tmp_path / "killed"), otter)
    assert all(torch.equal(t, again["averaged"][n]) for n, t in whole["averaged"].items())
    assert [line["step"] for line in read(tmp_path / "killed" / "log.csv")] == [4, 6]


def test_some_settings_may_change_on_resume_and_others_may_not(tmp_path, otter):
    run(made(tmp_path / "run"), otter, stop_at=3)
    again = made(tmp_path / "run", learning_rate=5e-4, max_steps=7)
    assert again.resume() == ["learning_rate is now 0.0005, was 0.001", "max_steps is now 7, was 6"]
    assert again.state.length == 7 and again.state.step == 3
    for name, value in (("batch", 2), ("seed", 5), ("loss", "mse")):
        with pytest.raises(TrainingError, match=f"made with training.{name}"):
            made(tmp_path / "run", **{name: value}).resume()
    with pytest.raises(TrainingError, match=r"network.features"):
        made(tmp_path / "run", {"network": {**NETWORK, "features": 32, "graph_features": 32}}).resume()


def test_minutes_become_steps_and_a_resume_keeps_their_number(tmp_path, otter, monkeypatch):
    trainer = made(tmp_path / "run", max_minutes=6 / 60)
    run(trainer, otter, stop_at=200)
    length, seconds = trainer.state.length, trainer.state.minutes * 60
    assert length > 5 and seconds < 30
    monkeypatch.setattr(pace.Speed, "seconds_a_step", lambda *_: pytest.fail("measured again"))
    again = made(tmp_path / "run", max_minutes=6 / 60)
    again.resume()
    assert again.state.length == length


def test_a_run_ends_in_time_on_a_machine_that_becomes_slow(tmp_path, otter, monkeypatch):
    now = [0.0]

    def wait_for(self, batches):
        now[0] += 0.5 if now[0] < 4 else 2.0
        return next(batches)

    monkeypatch.setattr(loop, "LOG_EVERY", 2)
    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(pace.Interval, "wait_for", wait_for)
    trainer = made(tmp_path / "run", max_minutes=20 / 60)
    run(trainer, otter)
    assert 15 < now[0] < 25


def test_slow_steps_are_measured_by_few_of_them(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    speed = pace.Speed(0)
    for step, expected in enumerate([None, None, None, None, 30.0], 1):
        found = speed.seconds_a_step(step, speed.elapsed(step), 240.0)
        assert found == expected
        now[0] += 30
    assert pace.Speed(0).seconds_a_step(20, 1.0, 240.0) is None
    assert pace.Speed(0).seconds_a_step(2 + pace.MEASURED_STEPS, 8.0, 240.0) == 8.0 / pace.MEASURED_STEPS


def test_parts_of_a_step_give_the_gradient_of_the_whole(tmp_path, otter):
    """Without batch norm, which sees a part only, parts are exact."""

    def gradients(parts):
        trainer = made(tmp_path / f"run{parts}", accumulate=parts, precision="fp32", max_steps=1)
        trainer.model.eval()
        trainer.model.train = lambda mode=True: trainer.model
        seen = {}
        gather = trainer.optimizer.gather

        def watch(scaler):
            norm = gather(scaler)
            seen.update({n: p.grad.clone() for n, p in trainer.model.named_parameters()})
            return norm

        trainer.optimizer.gather = watch
        run(trainer, otter)
        return seen

    whole, parts = gradients(1), gradients(4)
    assert any(g.abs().max() > 1e-3 for g in whole.values())
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-4, atol=1e-7)


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
    expected = torch.cat([p.grad.flatten() for p in model.parameters()]).norm()
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    torch.testing.assert_close(optimizer.gather(scaler), expected)
    optimizer.step(scaler)
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


def test_our_muon_is_torchs():
    torch.manual_seed(0)
    shapes = [(40, 90), (90, 40), (40, 90), (33, 33)]
    first = [torch.randn(shape) for shape in shapes]
    both = []
    for kind in (Muon, torch.optim.Muon):
        parameters = [torch.nn.Parameter(start.clone()) for start in first]
        optimizer = kind(parameters, 0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
        for step in range(3):
            for index, parameter in enumerate(parameters):
                generator = torch.Generator().manual_seed(10 * step + index)
                parameter.grad = torch.randn(parameter.shape, generator=generator)
            optimizer.step()
        both.append((parameters, optimizer.state_dict()))
    for ours, theirs, start in zip(both[0][0], both[1][0], first, strict=True):
        # Torch's products are bf16.
        assert (ours - theirs).norm() < 0.02 * (theirs - start).norm()
    optimizer.load_state_dict(both[0][1])  # a state is good for both


def test_the_average_follows_quickly_at_first_and_slowly_later(tmp_path):
    average = loop._Average(0.999)
    for steps, share in ((0, 0.9), (8, 0.5), (1_000_000, 0.001)):
        held = [torch.zeros(3)]
        average(held, [torch.ones(3)], torch.tensor(steps))
        torch.testing.assert_close(held[0], torch.full((3,), share))


def test_the_psnr_loss_is_the_mean_psnr_of_the_crops():
    clean = torch.zeros(2, 3, 8, 8)
    errors = torch.tensor([0.1, 0.01]).view(2, 1, 1, 1)
    loss = loss_of("psnr", clean + errors, clean, clean)
    # A crop without any error counts as 50 dB.
    assert float(loss) == pytest.approx(60 - (20 + 40) / 2, abs=0.3)
    assert float(loss_of("psnr", clean, clean, clean)) == pytest.approx(10)


def test_balanced_loss_weighs_light_degradations_like_heavy_ones():
    clean = torch.zeros(2, 3, 8, 8)
    degraded = torch.stack([torch.full((3, 8, 8), 0.1), torch.full((3, 8, 8), 0.4)])
    halved = degraded / 2
    mse = loss_of("mse", halved, degraded, clean)
    torch.testing.assert_close(mse, torch.tensor((0.05**2 + 0.2**2) / 2))
    balanced = loss_of("balanced", halved, degraded, clean)
    torch.testing.assert_close(balanced, torch.tensor((0.05**2 / 0.1 + 0.2**2 / 0.4) / 2), rtol=0.01, atol=0)


def test_values_far_beyond_white_pull_no_harder_than_others():
    clean, degraded = torch.zeros(1, 3, 8, 8), torch.full((1, 3, 8, 8), 0.1)

    def pull(value):
        restored = torch.full_like(clean, value, requires_grad=True)
        loss_of("balanced", restored, degraded, clean).backward()
        return restored.grad.norm().item()

    assert pull(0.5) < pull(1.0) and pull(1e6) < pull(2.0) < pull(1.0)
    # Scaled by the value: what reaches the weights of the layers that amplified it.
    assert 1e6 * pull(1e6) == pytest.approx(pull(1.0), rel=1e-4)


@pytest.mark.parametrize("how", ["nan", "grows"])
def test_a_loss_that_runs_away_stops_and_the_last_good_state_stays(tmp_path, otter, monkeypatch, how):
    monkeypatch.setattr(health, "SETTLING", 4)
    monkeypatch.setattr(health, "STEPS", 4)
    real = loop.loss_of

    def spoilt(*args):
        if trainer.state.step < 14:
            return real(*args)
        return real(*args) * (float("nan") if how == "nan" else 50.0)

    monkeypatch.setattr(loop, "loss_of", spoilt)
    trainer = made(tmp_path / "run", max_steps=40, precision="fp32", save_every=1)
    with pytest.raises(TrainingError, match=r"diverged at step (14|2\d).*--resume and a smaller") as error:
        run(trainer, otter)
    assert "nan" in str(error.value) if how == "nan" else "the loss from" in str(error.value)
    kept = load_state(trainer.state_path)
    # One bad step in four is taken for a burst.
    assert kept["stand"]["step"] == (14 if how == "nan" else 15)
    assert all(t.isfinite().all() for t in kept["model"].values())

    stopped = made(tmp_path / "stopped", max_steps=40, precision="fp32", save_every=6)
    trainer = stopped
    if how == "grows":
        run(stopped, otter, stop_at=19)
        assert load_state(stopped.state_path)["stand"]["step"] == 12


def test_health_waits_for_the_warm_up_and_says_what_grew():
    def looks(health, begin, count, loss, score=5.0):
        return [health.look(step, loss, 2 * loss, score) for step in range(begin, begin + count)]

    healthy = Health()
    assert not any(looks(healthy, 1, SETTLING - 1, 100.0)) and healthy.best is None and healthy.may_save
    assert not any(looks(healthy, SETTLING, 100, 1.0)) and healthy.best.loss == 1.0
    assert not any(looks(healthy, 300, STEPS // 3, 3000.0)) and healthy.may_save
    assert not any(looks(healthy, 320, STEPS // 2, 30.0)) and not healthy.may_save
    assert not any(looks(healthy, 350, STEPS, 1.1)) and healthy.may_save
    said = looks(healthy, 400, 3 * STEPS, 4.0, 300.0)
    first = next(i for i, sentence in enumerate(said) if sentence)
    assert 2 * STEPS <= first < 3 * STEPS
    grown = said[-1]
    assert "the loss from 1 to 4" in grown and "gradient from 2 to 8" in grown and "score from 5 to 300" in grown
    resumed = Health(healthy.best)
    assert any(looks(resumed, 600, 3 * STEPS, 4.0)) and not resumed.may_save


def test_starting_from_another_checkpoint_takes_what_fits_and_says_so(tmp_path, otter):
    first = made(tmp_path / "first")
    run(first, otter)
    source, _ = load_checkpoint(first.checkpoint_path)
    second = made(tmp_path / "second", {"task": "denoise"})
    taken = second.start_from(first.checkpoint_path)
    assert taken.taken == taken.total and taken.left == ()
    for name, tensor in source.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            if name == "head.weight":
                # The level of another task means something else.
                assert tensor[:, -1].any()
                tensor[:, -1] = 0
            assert torch.equal(second.model.state_dict()[name], tensor), name
            assert torch.equal(second.averaged.module.state_dict()[name], tensor), name
    run(second, otter)
    _, about = load_checkpoint(second.checkpoint_path)
    assert about.task == "denoise" and about.training["init"]["task"] == "jpeg"
    assert about.training["init"]["steps"] == 6 and len(about.training["init"]["sha256"]) == 64
    resumed = made(tmp_path / "second", {"task": "denoise"}, max_steps=7)
    resumed.resume()
    assert resumed.origin == about.training["init"]

    third = made(tmp_path / "third", {"network": {**NETWORK, "blocks_before": 2, "level_channel": False}})
    taken = third.start_from(first.checkpoint_path)
    assert 0 < taken.taken < taken.total
    assert set(taken.left) > {"head.weight", "before.1.first.weight"}
    assert not third.model.tail.weight.any() and not third.averaged.module.tail.weight.any()
    assert f"of {taken.total:,} parameters taken from magn-s-jpeg.safetensors; new: before.1" in taken.sentence()
    other = made(tmp_path / "fourth", {"network": {**NETWORK, "features": 8, "graph_features": 8}})
    own = {n: p.clone() for n, p in other.model.named_parameters()}
    fits = start_from(first.checkpoint_path, other.model, "jpeg")
    assert all(torch.equal(own[n], p) for n, p in other.model.named_parameters() if n in fits.left)


def test_a_state_with_the_pair_settings_of_all_tasks_is_resumed(tmp_path, otter):
    """As training wrote them when every task had all of them."""
    first = made(tmp_path / "run")
    state = run(first, otter)
    state["recipe"]["pairs"]["camera"] = 0.5
    torch.save(state, first.state_path)
    assert made(tmp_path / "run").resume() == []
    state["recipe"]["pairs"]["twice"] = 0.5
    torch.save(state, first.state_path)
    with pytest.raises(TrainingError, match="twice"):
        made(tmp_path / "run").resume()


def test_a_checkpoint_where_nothing_fits(tmp_path, otter):
    first = made(tmp_path / "first")
    run(first, otter)
    strange = torch.nn.Conv2d(7, 7, 5)
    with pytest.raises(TrainingError, match=r"nothing in .* fits this network"):
        start_from(first.checkpoint_path, strange, "jpeg")


def test_the_recorded_command_can_be_typed_again_and_names_no_folder_of_this_machine():
    words = ["train", "--data=/home/me/my photos/", "--out", "/runs/a", "--licence", "CC BY-SA 4.0"]
    assert command_line(words) == "magn train '--data=my photos' --out a --licence 'CC BY-SA 4.0'"


@pytest.fixture
def photos(tmp_path, otter):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(3):
        Image.fromarray(otter[:, 40 * i :]).save(folder / f"{i}.png")
    return folder


@pytest.fixture
def config(tmp_path):
    (tmp_path / "small.toml").write_text(CONFIG)
    return tmp_path / "small.toml"


def test_from_photos_to_a_restored_photo(tmp_path, photos, otter_jpeg, config):
    out = tmp_path / "run"
    words = ("train", "--config", config, "--data", photos, "--out", out)
    done = magn(*words, "--max-steps", 60, "--tensorboard", "--validate-every", 30)
    assert done.exit_code == 0, done.output
    assert "3 photographs in the training data" in done.stderr and "waiting" in done.stderr
    with safe_open(out / "magn-s-jpeg.safetensors", "pt") as file:
        metadata = file.metadata()
    assert metadata["task"] == "jpeg" and '"steps": 60' in metadata["training"]
    assert str(tmp_path) not in str(metadata)
    saved = tomllib.loads((out / "config.toml").read_text())
    assert saved["training"]["max_steps"] == 60 and saved["network"]["features"] == 16
    assert saved["training"]["precision"] in ("fp32", "bf16")
    lines = read(out / "log.csv")
    assert [line["step"] for line in lines] == [30, 50, 60]
    assert all("psnr" in line for line in lines[::2]) and 0 <= lines[0]["waiting"] <= 1
    assert lines[0]["psnr"] < lines[-1]["psnr"] and lines[0]["largest_score"] == 0 < lines[1]["largest_score"]
    assert (out / "magn-s-jpeg-best.safetensors").exists() and list((out / "tensorboard").iterdir())
    assert Image.open(out / "curves.png").size[0] > 600

    assert str(tmp_path).encode() not in (out / "state.pt").read_bytes()

    refused(magn(*words), 2, "already holds a run", "--resume")
    done = magn("train", "--out", out, "--resume", "--max-steps", 62)
    assert done.exit_code == 0 and "max_steps is now 62, was 60" in done.stderr
    assert load_state(out / "state.pt")["stand"]["step"] == 62
    with safe_open(out / "magn-s-jpeg.safetensors", "pt") as file:
        told = json.loads(file.metadata()["training"])
    assert told["command"] == json.loads(metadata["training"])["command"] and "magn" in told["resumed"]

    before = np.asarray(Image.open(otter_jpeg))
    done = magn("restore", otter_jpeg, "--task", "jpeg", "--weights", out / "magn-s-jpeg.safetensors")
    assert done.exit_code == 0, done.output
    assert np.asarray(Image.open(tmp_path / "otter_restored.png")).shape == before.shape
    done = magn(
        "restore", otter_jpeg, "--task", "denoise", "--weights", out / "magn-s-jpeg.safetensors",
        "--out", tmp_path / "other.png",
    )  # fmt: skip
    assert done.exit_code == 3 and "jpeg" in done.stderr


def test_own_validation_pictures_are_not_trained_on(tmp_path, photos, config, otter):
    held = tmp_path / "held"
    held.mkdir()
    Image.fromarray(otter[:, :120]).save(held / "v.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90, 3)).astype(np.uint8)).save(photos / "x.png")
    done = magn(
        "train",
        "--config",
        config,
        "--data",
        photos,
        "--validate",
        held,
        "--out",
        tmp_path / "run",
        "--max-steps",
        1,
    )
    assert done.exit_code == 0, done.output
    assert "1 photographs in the validation data" in done.stderr
    assert "shows held/v.png, which must not be trained on" in done.stderr


@pytest.mark.parametrize("content", [None, "nothing", "text", "tiny"])
def test_data_that_cannot_be_used(tmp_path, content, config):
    folder = tmp_path / "data"
    if content is not None:
        folder.mkdir()
    if content in ("text", "tiny"):
        (folder / "b.jpg").write_text("x")
    if content == "tiny":
        Image.fromarray(np.zeros((5, 5, 3), np.uint8)).save(folder / "c.png")
    done = magn("train", "--config", config, "--data", folder, "--out", tmp_path / "run", "--quiet")
    refused(done, 1, "data")
    assert not (tmp_path / "run" / "state.pt").exists()


def child(*words, **how):
    return subprocess.Popen(
        [sys.executable, "-m", "magn_cli", "train", *map(str, words)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        **how,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="limits of size are POSIX")
def test_a_full_disk_is_one_sentence_and_the_state_before_stays(tmp_path, photos, config):
    out, cache = tmp_path / "run", tmp_path / "cache"
    words = ("--config", config, "--data", photos, "--out", out, "--cache", cache)
    assert magn("train", *words, "--max-steps", 2).exit_code == 0
    before = (out / "state.pt").read_bytes()

    def full():
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    process = child("--out", out, "--cache", cache, "--resume", "--max-steps", 4, preexec_fn=full)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1 and "Traceback" not in said
    assert "cannot be written" in said.splitlines()[-1] and said.rstrip().endswith(".")
    assert (out / "state.pt").read_bytes() == before
    assert not list(out.glob(".*.tmp"))


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_keeps_the_state(tmp_path, photos, name, config):
    out = tmp_path / "run"
    process = child("--config", config, "--data", photos, "--out", out, "--max-steps", 100_000, "--workers", 1)
    for line in process.stderr:
        if line.startswith("step"):
            os.killpg(process.pid, name)
            break
    rest = process.communicate(timeout=60)[1]
    assert (
        process.returncode == 130
        and "to continue, run: magn train" in rest
        and "--resume" in rest
        and "Traceback" not in rest
    )
    assert load_state(out / "state.pt")["stand"]["step"] >= 50


def test_half_precision_with_loss_scaling_learns(tmp_path, otter):
    trainer = made(tmp_path / "run", precision="fp16", max_steps=3)
    assert trainer.scaler.is_enabled()
    before = {n: p.clone() for n, p in trainer.model.named_parameters()}
    state = run(trainer, otter)
    assert state["scaler"]["scale"] > 0
    assert any(not torch.equal(before[n], p) for n, p in trainer.model.named_parameters())
    assert all(t.isfinite().all() for t in state["model"].values())


def test_what_auto_meant_is_kept(tmp_path, otter):
    trainer = made(tmp_path / "run", precision="auto", max_steps=1)
    state = run(trainer, otter)
    assert state["recipe"]["training"]["precision"] == trainer.options.precision != "auto"


def test_a_gradient_that_overflows_in_half_precision_moves_nothing(tmp_path, otter, monkeypatch):
    trainer = made(tmp_path / "run", precision="fp16", max_steps=1)
    before = {n: p.clone() for n, p in trainer.model.named_parameters()}
    gather = trainer.optimizer.gather

    def overflowing(scaler):
        trainer.model.before[0].first.weight.grad[0, 0, 0, 0] = float("inf")
        return gather(scaler)

    monkeypatch.setattr(trainer.optimizer, "gather", overflowing)
    state = run(trainer, otter)
    assert all(torch.equal(before[n], p) for n, p in trainer.model.named_parameters())
    assert state["scaler"]["scale"] < torch.amp.GradScaler("cpu").state_dict()["scale"]
    assert trainer.state.overflows == 1
