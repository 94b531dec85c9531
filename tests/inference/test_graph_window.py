"""The graphs of a window are those of the network, in the windows that ``restore`` uses, the right way up."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from magn_cli import images
from magn_cli.api.loading import load_photo_restorer
from magn_cli.errors import UsageError
from magn_cli.inference.edges import edge_weights
from magn_cli.inference.graph_choice import GraphChoice
from magn_cli.inference.graph_nodes import NodeAxis
from magn_cli.inference.graph_window import graph_window, window_around
from magn_cli.inference.picture import PhotoRestorer
from magn_cli.inference.tiled_network import TiledNetwork
from magn_cli.model import PRESETS, Magn, MagnConfig
from magn_cli.model.graph import PatchGraph
from magn_cli.tasks import get_task

SMALL = {"features": 16, "graph_features": 16, "blocks_before": 1, "blocks_after": 1}
PAPER = dataclasses.replace(PRESETS["magn"], **SMALL, window=32, level_channel=True)
TWICE = dataclasses.replace(PAPER, graphs=("patch", "patch"))
LEAN = dataclasses.replace(PRESETS["magn-s"], **SMALL, graph_blocks=2)


@pytest.fixture(scope="module")
def restorer():
    return load_photo_restorer("denoise", precision="fp32")


def network(config, seed=0):
    torch.manual_seed(seed)
    model = Magn(config).eval()
    for parameter in model.parameters():
        # Those that start at zero would hide what later graphs get.
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def photo_of(tmp_path, pixels, turned=1):
    path = tmp_path / f"{turned}.png"
    exif = Image.Exif()
    exif[0x0112] = turned
    Image.fromarray(pixels).save(path, exif=exif)
    return images.read(path)


@pytest.mark.parametrize("config", [PAPER, LEAN, TWICE], ids=["paper", "lean", "twice"])
def test_weights_times_values_are_what_the_module_returns(config):
    model = network(config).double()
    seen = []
    for block in model.graph.blocks:
        for convolution in (block.first, block.second):
            for graph in convolution.graphs:
                scaled = []
                graph.scale.register_forward_hook(lambda module, given, out, to=scaled: to.append(out))
                graph.register_forward_hook(
                    lambda module, given, out, to=scaled: seen.append((module, *given, out, *to))
                )
    side = config.window // config.multiple
    with torch.inference_mode():
        model.graph(torch.randn(1, config.graph_features, side, side - 2, dtype=torch.float64))
    assert len(seen) == 2 * config.graph_blocks * len(config.graphs)
    for graph, given, out, (query, key) in seen:
        weights = edge_weights(query[0], key[0])
        with torch.inference_mode():
            if isinstance(graph, PatchGraph):
                patches = weights @ graph._patches(graph.value(given))[0]
                made = graph._fold(patches.transpose(1, 2).flatten(0, 1)[None], out.shape[-2:]) / graph._coverage(
                    given
                )
            else:
                made = (weights @ graph._nodes(graph.weight(given))[0]).transpose(1, 2).reshape(out.shape)
        assert torch.allclose(made, out, rtol=0, atol=1e-10)
        assert torch.allclose(weights.sum(-1), torch.ones(()).double())
        dropped = (weights == 0).double().mean()
        assert 0.2 < dropped < 0.8


def test_rows_are_those_of_the_whole_matrix():
    query, key = torch.randn(2, 3, 40, 8)
    whole = edge_weights(query, key)
    assert torch.allclose(edge_weights(query, key, slice(5, 9)), whole[:, 5:9], atol=1e-6)


def test_equal_nodes_share_equally():
    key = torch.full((2, 100, 16), 0.1)
    weights = edge_weights(torch.randn(2, 100, 16), key)
    assert torch.allclose(weights, torch.full((), 0.01), atol=1e-6)


@pytest.mark.parametrize("task", ["denoise", "jpeg"])
@pytest.mark.parametrize("at", [(5, 3), (120, 90), (199, 143)])
def test_the_nodes_are_those_of_restore(task, at, otter, tmp_path):
    restorer = load_photo_restorer(task, precision="fp32")
    photo = photo_of(tmp_path, otter)
    runs = []
    hooks = [
        graph.scale.register_forward_hook(lambda module, given, out: runs.append([t.clone() for t in out]))
        for graph in restorer.tiled.model.graph.blocks[0].first.graphs[:1]
    ]
    restorer.restore(photo, 20)
    for hook in hooks:
        hook.remove()
    window = graph_window(restorer, photo, at, 20)
    graph = window.graph(GraphChoice())
    of_restore = [query for batch, _ in runs for query in batch]
    nearest = min(float((query - graph.query).abs().max()) for query in of_restore)
    assert len(of_restore) > 1 and nearest < 1e-4
    config = restorer.tiled.model.config
    side, size = len(graph.nodes), config.window // config.multiple
    assert side == size**2 and window.pixels.shape[:2] == (config.window,) * 2
    assert 0 <= at[0] - window.left < config.window and 0 <= at[1] - window.top < config.window


@pytest.mark.parametrize("turned", range(2, 9))
def test_a_turned_photo_shows_the_same_graph_turned(turned, restorer, otter, tmp_path):
    stored = otter[:100, :180]
    # Where each pixel of the photo is stored.
    place = images.as_seen(np.stack(np.meshgrid(np.arange(100), np.arange(180), indexing="ij"), -1), turned)
    at = 30, 17
    row, column = (int(v) for v in place[at[1], at[0]])
    upright = graph_window(restorer, photo_of(tmp_path, stored), (column, row), 30)
    photo = photo_of(tmp_path, stored, turned)
    window = graph_window(restorer, photo, at, 30)
    assert window.photo_size == photo.pixels.shape[:2] == place.shape[:2]
    assert (window.pixels == images.as_seen(upright.pixels, turned)).all()
    inside = photo.pixels[max(window.top, 0) : window.top + 80, max(window.left, 0) : window.left + 80]
    top, left = max(-window.top, 0), max(-window.left, 0)
    assert (window.pixels[top : top + len(inside), left : left + inside.shape[1]] == inside).all()
    for level in ("pixel", "patch"):
        graphs = [w.graph(GraphChoice(level)) for w in (upright, window)]
        weights = [
            graph.weights(w.node(graph), 2).reshape(graph.nodes.rows.count, graph.nodes.columns.count)
            for graph, w in zip(graphs, (upright, window), strict=True)
        ]
        if level == "pixel":
            assert np.allclose(images.as_seen(weights[0], turned), weights[1], atol=1e-6)
        x, y = graphs[1].nodes.centre(window.node(graphs[1]))
        reach = graphs[1].nodes.rows.step / 2 + 0.5
        assert abs(x + window.left - at[0]) <= reach and abs(y + window.top - at[1]) <= reach


@pytest.mark.parametrize("size", [(1, 1), (9, 30), (40, 7)])
def test_a_small_photo_is_padded_as_by_restore(size, restorer, otter, tmp_path):
    photo = photo_of(tmp_path, np.ascontiguousarray(otter[: size[0], : size[1]]))
    window = graph_window(restorer, photo, (size[1] - 1, size[0] - 1), "auto")
    assert (window.left, window.top) == (0, 0)
    assert window.pixels.shape[:2] == tuple(-(-side // 8) * 8 for side in size)
    assert (window.pixels[: size[0], : size[1]] == photo.pixels).all()
    for graph in window.graphs:
        assert graph.weights(window.node(graph)).sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_gray_photos_keep_their_kind(dtype, restorer, otter, tmp_path):
    gray = (otter[..., 1].astype(dtype) * (257 if dtype == np.uint16 else 1)).astype(dtype)
    window = graph_window(restorer, photo_of(tmp_path, gray), (100, 70), 25)
    assert window.pixels.dtype == dtype and window.pixels.ndim == 2


def test_a_mosaic_keeps_its_place_when_its_pattern_is_shifted(otter, tmp_path):
    restorer = load_photo_restorer("demosaic", pattern="bggr")
    photo = photo_of(tmp_path, np.ascontiguousarray(otter[..., 1]))
    window = graph_window(restorer, photo, (100, 70), "auto")
    part = photo.pixels[max(window.top, 0) : window.top + 80, max(window.left, 0) : window.left + 80]
    top, left = max(-window.top, 0), max(-window.left, 0)
    assert (window.pixels[top : top + len(part), left : left + part.shape[1]] == part).all()
    corner = graph_window(restorer, photo, (0, 0), "auto")
    assert (corner.left, corner.top) == (0, -1)
    assert (corner.pixels[1:] == photo.pixels[:79, :80]).all()


def test_the_window_is_that_which_counts_most():
    config = MagnConfig(window=64, window_overlap=16)
    spans = [window_around(position, 200, config) for position in range(200)]
    assert {(s.start, s.stop) for s in spans} == {(0, 64), (48, 112), (96, 160), (136, 200)}
    assert [spans[p].start for p in (0, 55, 56, 103, 104, 199)] == [0, 0, 48, 48, 96, 136]
    assert all(s.start <= p < s.stop for p, s in enumerate(spans))


@pytest.mark.parametrize("config", PRESETS.values(), ids=PRESETS)
@pytest.mark.parametrize("level", ["pixel", "patch"])
def test_nodes_share_the_window(config, level):
    length = config.window
    axis = NodeAxis.of(config, level, length)
    parts = [axis.own(i, length) for i in range(axis.count)]
    assert parts[0][0] == 0 and parts[-1][1] == length
    assert all(a[1] == b[0] for a, b in pairwise(parts))
    assert axis.mirrored(length).mirrored(length) == axis
    for position in range(length):
        low, high = parts[axis.nearest(position)]
        assert low <= position + 0.5 <= high
    if level == "patch":
        patches = torch.nn.functional.unfold(
            torch.zeros(1, 1, length // config.multiple, 1).expand(-1, -1, -1, length // config.multiple),
            config.patch_size,
            padding=config.patch_size // 2,
            stride=config.patch_stride,
        )
        assert patches.shape[-1] == axis.count**2


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (GraphChoice(block=2), "--block 2 is out of range: this network has 1 graph block."),
        (GraphChoice(convolution=3), "--convolution 3 is out of range: a graph block has 2 graph convolutions."),
        (GraphChoice(head=0), "--head 0 is out of range: this network has 4 heads."),
    ],
)
def test_a_graph_that_does_not_exist(choice, words):
    with pytest.raises(UsageError) as caught:
        choice.check(PRESETS["magn-s"])
    assert str(caught.value) == words


def test_a_network_without_that_graph():
    with pytest.raises(UsageError, match="no patch graph: choose --graph pixel"):
        GraphChoice("patch").check(MagnConfig(graphs=("pixel",)))
    with pytest.raises(UsageError, match="no graphs"):
        GraphChoice().check(MagnConfig(graph_blocks=0))


def test_all_graphs_of_a_network_are_found(otter, tmp_path):
    config = dataclasses.replace(PAPER, graph_blocks=3, graphs=("patch", "pixel"))
    task = get_task("denoise")
    restorer = PhotoRestorer(task, task.scale, TiledNetwork(network(config)))
    window = graph_window(restorer, photo_of(tmp_path, otter), (60, 60), 25)
    found = [(g.block, g.convolution, g.level) for g in window.graphs]
    assert found == [(b, c, level) for b in (1, 2, 3) for c in (1, 2) for level in ("patch", "pixel")]
    last = window.graph(GraphChoice("pixel", block=3, convolution=2))
    assert (last.block, last.convolution, last.heads, len(last.nodes)) == (3, 2, 4, 32 * 32)
    assert not restorer.tiled.model.graph.blocks[0].first.graphs[0].scale._forward_hooks
