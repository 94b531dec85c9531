"""Real pairs: pictures with noise of a camera and clean ones of the same scene, told apart by their names."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from magn_cli import images
from magn_cli.api.loading import Loader
from magn_cli.camera import camera_noise, draw_camera
from magn_cli.errors import ImageError, UsageError
from magn_cli.evaluation import Request, evaluate
from tests.support.commands import magn


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "PolyU"
    folder.mkdir()
    otter = images.to_float(images.read(Path("examples/otter.png")).pixels)[200:328, 300:428]
    for number in range(2):
        rng = np.random.default_rng(number)
        noisy = camera_noise(np.ascontiguousarray(otter), 12, draw_camera(rng, 12), rng)
        for kind, pixels in (("real", noisy), ("mean", otter)):
            stored = np.rint(pixels * 255).astype(np.uint8)[..., ::-1]
            settings = [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]
            assert cv2.imwrite(str(folder / f"scene_{number}_{kind}.JPG"), stored, settings)
    return folder.parent


def test_pairs_are_found_by_the_ends_of_their_names_and_measured_in_8_bit(real):
    run = magn("eval", "--set", "polyu", "--data", real, "--baselines-only", "--json", "-")
    assert run.exit_code == 0, run.output
    (result,) = json.loads(run.stdout)["results"]
    assert (result["set"], result["task"], result["protocol"]) == ("PolyU", "denoise", "modern")
    assert [p["name"] for p in result["pictures"]] == ["scene_0_real", "scene_1_real"]
    # Noise of sigma 12 is 26.5 dB.
    assert 25.5 < result["psnr"] < 27.5


def test_levels_are_found_in_each_file_as_restore_finds_them(real):
    found, network = evaluate(Request(dataset="PolyU", data=real, task="denoise")), Loader("denoise").load()
    for picture in found:
        row = picture.rows["input"]
        photo = images.read(real / "PolyU" / f"{picture.name}.JPG")
        restored = network.restore(photo)
        assert row.level == restored.found.level
        np.testing.assert_array_equal(picture.pixels["magn-s"], images.to_float(restored.pixels))


def test_auto_is_measured_as_users_run_it(real):
    found = evaluate(Request(dataset="PolyU", data=real, task="auto"))
    assert [m.name for m in found.methods["denoise"]] == ["input", "magn-s, auto"]
    assert [not picture.failures for picture in found] == [True, True]


def test_what_others_have_published_stands_beside_it(real):
    run = magn(
        "eval", "--set", "PolyU", "--data", real, "--baselines-only", "--baseline", "nlm", "--markdown", "-"
    )
    assert run.exit_code == 0, run.output
    assert "noise translation 38.67" in run.stdout


def test_a_picture_without_a_partner_is_named(real, tmp_path):
    folder = tmp_path / "PolyU"
    folder.mkdir()
    (folder / "alone_real.JPG").write_bytes((real / "PolyU" / "scene_0_real.JPG").read_bytes())
    (picture,) = evaluate(Request(dataset="PolyU", data=tmp_path, network=None))
    assert "alone_real.JPG has no partner alone_mean" in picture.failures[0]


@pytest.mark.parametrize(
    ("request_", "error", "says"),
    [
        ({"dataset": "PolyU", "task": "jpeg"}, UsageError, "'PolyU' for jpeg"),
        ({"dataset": "PolyU", "task": "auto", "levels": (5.0,)}, UsageError, "omit --level"),
        ({"dataset": "PolyU", "protocol": "paper"}, UsageError, "give --protocol modern"),
        ({"dataset": "Set12", "task": "auto"}, ImageError, "Set12"),
    ],
)
def test_what_cannot_be_measured_is_refused(real, request_, error, says):
    with pytest.raises(error, match=says):
        evaluate(Request(data=real, **request_))


def test_a_folder_without_degraded_pictures_is_refused(tmp_path):
    folder = tmp_path / "PolyU"
    folder.mkdir()
    assert cv2.imwrite(str(folder / "a.png"), np.zeros((8, 8), np.uint8))
    with pytest.raises(ImageError, match=r"no pictures named \*_real"):
        evaluate(Request(dataset="PolyU", data=tmp_path))
