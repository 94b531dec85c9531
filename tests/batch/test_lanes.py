"""Small pictures of a folder are restored beside each other; nothing else about the run changes."""

import threading

import numpy as np
import pytest
import torch
from PIL import Image

from magn_cli import batch, images
from magn_cli.api.loading import Loader
from magn_cli.errors import ImageError
from magn_cli.runtime.threads import SMALL
from tests.support.folders import Inverse, content, picture, restore

LARGE = (129, 128)


def is_large(photo):
    return photo.pixels.shape[0] * photo.pixels.shape[1] > SMALL


class Meeting:
    """Lets a small picture go on when two are inside; notes large pictures that are not alone."""

    def __init__(self):
        self.both, self.inside, self.crowded = threading.Barrier(2, timeout=20), 0, False
        self.lock, self.threads = threading.Lock(), set()

    def __call__(self, photo):
        with self.lock:
            self.inside += 1
        if is_large(photo):
            assert threading.current_thread() is threading.main_thread()
            self.crowded |= self.inside != 1
        else:
            self.threads.add(threading.current_thread().name)
            self.both.wait()
        with self.lock:
            self.inside -= 1


def folder_of(path, sizes):
    for number, size in enumerate(sizes):
        picture(path / f"{number:02}.png", number, size)
    return path


def test_small_pictures_meet_and_large_ones_are_alone(tmp_path):
    photos = folder_of(tmp_path / "photos", [(6, 8)] * 6 + [LARGE] * 2 + [(128, 128)] * 4 + [LARGE])
    meeting = Meeting()
    events = restore(photos, tmp_path / "out", Inverse(meeting), lanes=2)
    assert len(events) == 13 and all(isinstance(event, batch.Done) for event in events)
    assert len(meeting.threads) == 2 and not meeting.crowded
    restore(photos, tmp_path / "alone", lanes=1)
    assert content(tmp_path / "out") == content(tmp_path / "alone")


def test_a_failure_in_a_lane_is_told_and_the_rest_goes_on(tmp_path):
    photos = folder_of(tmp_path / "photos", [(6, 8)] * 12)

    def fail(photo):
        if photo.pixels[0, 0, 0] in (3, 4):
            raise ImageError("does not suit")

    events = restore(photos, tmp_path / "out", Inverse(fail), lanes=3)
    failed = {event.source.name for event in events if isinstance(event, batch.Failed)}
    assert failed == {"03.png", "04.png"} and len(content(tmp_path / "out")) == 10


@pytest.mark.parametrize("wrong", [0, 3, 11])
def test_stop_on_error_counts_what_was_not_tried(tmp_path, wrong):
    photos = folder_of(tmp_path / "photos", [(6, 8)] * 12)

    def fail(photo):
        if photo.pixels[0, 0, 0] == wrong:
            raise ImageError("does not suit")

    # The helper holds that events and pictures that were not tried are all of the plan.
    events = restore(photos, tmp_path / "out", Inverse(fail), lanes=2, stop_on_error=True)
    done = {event.job.target.name for event in events if isinstance(event, batch.Done)}
    assert done == set(content(tmp_path / "out")) and f"{wrong:02}.png" not in done


def test_the_network_gives_the_same_bytes(tmp_path, otter):
    """Also after a larger picture, which sets torch's number of threads."""
    (tmp_path / "photos").mkdir()
    noise = np.random.default_rng(0)
    for number in range(9):
        crop = otter[: 140 if number == 4 else 40 + number, : 140 if number == 4 else 50]
        noisy = np.clip(crop + noise.normal(0, 20, crop.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(tmp_path / f"photos/{number}.png")
    for name, lanes in (("alone", 1), ("beside", 3)):
        network = Loader("denoise", precision="fp32").load()
        events = restore(tmp_path / "photos", tmp_path / name, network, lanes=lanes)
        assert all(isinstance(event, batch.Done) for event in events)
    alone, beside = content(tmp_path / "alone"), content(tmp_path / "beside")
    assert alone.keys() == beside.keys() and len(alone) == 9
    for name, data in alone.items():
        np.testing.assert_array_equal(images.decode(data).pixels, images.decode(beside[name]).pixels)


def test_auto_loads_each_network_once(tmp_path, otter):
    (tmp_path / "photos").mkdir()
    for number in range(6):
        Image.fromarray(otter[number : 64 + number, :64]).save(tmp_path / f"photos/{number}.jpg", quality=20)
    loader, loaded = Loader(), []
    network = loader.load()
    load = network._load
    network._load = lambda name: loaded.append(name) or load(name)
    events = restore(tmp_path / "photos", tmp_path / "out", network, lanes=4)
    assert [event.restored.task for event in events] == ["jpeg"] * 6 and loaded == ["jpeg"]


def test_lanes_are_as_many_as_threads_unless_the_user_gives_a_number():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert Loader("jpeg", device="cpu").lanes() == 3
        assert Loader("jpeg", device="cpu", threads=3).lanes() == 1
    finally:
        torch.set_num_threads(before)
