"""Mean-masked attention: all implementations against eq. 5-8 as printed."""

import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention.flex_attention import flex_attention

from magn_cli.model import attention
from magn_cli.model.attention import (
    cut_off,
    mean_masked_attention,
    mean_masked_attention_reference,
)
from magn_cli.model.kernels import blocked, flex


@settings(max_examples=30)
@given(st.integers(1, 3), st.integers(1, 300), st.integers(1, 20), st.integers(1, 40), st.integers(0, 10**6))
def test_attention_in_blocks_is_the_reference(groups, nodes, width, values, seed):
    torch.manual_seed(seed)
    q, k = (torch.randn(groups, nodes, width, dtype=torch.float64) for _ in range(2))
    v = torch.randn(groups, nodes, values, dtype=torch.float64)
    expected = mean_masked_attention_reference(q, k, v)
    torch.testing.assert_close(mean_masked_attention(q, k, v), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("nodes", [50, 1100])
def test_attention_gradients_are_the_references(nodes):
    torch.manual_seed(0)
    inputs = [torch.randn(2, nodes, 8, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    weights = torch.randn(2, nodes, 8, dtype=torch.float64)
    both = [
        torch.autograd.grad((form(*inputs) * weights).sum(), inputs)
        for form in (mean_masked_attention, mean_masked_attention_reference)
    ]
    for ours, expected in zip(*both, strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("scale", [0.5, 30, 1000])
def test_scores_of_any_size_are_the_references(scale):
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 150, 16, dtype=torch.float64, requires_grad=True) for _ in range(3))

    def both(form):
        out = form(scale * q / q.norm(dim=-1, keepdim=True), k / k.norm(dim=-1, keepdim=True), v)
        return out, *torch.autograd.grad(out.square().sum(), (q, k, v))

    for ours, theirs in zip(both(mean_masked_attention), both(mean_masked_attention_reference), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("nodes", [1, 2, 97, 400])
def test_equal_keys_give_the_mean_of_all_values(dtype, nodes):
    for seed in range(20):
        torch.manual_seed(seed)
        q, v = torch.randn(2, nodes, 16, dtype=dtype) * 30, torch.randn(2, nodes, 5, dtype=dtype)
        k = torch.randn(2, 1, 16, dtype=dtype).expand(2, nodes, 16)
        out = mean_masked_attention(q, k, v)
        expected = v.mean(1, keepdim=True).expand_as(out)
        torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)


def check_against_the_reference(nodes):
    """Compare results and gradients in float64."""
    torch.manual_seed(nodes)
    inputs = [torch.randn(5, nodes, 8, dtype=torch.float64, requires_grad=True) for _ in range(3)]

    def both(form):
        out = form(*inputs)
        return out, *torch.autograd.grad(out.square().sum(), inputs)

    expected = both(mean_masked_attention_reference)
    for ours, theirs in zip(both(mean_masked_attention), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)


@pytest.mark.parametrize("at_once", [1, 3_000, 20_000])
@pytest.mark.parametrize("nodes", [1, 63, 200])
def test_the_size_of_a_block_changes_nothing(nodes, at_once, monkeypatch):
    monkeypatch.setattr(blocked, "SCORES_AT_ONCE", at_once)
    monkeypatch.setattr(blocked, "MIN_ROWS", 7)
    monkeypatch.setattr(blocked, "COLUMNS_AT_ONCE", 50)
    check_against_the_reference(nodes)


@pytest.mark.parametrize("nodes", [1, 63, 200])
def test_small_graphs_on_gpus_are_the_reference(nodes, monkeypatch):
    monkeypatch.setattr(attention, "_bound", lambda *_: math.inf)
    monkeypatch.setattr(blocked, "_is_small", lambda *_: True)
    check_against_the_reference(nodes)


def clear(q, k, by):
    """Rows whose scores are all so far from their mean that rounding cannot change an edge."""
    scores = (q @ k.transpose(1, 2)).double()
    return ((scores - scores.mean(-1, keepdim=True)).abs() > by).all(-1)


def test_float32_is_the_reference_where_no_edge_flips():
    torch.manual_seed(0)
    q, k, v = (torch.randn(4, 500, 16) for _ in range(3))
    sure = clear(q, k, 1e-5)
    assert sure.double().mean() > 0.9
    expected = mean_masked_attention_reference(*(t.double() for t in (q, k, v)))
    torch.testing.assert_close(mean_masked_attention(q, k, v).double()[sure], expected[sure], rtol=0, atol=1e-5)


def test_bfloat16_values_are_near_the_reference_and_keep_their_type():
    torch.manual_seed(0)
    q, k, v = (torch.randn(4, 600, 16) for _ in range(3))
    expected = mean_masked_attention_reference(q, k, v)
    out = mean_masked_attention(q, k, v.bfloat16())
    assert out.dtype == torch.bfloat16
    assert (out.float() - expected).norm() / expected.norm() < 2e-2


def test_nothing_of_the_size_of_the_scores_is_kept_for_the_backward_pass():
    sizes = []
    inputs = [torch.randn(1, 3000, 8, requires_grad=True) for _ in range(3)]
    with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
        mean_masked_attention(*inputs)
    assert sizes and max(sizes) <= 3000 * 8


@pytest.mark.parametrize("dtype, bound", [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_the_form_for_gpus_is_the_reference(dtype, bound):
    """Tests the arithmetic with the uncompiled flex_attention, which is slow but needs no GPU."""
    torch.manual_seed(0)
    q, k, v = (torch.randn(3, 600, 16) for _ in range(3))
    k[2] = k[2, :1]  # equal keys: nothing may be dropped
    expected = mean_masked_attention_reference(q.double(), k.double(), v.double()).float()
    expected[2] = v[2].mean(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        centred = k - k.mean(1, keepdim=True)
        cutoff = cut_off(q.norm(dim=-1, keepdim=True), k.norm(dim=-1).amax(dim=-1))
        out = flex.flex_attention(q, centred, v.to(dtype), cutoff, attend=flex_attention).float()
    sure = clear(q, k, 1e-5)
    sure[2] = True
    assert (out - expected)[sure].norm() / expected[sure].norm() < bound


def test_which_form_is_chosen():
    q = torch.empty(1, 1000, 16)
    assert not flex.takes(q, q)  # on the CPU it has no backward pass
    if torch.cuda.is_available():
        assert flex.takes(q.cuda(), q.cuda()) and not flex.takes(q.cuda(), torch.empty(1, 1000, 784).cuda())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("nodes", [256, 1024])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_on_a_gpu_forward_and_backward_are_the_references(dtype, nodes):
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = False
    inputs = [torch.randn(4, nodes, 16, device="cuda", requires_grad=True) for _ in range(3)]

    def both(form, to):
        out = form(inputs[0], inputs[1], inputs[2].to(to)).float()
        return [out, *torch.autograd.grad(out.square().sum(), inputs)]

    expected = both(mean_masked_attention_reference, torch.float32)
    for ours, theirs in zip(both(mean_masked_attention, dtype), expected, strict=True):
        assert (ours - theirs).norm() / theirs.norm() < (2e-2 if dtype == torch.bfloat16 else 1e-3)
