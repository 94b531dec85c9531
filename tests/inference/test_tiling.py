"""Windows and tiles: positions, and results that do not depend on the tile size."""

import dataclasses
import subprocess
import sys

import numpy as np
import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from magn_cli.inference import memory
from magn_cli.inference.padding import padding_index
from magn_cli.inference.picture import PhotoRestorer
from magn_cli.inference.tiled_network import TiledNetwork
from magn_cli.inference.tiling import Span, blending, tiles, windows
from magn_cli.model import PRESETS, Magn, MagnConfig
from magn_cli.tasks import TASKS, get_task
from magn_cli.weights.resolve import resolve

lengths = st.integers(1, 400).map(lambda n: 8 * n)
sizes = (
    st.tuples(st.integers(2, 20), st.integers(0, 19))
    .filter(lambda t: t[1] < t[0])
    .map(lambda t: (8 * t[0], 8 * t[1]))
)


@given(lengths, sizes)
def test_windows_cover_everything_once_in_weight(length, size):
    spans = windows(length, *size)
    total = np.zeros(length)
    for span, weights in zip(spans, blending(spans, size[1]), strict=True):
        assert span.start % 8 == 0 and len(span) == min(size[0], length)
        assert (weights > 0).all()
        total[span.slice] += weights
    np.testing.assert_allclose(total, 1, atol=1e-6)


