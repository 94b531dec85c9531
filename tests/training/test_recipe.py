"""Settings: files and options are put together, what is wrong in them is said before anything is done."""

import dataclasses
import itertools
import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magn_cli.errors import UsageError
from magn_cli.model import PRESETS, Magn, MagnConfig
from magn_cli.tasks import TASKS, get_task
from magn_cli.tasks.registry import declared
from magn_cli.training import recipe
from magn_cli.training.options import TrainingOptions
from magn_cli.training.schedule import learning_rate
from tests.support.commands import magn, refused
from tests.support.paths import RECIPES

MINIMUM = {"task": "jpeg", "data": ["photos"]}


def resolved(*files, **values):
    read = [recipe.check(recipe.read(RECIPES / file), file) for file in files]
    return recipe.resolve(recipe.merge(MINIMUM, *read, values))


def test_the_example_names_every_setting_with_its_default():
    example = recipe.read(RECIPES / "example.toml")
    recipe.check(example, "example.toml")
    by_default = recipe.resolve(MINIMUM).to_values()
    assert example.keys() == by_default.keys()
    assert example["training"] == by_default["training"]
    assert example["pairs"] == by_default["pairs"]
    assert example["network"].keys() == {f.name for f in dataclasses.fields(MagnConfig)}
    assert resolved("example.toml").config() == recipe.resolve(MINIMUM).config()
    assert example["preset"] == by_default["preset"] and example["validate"] == by_default["validate"]


def test_the_example_names_the_settings_of_every_task():
    written = (RECIPES / "example.toml").read_text()
    for name, (option, _) in declared("pairs").items():
        found = re.search(rf"^(?:# )?({name} = .*)$", written, re.MULTILINE)
        assert found, name
        value = tomllib.loads(found[1])[name]
        assert (tuple(value) if option.is_list else value) == option.default, name


def test_a_comment_stands_at_every_setting_of_the_example():
    lines = (RECIPES / "example.toml").read_text().splitlines()
    for above, line in itertools.pairwise(lines):
        if " = " in line and not line.startswith("#"):
            assert above.startswith("#"), line


def test_the_papers_recipe_is_the_papers():
    paper = resolved("paper.toml", task="demosaic")
    assert paper.config() == MagnConfig()
    training = paper.training
    assert (training.optimizer, training.learning_rate, training.batch, training.loss) == ("adam", 1e-4, 32, "mse")
    assert {learning_rate(training, step, training.max_steps) for step in (0, 1000, training.max_steps - 1)} == {
        1e-4
    }
    assert training.ema == 0 and training.clip == 0 and training.precision == "fp32"


@pytest.mark.parametrize(
    ("file", "graphs", "size"),
    [
        ("without-global", ("patch",), 7),
        ("without-local", ("pixel",), 7),
        ("multiple-local", ("patch", "patch"), 7),
        ("window-5", ("pixel", "patch"), 5),
        ("window-9", ("pixel", "patch"), 9),
        ("window-11", ("pixel", "patch"), 11),
    ],
)
def test_ablations_change_one_thing(file, graphs, size):
    config = resolved("paper.toml", f"ablations/{file}.toml", task="demosaic").config()
    assert config == dataclasses.replace(MagnConfig(), graphs=graphs, patch_size=size)


@pytest.mark.parametrize("name", ["magn", "magn-s"])
@pytest.mark.parametrize("task", TASKS)
def test_our_recipes_fit_every_task(name, task):
    ours = resolved(f"{name}.toml", task=task)
    assert ours.preset == name
    assert ours.config().level_channel == (TASKS[task].scale is not None) and ours.config().normalized_scores
    assert ours.pairs.gray == (0.05 if task == "demosaic" else 0.25)
    Magn(ours.config())


def test_later_files_and_options_win_key_by_key():
    first = {"task": "jpeg", "data": ["a"], "training": {"batch": 4, "seed": 3}, "network": {"heads": 2}}
    merged = recipe.merge(first, {"training": {"batch": 6}}, {"network": {"features": 32}})
    found = recipe.resolve(merged)
    assert (found.training.batch, found.training.seed, found.network) == (6, 3, {"heads": 2, "features": 32})
    assert first["training"]["batch"] == 4


def test_pair_settings_of_other_tasks_are_left_aside():
    """A file may serve several tasks; those of 0.1.0 hold the settings of all."""
    values = {"gray": 0.1, "camera": 0.2, "twice": 0.3, "subsampling": ["4:4:4"]}
    own = {
        task: resolved(task=task, pairs=values).to_values()["pairs"] for task in ("jpeg", "denoise", "demosaic")
    }
    common = {"gray": 0.1, "unknown": 0.0, "patterns": 0.05, "levels": []}
    assert own["jpeg"] == {**common, "twice": 0.3, "subsampling": ["4:4:4"]}
    assert (
        own["denoise"] == {**common, "camera": 0.2, "partial": 0.06, "excess": 0.2, "camera_excess": 0.0}
        and own["demosaic"] == common
    )
    with pytest.raises(UsageError, match="camera must be a number"):
        recipe.check({"pairs": {"camera": "often"}}, "run.toml")


