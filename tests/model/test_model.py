"""The network against the paper: its size, its graph convolution, its flat areas."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from magn_cli.model import PRESETS, Magn, MagnConfig
from magn_cli.model.graph import GraphBlock, GraphConvolution, PatchGraph
from magn_cli.model.kernels.shared_prelu import SharedPReLU


def count(config: MagnConfig) -> int:
    return sum(p.numel() for p in Magn(config).parameters())


def test_parameters_are_the_papers():
    assert count(PRESETS["magn"]) == 5_224_816
    assert count(dataclasses.replace(PRESETS["magn"], channels=1)) == 5_222_510
    assert count(dataclasses.replace(PRESETS["magn"], level_channel=True)) == 5_224_816 + 576
    assert abs(count(PRESETS["magn"]) / 5.22e6 - 1) < 0.005  # Tables II-IV print 5.22 M


def test_small_preset_fits_its_budget():
    assert count(PRESETS["magn-s"]) <= 1_450_000


@pytest.mark.parametrize("graphs", [("pixel",), ("patch",), ("patch", "patch"), ("pixel", "patch")])
@pytest.mark.parametrize("patch_size", [5, 7, 9, 11])
def test_ablations_of_tables_v_and_vi_run(graphs, patch_size):
    config = MagnConfig(blocks_before=1, blocks_after=1, graph_blocks=1, graphs=graphs, patch_size=patch_size)
    x = torch.rand(1, 3, 17, 20)
    assert Magn(config).eval()(x).shape == x.shape


def plain_attention(q, k, v):
    """Eq. 5-8, row by row, with loops in place of matrices."""
    rows = []
    for query in q:
        scores = torch.stack([(query * key).sum() for key in k])
        mask = (scores < scores.mean()).to(scores.dtype)
        rows.append((torch.softmax(scores - 1e6 * mask, 0)[:, None] * v).sum(0))
    return torch.stack(rows)


def plain_graph_convolution(layer: GraphConvolution, x: torch.Tensor, config: MagnConfig) -> torch.Tensor:
    """Eq. 5-12 and fig. 6 for one picture ``(F, H, W)``, written out: no unfold, fold or batched heads."""
    width, height, breadth = x.shape
    per_head = width // config.heads
    pixel, patch = layer.graphs

    def project(block, picture):
        return block(picture[None])[0]

    out = torch.zeros_like(x)
    q, k, v = project(pixel.query, x), project(pixel.key, x), project(pixel.weight, x)
    for head in range(config.heads):
        part = slice(head * per_head, (head + 1) * per_head)
        nodes = [m[part].reshape(per_head, -1).T for m in (q, k, v)]
        aggregated = plain_attention(nodes[0] / per_head**0.5, nodes[1], nodes[2])
        out[part] += aggregated.T.reshape(per_head, height, breadth)

    size, stride, pad = config.patch_size, config.patch_stride, config.patch_size // 2
    maps = [F.pad(project(m, x), (pad,) * 4) for m in (patch.query, patch.key, patch.value)]
    corners = [
        (r, c)
        for r in range(0, height + 2 * pad - size + 1, stride)
        for c in range(0, breadth + 2 * pad - size + 1, stride)
    ]
    folded = torch.zeros(width, height + 2 * pad, breadth + 2 * pad, dtype=x.dtype)
    cover = torch.zeros(height + 2 * pad, breadth + 2 * pad, dtype=x.dtype)
    for r, c in corners:
        cover[r : r + size, c : c + size] += 1
    for head in range(config.heads):
        part = slice(head * per_head, (head + 1) * per_head)
        p = [torch.stack([m[part, r : r + size, c : c + size].reshape(-1) for r, c in corners]) for m in maps]
        q, k = patch.reduce_query[head](p[0]), patch.reduce_key[head](p[1])
        p4 = plain_attention(q / q.shape[1] ** 0.5, k, p[2])
        for (r, c), values in zip(corners, p4, strict=True):
            folded[part, r : r + size, c : c + size] += values.reshape(per_head, size, size)
    folded = folded / cover.clamp(min=1)
    out += folded[:, pad : pad + height, pad : pad + breadth]

    joined = layer.join(out[None])[0]
    mean, var = layer.norm.running_mean, layer.norm.running_var
    normal = (joined - mean[:, None, None]) / (var[:, None, None] + layer.norm.eps).sqrt()
    return normal * layer.norm.weight[:, None, None] + layer.norm.bias[:, None, None]


@pytest.mark.parametrize("patch_size", [5, 7])
@pytest.mark.parametrize("size", [(12, 9), (1, 1), (8, 14)])
def test_graph_convolution_is_the_papers(size, patch_size):
    torch.manual_seed(0)
    config = MagnConfig(graph_features=16, features=16, patch_size=patch_size, patch_features=9)
    layer = GraphConvolution(config).double().eval()
    layer.norm.running_mean.normal_()
    layer.norm.running_var.uniform_(0.5, 2)
    torch.nn.init.normal_(layer.norm.weight)
    x = torch.randn(2, 16, *size, dtype=torch.float64)
    with torch.no_grad():
        expected = torch.stack([plain_graph_convolution(layer, picture, config) for picture in x])
        torch.testing.assert_close(layer(x), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("preset", ["magn", "magn-s"])
@pytest.mark.parametrize("value", [0.0, 0.37, 1.0])
def test_a_constant_picture_loses_no_edge_to_rounding(preset, value):
    """In a flat area, all edges are equal, and the graph returns the constant value."""
    torch.manual_seed(0)
    config = dataclasses.replace(PRESETS[preset], blocks_before=1, blocks_after=1, graph_blocks=1)
    model = Magn(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn_like(parameter) * 0.02
        features = torch.full((1, config.graph_features, 40, 40), value)
        pixel, patch = model.graph.blocks[0].first.graphs
        out = pixel(features)
        torch.testing.assert_close(out, out[..., :1, :1].expand_as(out), rtol=1e-4, atol=1e-5)
        assert patch(features).isfinite().all()  # not constant: patches at the border hold padding
        assert model(torch.full((1, 3, 48, 48), value)).isfinite().all()


def test_a_new_network_returns_its_input_and_learns_from_there():
    torch.manual_seed(0)
    model, x = Magn(PRESETS["magn-s"]), torch.rand(2, 3, 48, 48)
    torch.testing.assert_close(model(x), x)
    (model(x) - x.roll(1, 2)).square().mean().backward()
    assert model.tail.weight.grad is not None and model.tail.weight.grad.abs().sum() > 0


def test_graph_block_starts_as_the_identity():
    x = torch.randn(1, 64, 12, 12)
    torch.testing.assert_close(GraphBlock(MagnConfig())(x), x)


def test_folding_what_was_unfolded_gives_it_back():
    graph = PatchGraph(MagnConfig())
    x = torch.rand(2, 64, 13, 10)
    folded = graph._fold(graph._patches(x).transpose(2, 3).flatten(1, 2), x.shape[-2:]) / graph._coverage(x)
    torch.testing.assert_close(folded, x)


def test_config_travels_as_plain_values():
    for config in PRESETS.values():
        assert MagnConfig.from_dict(config.to_dict()) == config
    with pytest.raises(ValueError, match="unknown network setting"):
        MagnConfig.from_dict({"depth": 3})
    with pytest.raises(ValueError, match="must be a whole number"):
        MagnConfig.from_dict({"features": "64"})
    with pytest.raises(ValueError, match="multiple of heads"):
        MagnConfig(heads=5)


def test_folding_batch_norms_changes_nothing():
    torch.manual_seed(0)
    config = MagnConfig(blocks_before=1, blocks_after=1, graph_blocks=2, features=16, graph_features=16)
    model = Magn(config).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn_like(parameter) * 0.1
        for block in model.graph.blocks:
            for norm in (block.first.norm, block.second.norm):
                norm.running_mean.normal_()
                norm.running_var.uniform_(0.5, 2)
        x = torch.rand(1, 3, 20, 24, dtype=torch.float64)
        expected = model(x)
        model.fold()
        assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules())
        torch.testing.assert_close(model(x), expected, rtol=0, atol=1e-10)
        model.fold()
        torch.testing.assert_close(model(x), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_slope_is_a_prelu_of_one_parameter(dtype):
    torch.manual_seed(0)
    ours, theirs = SharedPReLU(), torch.nn.PReLU()
    x = torch.randn(2, 5, 7, 3).to(dtype)
    found = []
    for layer in (ours, theirs):
        given = x.clone().requires_grad_()
        out = layer(given) if layer is ours else layer.to(dtype)(given)
        out.square().sum().backward()
        found.append((out, given.grad, layer.weight.grad.float()))
    bound = 1e-6 if dtype == torch.float32 else 2e-2
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=bound, atol=bound)
    with torch.inference_mode():
        assert torch.equal(ours(x.clone()), found[0][0])