@settings(max_examples=60)
@given(lengths, st.integers(0, 50), st.integers(1, 260))
def test_pieces_are_even_and_cover_everything(length, start, size):
    span, size = Span(8 * start, 8 * start + length), 8 * size
    cut = tiles(span, size, 8)
    assert [p.start for p in cut] == [span.start, *(p.stop for p in cut)][:-1] and cut[-1].stop == span.stop
    assert all(p.start % 8 == 0 and 0 < len(p) <= size for p in cut)
    assert len(cut) <= -(-length // size) and len({len(p) for p in cut[:-1]}) <= 1


@given(st.integers(1, 300), st.sampled_from([8, 16, 24]), st.booleans())
def test_padding_reaches_the_multiple_and_keeps_the_grid_and_the_bayer_phase(length, multiple, keeps_bayer):
    index = padding_index(length, multiple, keeps_bayer)
    assert len(index) % multiple == 0 and len(index) < length + multiple
    np.testing.assert_array_equal(index[:length], np.arange(length))
    if keeps_bayer and length > 1:
        assert ((index - np.arange(len(index))) % 2 == 0).all()
    if length > multiple:
        np.testing.assert_array_equal(index[length:], length - 2 - np.arange(len(index) - length))


def lively(config: MagnConfig) -> Magn:
    """A network with random weights, in which all parts affect the result."""
    torch.manual_seed(3)
    model = Magn(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn_like(parameter) * 0.02
    return model


SMALL_PAPER = MagnConfig(
    features=16, graph_features=16, blocks_before=2, blocks_after=2, graph_blocks=1, window=48, window_overlap=8
)


TWO_GRIDS = dataclasses.replace(
    PRESETS["magn-s"], features=24, graph_features=32, graph_residuals=2, blocks_before=1
)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    "config", [PRESETS["magn-s"], SMALL_PAPER, TWO_GRIDS], ids=["magn-s", "paper", "two grids"]
)
@pytest.mark.parametrize("size", [(1, 1), (7, 13), (163, 149), (80, 81)])
def test_tile_and_batch_of_windows_never_show(config, size, task):
    """For all tasks, results differ only in the last bits, because convolutions depend on the shape."""
    clean = np.random.default_rng(0).random((*size, 3), np.float32)
    task = get_task(task)
    level = None if task.scale is None else 30.0
    seen = task.network_input(task.degrade(clean, level, np.random.default_rng(1)))
    model, bayer = lively(config), task.keeps_bayer_phase
    whole = TiledNetwork(model, tile=4096).restore(seen, 0.5, bayer)
    assert whole.shape == seen.shape
    assert np.abs(whole - seen).max() > 0.01
    for tile, at_once in ((64, 16), (128, 1), (96, 3), (1, 16)):
        other = TiledNetwork(model, tile=tile, windows_at_once=at_once).restore(seen, 0.5, bayer)
        np.testing.assert_allclose(other, whole, rtol=0, atol=1e-5 if at_once == 16 else 1e-4)


@pytest.mark.parametrize("config", [SMALL_PAPER, TWO_GRIDS], ids=["paper", "two grids"])
def test_stages_are_the_network(config):
    """A picture no larger than a window is one graph: the stages give what the whole network gives."""
    model = lively(config).eval()
    x = np.random.default_rng(0).random((config.window, config.window, 3), np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(x.transpose(2, 0, 1))[None], torch.tensor([0.5]))
    inner = expected[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(TiledNetwork(model, tile=16).restore(x, 0.5), inner, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pictures_are_taken_as_they_are_stored(dtype):
    top = np.iinfo(dtype).max
    x = np.random.default_rng(0).integers(0, top, (90, 70, 3), dtype, endpoint=True)
    restorer = TiledNetwork(lively(SMALL_PAPER), tile=64)
    np.testing.assert_array_equal(restorer.restore(x), restorer.restore(x.astype(np.float32) / np.float32(top)))


@settings(max_examples=8)
@given(st.integers(1, 90), st.integers(1, 90))
def test_any_size_works(height, width):
    x = np.full((height, width, 3), 0.25, np.float32)
    out = TiledNetwork(Magn(PRESETS["magn-s"]), tile=48).restore(x)
    np.testing.assert_allclose(out, x, atol=1e-6)


def test_progress_ends_at_one():
    seen = []
    TiledNetwork(Magn(PRESETS["magn-s"]), tile=64).restore(
        np.zeros((100, 130, 3), np.float32), progress=seen.append
    )
    assert seen == sorted(seen) and seen[-1] == 1 and len(seen) > 1


def test_an_overflow_is_computed_again_in_float32(caplog):
    model = lively(PRESETS["magn-s"])
    with torch.no_grad():
        model.head.weight *= 1e6
        model.tail.weight *= 1e-9
    x = np.random.default_rng(0).random((40, 40, 3), np.float32)
    out = TiledNetwork(model, dtype=torch.float16).restore(x)
    assert np.isfinite(out).all()
    assert "again in float32" in caplog.text


class Greedy(Magn):
    """Runs out of memory if a tile is larger than a limit."""

    most = 0

    def first_features(self, degraded, level=None):
        if degraded.shape[-1] > self.most:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")
        return super().first_features(degraded, level)


def test_where_memory_runs_out_smaller_pieces_give_the_same(caplog):
    caplog.set_level("INFO", "magn_cli")
    x = np.random.default_rng(0).random((300, 200, 3), np.float32)
    model = Greedy(SMALL_PAPER)
    model.load_state_dict(lively(SMALL_PAPER).state_dict())
    model.most = 10_000
    whole = TiledNetwork(model, tile=1024).restore(x)
    model.most = 160
    np.testing.assert_allclose(TiledNetwork(model, tile=1024).restore(x), whole, atol=1e-5)
    assert "--tile 512" in caplog.text and "--tile 128" in caplog.text and "--tile 64" not in caplog.text
    model.most = 10
    with pytest.raises(MemoryError, match="smallest tiles"):
        TiledNetwork(model, tile=1024).restore(x)


class Late(Greedy):
    """Runs out of memory once, after some rows."""

    calls = 0

    def first_features(self, degraded, level=None):
        self.calls += 1
        if self.calls == 4:
            raise MemoryError
        return Magn.first_features(self, degraded, level)


def test_rows_given_before_memory_ran_out_are_given_again():
    x = np.random.default_rng(0).random((500, 100, 3), np.float32)
    model = Late(SMALL_PAPER)
    model.load_state_dict(lively(SMALL_PAPER).state_dict())
    spans, restorer = [], TiledNetwork(model, tile=128)
    photo = PhotoRestorer(get_task("denoise"), None, restorer)
    given = restorer.strips

    def watched(*words, **more):
        for rows, values in given(*words, **more):
            spans.append(rows)
            yield rows, values

    restorer.strips = watched
    out = photo.restore_values(x, None)
    again = [i for i, span in enumerate(spans) if span.start == 0]
    assert again[0] == 0 and again[1] > 1, "it was to begin again after it had given rows"
    np.testing.assert_allclose(out, TiledNetwork(lively(SMALL_PAPER)).restore(x), atol=1e-5)


def test_another_error_is_not_taken_for_a_lack_of_memory():
    with pytest.raises(RuntimeError, match="shape"):
        TiledNetwork(Broken(SMALL_PAPER), tile=128).restore(np.zeros((40, 40, 3), np.float32))


class Broken(Magn):
    """Fails for another reason than memory."""

    def first_features(self, degraded, level=None):
        raise RuntimeError("shape mismatch")


def test_auto_takes_the_tile_that_half_of_the_free_memory_holds(monkeypatch):
    config, cpu, size = PRESETS["magn"], torch.device("cpu"), (4000, 6000)
    chosen = []
    for gigabytes in (64, 8, 4, 2, 1.5, 1.4, 1, 0.1):
        monkeypatch.setattr(memory, "free_memory", lambda device, g=gigabytes: int(g * 1e9))
        tile = memory.tile_for(config, size, cpu, torch.float32)
        chosen.append(memory.needed(config, size, tile, torch.float32))
        assert chosen[-1] <= gigabytes * 1e9 / 2 or tile == memory.Tile(64, 64)
    assert chosen == sorted(chosen, reverse=True) and len(set(chosen)) >= 3
    # With 0.1 GB still.
    bundled = resolve("denoise", "magn-s", None).about.config
    small = memory.tile_for(bundled, (400, 600), cpu, torch.float32)
    assert min(small.rows, small.columns) >= 64


def test_free_memory_is_read_from_the_system():
    assert 1e8 < memory.free_memory(torch.device("cpu")) < 1e14


def test_free_memory_is_what_the_container_leaves(monkeypatch):
    system = psutil.virtual_memory()._replace(available=8 << 30)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: system)
    files = {"/sys/fs/cgroup/memory.max": ["max"], "/sys/fs/cgroup/memory.current": ["1000"]}
    monkeypatch.setattr(memory, "_lines", lambda path: files.get(path, []))
    assert memory.free_memory(torch.device("cpu")) == 8 << 30
    files["/sys/fs/cgroup/memory.max"] = ["3000"]
    assert memory.free_memory(torch.device("cpu")) == 2000


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no ulimit")
def test_free_memory_is_what_ulimit_leaves():
    script = """
import psutil, resource, torch
from magn_cli.inference import memory
held = psutil.Process().memory_info().vms
resource.setrlimit(resource.RLIMIT_AS, (held + 10**8, held + 10**8))
print(memory.free_memory(torch.device("cpu")))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout) <= 10**8