def test_a_recipe_comes_back_from_its_file(tmp_path):
    made = recipe.resolve(
        {**MINIMUM, "network": {"graphs": ["patch"]}, "pairs": {"levels": [10, 40]}, "training": {"clip": 1}}
    )
    recipe.write(tmp_path / "r.toml", made)
    assert recipe.resolve(recipe.check(recipe.read(tmp_path / "r.toml"), "r.toml")) == made


def test_no_folder_of_this_machine_goes_into_checkpoints(tmp_path):
    made = recipe.resolve({**MINIMUM, "data": [str(tmp_path / "photos")], "init": str(tmp_path / "x.safetensors")})
    values = made.to_values(folders=False)
    assert values["data"] == ["photos"] and values["init"] == "x.safetensors" and str(tmp_path) not in str(values)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[training]\nlearning_rat = 1", ["training.learning_rat", "closest one is learning_rate"]),
        ("[trainig]\nbatch = 1", ["trainig", "closest one is training"]),
        ("zzz = 1", ["zzz", "example.toml"]),
        ("[training]\nbatch = 'many'", ["training.batch", "whole number", "'many'"]),
        ("[training]\nbatch = 2.5", ["training.batch", "whole number"]),
        ("[training]\nbatch = true", ["training.batch", "whole number"]),
        ("[training]\ncompile = 1", ["training.compile", "true or false"]),
        ("[training]\nbatch = -1", ["batch -1"]),
        ("[training]\nema = 1.5", ["ema 1.5"]),
        ("[training]\nbatch = 6\naccumulate = 4", ["batch 6", "accumulate 4"]),
        ("[training]\noptimizer = 'sgd'", ["sgd", "muon"]),
        ("[pairs]\nlevels = [5, 500]", ["quality 500"]),
        ("[pairs]\nlevels = [5]", ["levels"]),
        ("[pairs]\nlevels = ['a', 'b']", ["pairs.levels", "list of numbers"]),
        ("data = [1]", ["data", "list of strings"]),
        ("[training]\nmax_minutes = inf", ["max_minutes inf"]),
        ("[network]\nwindow = 100", ["window", "multiple of 8"]),
        ("[pairs]\nsubsampling = ['4:1:0']", ["4:1:0", "4:2:0"]),
        ("[network]\nheads = 3", ["heads"]),
        ("[network]\nhead = 4", ["network.head", "closest one is heads"]),
        ("network = 3", ["[network]"]),
        ("data = 'photos'", ["data must be a list"]),
        ("preset = 'big'", ["big", "magn-s"]),
        ("task = 'upscale'", ["upscale", "denoise"]),
        ("= 3", ["run.toml", "TOML"]),
    ],
)
def test_a_wrong_setting_is_one_sentence_and_nothing_is_done(tmp_path, text, words):
    file = tmp_path / "run.toml"
    file.write_text(text)
    own = [] if text.startswith("task") else ["--task", "jpeg"]
    done = magn("train", *own, "--data", tmp_path, "--out", tmp_path / "run", "--config", file)
    refused(done, 2, *words)
    assert not (tmp_path / "run").exists()


def test_what_is_missing_is_said(tmp_path):
    refused(magn("train", "--out", tmp_path / "run"), 2, "--task")
    refused(magn("train", "--task", "jpeg", "--out", tmp_path / "run"), 2, "--data")
    missing = magn("train", "--config", tmp_path / "no.toml", "--out", tmp_path / "run")
    refused(missing, 2, "no.toml", "cannot be read")
    refused(magn("train", "--out", tmp_path / "run", "--resume"), 1, "no training state", "without --resume")


def options(**values):
    return TrainingOptions(**{"max_steps": 100, "warmup": 10, "learning_rate": 1.0, **values})


@given(step=st.integers(0, 98), schedule=st.sampled_from(["cosine", "steps", "constant"]))
def test_learning_rates_rise_and_never_rise_again(step, schedule):
    rates = [learning_rate(options(schedule=schedule), s, 100) for s in (step, step + 1)]
    assert all(0 < rate <= 1 for rate in rates)
    assert rates[0] < rates[1] if step < 9 else rates[0] >= rates[1]


def test_learning_rates_where_they_are_known():
    assert learning_rate(options(), 4, 100) == 0.5
    assert learning_rate(options(), 50, 100) == learning_rate(options(), 50, None) == 1
    assert learning_rate(options(decay=0.4), 80, 100) == pytest.approx(0.5)
    assert learning_rate(options(decay=0.4), 99, 100) < 0.01
    assert learning_rate(options(schedule="steps", milestones=(0.2, 0.6), gamma=0.1), 60, 100) == pytest.approx(
        0.01
    )


def test_the_beginning_does_not_depend_on_the_length_until_the_fall():
    for step in range(60):
        assert learning_rate(options(), step, 100) == learning_rate(options(), step, 1000)


def test_pair_settings_that_make_no_sense():
    for values in ({"gray": 2}, {"unknown": -1}, {"levels": (30, 20)}, {"subsampling": ()}):
        with pytest.raises(UsageError):
            get_task("jpeg").pairs(**values)
    assert PRESETS["magn"] == MagnConfig()
