"""Training data: looked through before the first step, free of test pictures, the same for all processes."""

import io
import itertools
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from magn_cli import images
from magn_cli.errors import TrainingError
from magn_cli.tasks import get_task
from magn_cli.training import leakage, photos
from magn_cli.training.patches import Order, Pairs
from magn_cli.training.patterns import draw_pattern
from tests.support.paths import EXAMPLES


def saved(path, pixels, **how):
    Image.fromarray(pixels).save(path, **how)
    return path


@pytest.fixture
def folder(tmp_path, otter):
    folder = tmp_path / "data"
    folder.mkdir()
    saved(folder / "a.png", otter[:96, :120])
    saved(folder / "b.png", otter[:, :, 0])
    (folder / "text.jpg").write_text("no picture")
    saved(folder / "tiny.png", otter[:20, :300])
    (folder / "notes.txt").write_text("x")
    (folder / "deep").mkdir()
    images.write(folder / "deep" / "c.png", otter.astype(np.uint16) * 257)
    return folder


def test_everything_is_looked_at_once_and_what_is_left_out_is_named(tmp_path, folder, otter, monkeypatch):
    seen = []
    packed = photos.pack([folder], tmp_path / "cache", 64, leakage.NONE, lambda done, total: seen.append(done))
    assert packed.photos.names == ["a.png", "b.png", "c.png"]
    assert np.array_equal(packed.photos[0], otter[:96, :120])
    assert np.array_equal(packed.photos[1][..., 2], otter[:, :, 0])
    assert np.array_equal(packed.photos[2], otter)
    assert len(packed.left_out) == 2 and seen[-1] == 5
    assert "text.jpg" in packed.left_out[0] and "tiny.png is smaller than 64" in packed.left_out[1]

    monkeypatch.setattr(images, "read", lambda *_: pytest.fail("decoded again"))
    again = photos.pack([folder], tmp_path / "cache", 64, leakage.NONE)
    assert again.left_out == packed.left_out and np.array_equal(again.photos[2], otter)
    monkeypatch.undo()

    saved(folder / "a.png", otter[:99, :120])
    changed = photos.pack([folder], tmp_path / "cache", 64, leakage.NONE)
    assert changed.fingerprint != packed.fingerprint and changed.photos[0].shape == (99, 120, 3)


@pytest.mark.parametrize("damage", ["index", "photos", "cut"])
def test_a_damaged_cache_is_made_again(tmp_path, folder, otter, damage):
    cache = tmp_path / "cache"
    photos.pack([folder], cache, 64, leakage.NONE)
    [index], [packed] = cache.glob("*.json"), cache.glob("*.bin")
    if damage == "index":
        index.write_text(json.dumps({"names": 3}))
    elif damage == "photos":
        packed.unlink()
    else:
        packed.write_bytes(packed.read_bytes()[:-1])
    assert np.array_equal(photos.pack([folder], cache, 64, leakage.NONE).photos[2], otter)


def test_nothing_of_the_cache_is_left_where_packing_fails(tmp_path, folder):
    def stop(done, total):
        if done == 3:
            raise OSError(28, "No space left on device")

    with pytest.raises(TrainingError, match=r"No space left on device.*free some space"):
        photos.pack([folder], tmp_path / "cache", 64, leakage.NONE, stop)
    assert list((tmp_path / "cache").iterdir()) == []


def test_data_that_holds_nothing_usable(tmp_path):
    with pytest.raises(TrainingError, match="folder not found"):
        photos.pack([tmp_path / "none"], tmp_path, 64, leakage.NONE)
    with pytest.raises(TrainingError, match="no pictures in"):
        photos.pack([tmp_path], tmp_path / "cache", 64, leakage.NONE)
    saved(tmp_path / "tiny.png", np.zeros((5, 5, 3), np.uint8))
    with pytest.raises(TrainingError, match=r"can be used.*tiny\.png is smaller"):
        photos.pack([tmp_path], tmp_path / "cache", 64, leakage.NONE)


def test_a_run_inside_the_data_is_not_trained_on(tmp_path, folder, otter):
    (folder / "run").mkdir()
    saved(folder / "run" / "curves.png", otter)
    packed = photos.pack([folder], tmp_path / "cache", 64, leakage.NONE, out=folder / "run")
    assert packed.photos.names == ["a.png", "b.png", "c.png"]


def test_the_same_photos_in_another_folder_are_the_same(tmp_path, folder):
    here = photos.pack([folder], tmp_path / "cache", 64, leakage.NONE)
    folder.rename(tmp_path / "moved")
    there = photos.pack([tmp_path / "moved"], tmp_path / "cache", 64, leakage.NONE)
    assert here.fingerprint == there.fingerprint


