"""Training from Python: from settings and a folder of photographs to a checkpoint that can be resumed."""

import doctest
import json
import logging
import subprocess
import sys

import pytest
import tomli_w
from PIL import Image

from magn_cli.errors import TrainingError, UsageError
from magn_cli.training import run, train
from magn_cli.training.record import read
from magn_cli.weights.checkpoint import load_checkpoint
from tests.support.commands import magn

NETWORK = {
    "features": 16, "graph_features": 16, "blocks_before": 1, "blocks_after": 1, "graph_blocks": 1, "heads": 2,
    "patch_features": 8, "stem": 2, "graph_stride": 2, "window": 32, "window_overlap": 8,
}  # fmt: skip


@pytest.fixture
def photos(tmp_path, otter):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(otter[:64, :80]).save(folder / "otter.png")
    return folder


def settings(photos, **training):
    return {"task": "denoise", "data": [photos], "network": NETWORK, "training": {"batch": 2, **training}}


def test_the_example_in_the_docstring_runs(photos, tmp_path):
    found = doctest.DocTestFinder().find(train, globs={"photos": photos, "out": tmp_path / "out"})
    results = doctest.DocTestRunner().run(found[0])
    assert results.attempted > 4 and results.failed == 0


def test_a_run_is_stopped_and_resumed(photos, tmp_path, caplog):
    seen, looked = [], []
    out = tmp_path / "out"
    with caplog.at_level(logging.INFO, "magn_cli.training"):
        stopped = train(
            settings(photos, max_steps=6, validate_every=4),
            out=out,
            command="magn train",
            on_photos=lambda what, done, total: looked.append((what, done, total)),
            on_progress=seen.append,
            should_stop=lambda: bool(seen),
        )
    assert stopped.stopped and stopped.step == 5 and (stopped.curves is None or stopped.curves.exists())
    assert looked[-1] == ("the training data", 1, 1) and "1 photographs in the training data" in caplog.text
    assert seen[0].length == 6 and seen[0].seconds_left > 0 and seen[0].psnr is not None
    assert stopped.best_psnr == seen[0].figures["psnr_mean"] and stopped.best_checkpoint.exists()

    # As of a run that was killed meanwhile.
    (out / ".state.pt.0123456789ab.tmp").write_bytes(b"half")
    done = train({}, out=out, resume=True)
    assert not done.stopped and done.step == 6 and not list(out.glob(".*.tmp"))
    _, about = load_checkpoint(done.checkpoint)
    assert about.training["steps"] == 6 and about.training["command"] == "magn train"
    assert about.training["data"] == ["photos"] and str(tmp_path) not in str(about.training)
    [*_, last] = read(done.log_file)
    assert last["step"] == 6 and "length" not in last


def test_a_program_can_follow_a_run_line_by_line(photos, tmp_path):
    config = tmp_path / "run.toml"
    config.write_text(tomli_w.dumps({"network": NETWORK, "training": {"batch": 2, "max_steps": 2}}))
    words = ("train", "-t", "jpeg", "--data", photos, "-o", tmp_path / "out", "--config", config, "--log-json")
    done = magn(*words)
    assert done.exit_code == 0, done.output
    start, progress, summary = (json.loads(line) for line in done.stdout.splitlines())
    assert (start["event"], progress["event"], summary["event"]) == ("start", "progress", "summary")
    assert progress["step"] == progress["length"] == 2 and progress["psnr"] > 10 and progress["schema"] == 1
    assert summary["step"] == 2 and not summary["stopped"] and summary["checkpoint"].endswith("jpeg.safetensors")


def test_what_is_wrong_is_said_before_anything_is_written(photos, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(UsageError, match=r"unknown setting 'training\.stepz'"):
        train({**settings(photos), "training": {"stepz": 1}}, out=out)
    with pytest.raises(UsageError, match="workers 100000 is out of range"):
        train(settings(photos, workers=100_000), out=out)
    with pytest.raises(TrainingError, match="folder not found"):
        train(settings(tmp_path / "none"), out=out)
    with pytest.raises(TrainingError, match="start without"):
        train(settings(photos), out=out, resume=True)
    assert not out.exists()


def test_workers_do_not_wait_for_threads_that_were_not_forked(photos, tmp_path):
    # A process of its own, as a run that waits without end is to fail.
    program = """
import sys, cv2, numpy
cv2.setNumThreads(4)
cv2.GaussianBlur(numpy.zeros((3000, 3000, 3), "float32"), (0, 0), 5)
from magn_cli.training import train
settings, out = eval(sys.argv[1]), sys.argv[2]
assert train(settings, out=out).step == 2 and cv2.getNumThreads() == 4
"""
    wanted = settings(str(photos), max_steps=2, workers=2)
    command = [sys.executable, "-c", program, repr(wanted), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_package_does_not_import_torch_by_itself():
    code = "import sys, magn_cli.training; from magn_cli.training import options; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0
    assert run.train is train
