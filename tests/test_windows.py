"""Windows and tiles: arithmetic, and that the tile size never shows in the result."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from magn_cli.model import PRESETS, Magn, MagnConfig
from magn_cli.restoration.restorer import Restorer
from magn_cli.restoration.windows import blending, tiles, windows

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
@given(lengths, sizes, st.integers(8, 2000), st.integers(0, 80), st.integers(0, 80))
def test_tiles_cover_everything_and_hold_what_they_depend_on(length, size, tile, before, after):
    spans = windows(length, *size)
    cut = tiles(length, tile, spans, (before, after), 8)
    assert [t.core.start for t in cut] == [0, *(t.core.stop for t in cut)][:-1]
    assert cut[-1].core.stop == length
    for t in cut:
        assert len(t.core) <= max(tile, 8) + 7
        for inner, outer in ((t.core, t.decoded), (t.decoded, t.graphs), (t.graphs, t.encoded)):
            assert 0 <= outer.start <= inner.start < inner.stop <= outer.stop <= length
            assert outer.start % 8 == 0
        assert t.decoded.start <= max(t.core.start - after, 0)
        assert t.decoded.stop >= min(t.core.stop + after, length)
        assert t.encoded.start <= max(t.graphs.start - before, 0)
        for i, span in enumerate(spans):
            touches = span.start < t.decoded.stop and span.stop > t.decoded.start
            assert touches == (i in t.windows)


def lively(config: MagnConfig) -> Magn:
    """A network with random weights whose every part matters."""
    torch.manual_seed(3)
    model = Magn(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn_like(parameter) * 0.02
    return model


SMALL_PAPER = MagnConfig(
    features=16, graph_features=16, blocks_before=2, blocks_after=2, graph_blocks=1, window=24, window_overlap=8
)


@pytest.mark.parametrize("config", [PRESETS["magn-s"], SMALL_PAPER], ids=["magn-s", "paper"])
@pytest.mark.parametrize("size", [(1, 1), (7, 13), (163, 149), (80, 81)])
def test_tile_and_batch_of_windows_never_show(config, size):
    x = np.random.default_rng(0).random((*size, 3), np.float32)
    model = lively(config)
    whole = Restorer(model, tile=4096).restore(x, 0.5)
    assert whole.shape == x.shape
    assert np.abs(whole - x).max() > 0.01
    for tile, at_once in ((64, 16), (128, 1), (96, 3)):
        np.testing.assert_allclose(
            Restorer(model, tile=tile, windows_at_once=at_once).restore(x, 0.5), whole, atol=1e-4
        )


@settings(max_examples=8)
@given(st.integers(1, 90), st.integers(1, 90))
def test_any_size_works(height, width):
    x = np.full((height, width, 3), 0.25, np.float32)
    out = Restorer(Magn(PRESETS["magn-s"]), tile=48).restore(x)
    np.testing.assert_allclose(out, x, atol=1e-6)


def test_progress_ends_at_one():
    seen = []
    Restorer(Magn(PRESETS["magn-s"]), tile=64).restore(np.zeros((100, 130, 3), np.float32), progress=seen.append)
    assert seen == sorted(seen) and seen[-1] == 1 and len(seen) > 1


def test_an_overflow_is_computed_again_in_float32(caplog):
    model = lively(PRESETS["magn-s"])
    with torch.no_grad():
        model.head.weight *= 1e6
        model.tail.weight *= 1e-9
    x = np.random.default_rng(0).random((40, 40, 3), np.float32)
    out = Restorer(model, dtype=torch.float16).restore(x)
    assert np.isfinite(out).all()
    assert "again in float32" in caplog.text


def test_large_tiles_need_few_neighbours():
    """For magn-s: 80-pixel windows that share 16, and residual blocks that look 18 pixels far."""
    length = 4096
    cut = tiles(length, 1024, windows(length, 80, 16), (18, 18), 8)
    for tile in cut[1:-1]:
        assert len(tile.core) <= 1024
        assert len(tile.graphs) - len(tile.core) <= 80
        assert len(tile.encoded) - len(tile.core) <= 128