def test_a_long_panorama_takes_no_more_memory():
    wide = np.random.default_rng(0).integers(0, 255, (64, 6_000)).astype(np.uint8)
    assert leakage.builtin().find(wide) is None


def test_few_photos_validate_on_themselves_many_are_split(tmp_path):
    def some(count):
        return photos.Photos(tmp_path / "none", [str(i) for i in range(count)], [(8, 8)] * count)

    train, held = photos.split(some(3))
    assert len(train) == len(held) == 3
    train, held = photos.split(some(70))
    assert len(held) == 3 and len(train) == 67 and not set(train.indices) & set(held.indices)


SETS = ["Set12", "BSD68", "Classic5", "McMaster18", "Kodak24"]


@pytest.mark.parametrize("name", SETS)
def test_test_pictures_are_found_in_many_guises(name, data):
    known = leakage.builtin()
    rng, inside = np.random.default_rng(1), []
    for path in sorted((data / name).iterdir())[:6]:
        pixels = images.read(path).pixels
        assert known.find(pixels) is not None, path
        assert known.find(np.ascontiguousarray(pixels[:, ::-1])) is not None, path
        half = pixels.shape[1] // 2, pixels.shape[0] // 2
        small = Image.fromarray(pixels).resize(half, Image.Resampling.LANCZOS)
        compressed = io.BytesIO()
        small.save(compressed, "JPEG", quality=40)
        assert known.find(np.asarray(Image.open(compressed))) is not None, path
        sixteen = pixels.astype(np.uint16) * 257
        assert known.find(sixteen) is not None, path
        framed = rng.integers(0, 255, (pixels.shape[0] * 5 // 4, pixels.shape[1] * 5 // 4, *pixels.shape[2:]))
        framed = framed.astype(np.uint8)
        framed[20 : 20 + pixels.shape[0], 30 : 30 + pixels.shape[1]] = pixels
        inside.append(known.find(framed) is not None)
    assert np.mean(inside) > 0.6


def test_other_photos_are_no_test_pictures():
    known = leakage.builtin()
    for path in EXAMPLES.glob("*.*g"):
        assert known.find(images.read(path).pixels) is None, path
    assert known.find(np.full((90, 120, 3), 128, np.uint8)) is None
    slope = np.broadcast_to(np.arange(200, dtype=np.uint8)[:, None], (200, 300))
    assert known.find(slope) is None


def test_own_test_pictures_are_left_out_as_well(tmp_path, folder, otter):
    avoid = leakage.of_pictures([("mine/otter", otter)])
    packed = photos.pack([folder], tmp_path / "cache", 64, avoid)
    assert packed.photos.names == ["a.png"]  # a small corner of it is another picture
    assert any("c.png shows mine/otter, which must not be trained on" in line for line in packed.left_out)


@pytest.mark.parametrize("task", ["jpeg", "denoise", "demosaic"])
def test_pairs_belong_together(task, otter):
    pairs = Pairs([otter], get_task(task), 48, get_task(task).pairs(gray=0.25, unknown=0.2), seed=5)
    told = []
    for degraded, clean, level, *_ in (pairs[i] for i in range(30)):
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
    pairs = Pairs([otter], get_task("denoise"), 48, get_task("denoise").pairs(gray=1.0), seed=5)
    for degraded, clean, *_ in (pairs[i] for i in range(3)):
        assert torch.equal(degraded[0], degraded[1]) and torch.equal(clean[0], clean[2])


def test_some_clean_crops_are_patterns(otter):
    task = get_task("jpeg")

    def clean(share):
        pairs = Pairs([otter], task, 48, task.pairs(gray=0, patterns=share), seed=5)
        return [target for _, target, *_ in itertools.islice(pairs, 60)]

    photographs = clean(0)

    def replaced(share):
        return sum(not torch.equal(*both) for both in zip(clean(share), photographs, strict=True))

    # A rectangle of a pattern can miss the crop.
    assert replaced(0) == 0 and 4 <= replaced(0.2) <= 20 and replaced(1) > 45
    assert all(crop.min() >= 0 and crop.max() <= 1 for crop in clean(1))


@pytest.mark.parametrize("side", [1, 7, 64])
def test_patterns_fit_any_size(otter, side):
    photo = images.to_float(otter)[:side, : 2 * side]
    for seed in range(20):
        pattern = draw_pattern(photo, np.random.default_rng(seed))
        assert pattern.shape == photo.shape and pattern.dtype == np.float32
        assert pattern.min() >= 0 and pattern.max() <= 1


def test_levels_stay_in_the_range_asked_for(otter):
    options = get_task("denoise").pairs(unknown=0, camera=0.0, partial=0.0, excess=0.0, levels=(20, 30))
    pairs = Pairs([otter], get_task("denoise"), 48, options, seed=5)
    told = [pairs[i][2] * 75 for i in range(40)]
    assert 20 <= min(told) < 22 and 28 < max(told) <= 30


def test_pairs_that_are_told_less_keep_a_part_of_the_noise(otter):
    options = get_task("denoise").pairs(unknown=0, camera=0.0, partial=1.0, excess=0.0, levels=(20, 30), gray=0)
    for degraded, target, told, *_ in itertools.islice(
        Pairs([otter], get_task("denoise"), 96, options, seed=5), 20
    ):
        removed, told = float((degraded - target).square().mean().sqrt()) * 255, float(told) * 75
        # 20 to 30 of noise, of which the root of the share that is told goes.
        assert told < 0.65 * 30
        assert math.sqrt(told * 19) < removed < math.sqrt(told * 31)


def test_pairs_that_are_told_more_have_a_noisier_twin(otter):
    options = get_task("denoise").pairs(unknown=0, camera=0.0, partial=0.0, excess=1.0, levels=(0, 40), gray=0)
    for crops in itertools.islice(Pairs([otter], get_task("denoise"), 96, options, seed=5), 20):
        noise, twins = (255 * float((x - crops.clean).std()) for x in (crops.degraded, crops.noisier))
        told, twins_told = float(crops.level) * 75, float(crops.noisier_level) * 75
        assert told > 1.15 * noise and twins == pytest.approx(twins_told, rel=0.05)
        assert twins_told == pytest.approx(min(1.5 * told - 0.5 * noise, 75), rel=0.05)


def test_noise_of_a_camera_is_not_told_more_unless_asked(otter):
    options = get_task("denoise").pairs(unknown=0, camera=1.0, partial=0.0, excess=1.0)
    for crops in itertools.islice(Pairs([otter], get_task("denoise"), 48, options, seed=5), 5):
        assert torch.equal(crops.degraded, crops.noisier)


def test_the_twin_of_a_pair_with_a_camera_has_more_of_its_noise_and_no_other_brightness(otter):
    options = get_task("denoise").pairs(unknown=0, camera=1.0, partial=0.0, camera_excess=1.0, gray=0)
    for crops in itertools.islice(Pairs([otter], get_task("denoise"), 96, options, seed=5), 20):
        noise, twins = (x - crops.clean for x in (crops.degraded, crops.noisier))
        told, twins_told = float(crops.level) * 75, float(crops.noisier_level) * 75
        # The crop is the middle of what the noise was measured in.
        assert 255 * float(twins.square().mean().sqrt()) == pytest.approx(twins_told, rel=0.3)
        assert 255 * abs(float(twins.mean() - noise.mean())) < max(1, 0.1 * twins_told)
        assert told < 1.1 * twins_told and twins_told < 1.6 * told
        alike = torch.nn.functional.cosine_similarity(noise.flatten(), twins.flatten(), dim=0)
        assert abs(float(alike)) < 0.8


def test_a_task_knows_whether_its_pairs_may_be_told_more():
    task = get_task("denoise")
    assert not task.tells_more(task.pairs(excess=0.0))
    assert task.tells_more(task.pairs(excess=0.1)) and task.tells_more(task.pairs(excess=0.0, camera_excess=0.1))
    assert not get_task("jpeg").tells_more(get_task("jpeg").pairs())


def test_double_compression_is_worse_than_the_second_alone(otter):
    def error(twice):
        options = get_task("jpeg").pairs(twice=twice, levels=(80, 80), subsampling=("4:4:4",), gray=0)
        pairs = Pairs([otter], get_task("jpeg"), 64, options, seed=2)
        return np.mean([float((pairs[i][0] - pairs[i][1]).square().mean()) for i in range(24)])

    assert error(1.0) > 1.5 * error(0.0)


def test_double_compression_on_a_moved_grid_shows_that_grid():
    flat = np.linspace(0.2, 0.8, 64, dtype=np.float32)[None, :, None].repeat(64, 0).repeat(3, 2)
    jpeg = get_task("jpeg")
    out = jpeg.degrade(flat, 95, np.random.default_rng(0), before=(5, 0, 3), subsampling="4:4:4")
    jumps = np.abs(np.diff(out.mean((0, 2))))
    assert out.shape == flat.shape
    assert jumps[4::8].mean() > 3 * np.delete(jumps, slice(4, None, 8)).mean()


def test_any_number_of_processes_and_parts_takes_the_same_pairs():
    def taken(world, parts):
        steps = []
        orders = [iter(Order(3, 8, parts, rank, world)) for rank in range(world)]
        for _ in range(2):
            steps.append(sorted(i for order in orders for batch in itertools.islice(order, parts) for i in batch))
        return steps

    assert taken(1, 1) == [list(range(24, 32)), list(range(32, 40))]
    assert taken(2, 1) == taken(1, 4) == taken(4, 2) == taken(1, 1)
