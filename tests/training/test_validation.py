"""What validation measures, and where it is written down."""

import numpy as np
import pytest
import torch

from magn_cli.evaluation.metrics import psnr
from magn_cli.model import Magn, MagnConfig
from magn_cli.tasks import get_task
from magn_cli.training.record import Progress, Record, read
from magn_cli.training.validation import Validation

CPU = torch.device("cpu")
CHANGES = [f"change_{level}" for level in (5, 15, 25, 50, 75)]
CAMERAS = ["psnr_camera_5", "psnr_camera_10", "psnr_camera_20", "psnr_mean"]


def network(**settings):
    torch.manual_seed(0)
    small = {"features": 8, "graph_features": 8, "blocks_before": 0, "blocks_after": 0, "graph_blocks": 0}
    return Magn(MagnConfig(**small, heads=1, patch_features=4, window=32, window_overlap=8, **settings)).eval()


def level_adder():
    """A network that adds the level it is told to every value."""
    model = network(level_channel=True)
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
        model.head.weight[0, 3, 1, 1] = 1.0
        model.tail.weight[:, 0, 1, 1] = 1.0
    return model


def test_the_change_is_that_of_the_level_told(otter):
    validation = Validation([otter[:64, :64]], get_task("denoise"), get_task("denoise").pairs())
    assert validation.columns == [*CAMERAS, *CHANGES]
    quality = validation.measure(level_adder(), CPU, torch.float32)
    for level in (5, 15, 25, 50, 75):
        # At the border, too: the centre of the kernel is all there is.
        assert quality.figures[f"change_{level}"] == pytest.approx(255 * level / 75, rel=1e-3)


def test_a_new_network_returns_its_input_so_all_figures_are_those_of_the_degraded_pictures(otter):
    clean = otter[:96, :96]
    task = get_task("denoise")
    quality = Validation([clean], task, task.pairs()).measure(network(), CPU, torch.float32)
    assert not set(CHANGES) & quality.figures.keys()  # without a level channel nothing is told
    for sigma in (5, 10, 20):
        expected = -20 * np.log10(sigma / 255)
        assert quality.figures[f"psnr_camera_{sigma}"] == pytest.approx(expected, abs=0.7)
    cases = [quality.figures[name] for name in CAMERAS[:3]]
    assert quality.overall == quality.figures["psnr_mean"] == pytest.approx((3 * quality.psnr + sum(cases)) / 6)
    again = Validation([clean], task, task.pairs()).measure(network(), CPU, torch.float32)
    assert again == quality


def test_the_white_noise_mean_is_what_it_was_before_there_were_other_cases(otter):
    task, clean = get_task("denoise"), otter[:64, :64].astype(np.float32) / 255
    rng = np.random.default_rng(0)
    noisy = [task.degrade(clean, level, rng) for level in (15, 25, 50)]
    quality = Validation([otter[:64, :64]], task, task.pairs()).measure(network(), CPU, torch.float32)
    assert quality.psnr == pytest.approx(np.mean([psnr(n.clip(0, 1), clean) for n in noisy]), abs=1e-4)


@pytest.mark.parametrize(
    ("task", "pairs", "columns"),
    [
        ("jpeg", {}, []),
        ("demosaic", {}, []),
        ("denoise", {"camera": 0.0}, CHANGES),
        ("denoise", {"levels": (8, 30)}, ["psnr_camera_10", "psnr_camera_20", "psnr_mean", *CHANGES]),
    ],
)
def test_a_task_and_its_pairs_decide_what_is_measured(otter, task, pairs, columns):
    validation = Validation([otter[:64, :64]], get_task(task), get_task(task).pairs(**pairs))
    assert validation.columns == columns
    quality = validation.measure(network(), CPU, torch.float32)
    assert quality.figures.keys() == set(columns) - set(CHANGES)
    if not columns:
        assert quality.overall == quality.psnr


def line(step, **more):
    return Progress(step, 1.0, 0.5, 1e-3, 0.1, 2.0, 30.0, 0.0, **more)


def test_the_log_has_a_column_for_each_figure(tmp_path):
    record = Record(tmp_path, 0, False, ["psnr_camera_5", "change_5"])
    record.add(line(1))
    record.add(line(2, psnr=30.0, ssim=0.9, gain=1.0, figures={"psnr_camera_5": 41.0, "change_5": 2.5}, length=9))
    first, second = read(tmp_path / "log.csv")
    assert "psnr_camera_5" not in first and second["psnr_camera_5"] == 41.0 and second["change_5"] == 2.5
    assert (tmp_path / "log.csv").read_text().splitlines()[0].endswith("psnr,ssim,gain,psnr_camera_5,change_5")


def test_the_log_of_a_run_from_before_there_were_figures_goes_on(tmp_path):
    old = Record(tmp_path, 0, False)
    old.add(line(1, psnr=30.0, ssim=0.9, gain=1.0))
    old.add(line(2))
    new = Record(tmp_path, 1, False, ["change_5"])
    new.add(line(2, figures={"change_5": 2.5}))
    first, second = read(tmp_path / "log.csv")
    assert first["psnr"] == 30.0 and first["step"] == 1 and second == {**second, "step": 2, "change_5": 2.5}
