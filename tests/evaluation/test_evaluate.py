"""Evaluation from Python: planned at once, measured lazily, the same figures as the command's."""

import doctest
import json

import pytest
from PIL import Image

from magn_cli.errors import ImageError, UsageError, WeightsError
from magn_cli.evaluation import NetworkSettings, Request, evaluate, run
from magn_cli.evaluation.report import as_document
from tests.support.commands import magn


@pytest.fixture
def photos(tmp_path, otter):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(otter[:64, :80]).save(folder / "otter.png")
    return folder


def test_the_example_in_the_docstring_runs(photos):
    found = doctest.DocTestFinder().find(evaluate, globs={"photos": photos})
    results = doctest.DocTestRunner().run(found[0])
    assert results.attempted > 3 and results.failed == 0


def test_measuring_begins_with_the_first_picture(photos, monkeypatch):
    (photos / "broken.png").write_text("no picture")
    measured = []
    measure = run.measure
    monkeypatch.setattr(run, "measure", lambda pair, *rest: measured.append(pair.name) or measure(pair, *rest))
    evaluation = evaluate(Request(clean=photos, task="demosaic", baselines=("bilinear",), network=None))
    assert measured == [] and evaluation.total == 2 and evaluation.results == []
    broken, good = evaluation
    assert measured == ["broken.png", "otter.png"]
    assert broken.rows == {} and broken.reference is None and "broken.png" in broken.failures[0]
    assert list(good.rows) == ["input", "bilinear"] == list(good.pixels) and good.failures == ()
    assert good.pixels["bilinear"].shape == good.reference.shape == (64, 80, 3)
    assert [r.method for r in evaluation.results] == ["input", "bilinear"] and evaluation.failures == 2
    assert good.results == tuple(evaluation.results)


def test_the_command_shows_the_same_figures(photos, tmp_path):
    done = magn("eval", photos, "-t", "denoise", "-l", 25, "--baselines-only", "--baseline", "nlm", "--json", "-")
    assert done.exit_code == 0, done.output
    evaluation = evaluate(Request(clean=photos, task="denoise", levels=(25,), baselines=("nlm",), network=None))
    assert len(list(evaluation)) == 1
    ours, theirs = as_document(evaluation.results)["results"], json.loads(done.stdout)["results"]
    for one, other in zip(ours, theirs, strict=True):
        assert {k: v for k, v in one.items() if k not in ("seconds", "pictures")} == {
            k: v for k, v in other.items() if k not in ("seconds", "pictures")
        }


def test_what_is_wrong_is_said_before_anything_is_measured(photos, tmp_path):
    with pytest.raises(UsageError, match="exactly one"):
        evaluate(Request())
    with pytest.raises(UsageError, match="quality 200"):
        evaluate(Request(clean=photos, task="jpeg", levels=(200,)))
    with pytest.raises(UsageError, match="unknown protocol"):
        Request(clean=photos, protocol="mine")
    with pytest.raises(ImageError, match="none"):
        evaluate(Request(clean=tmp_path / "none", task="jpeg", levels=(20,), network=None))
    with pytest.raises(WeightsError, match=r"none\.safetensors"):
        network = NetworkSettings(weights=tmp_path / "none.safetensors")
        evaluate(Request(clean=photos, task="jpeg", levels=(20,), network=network))
