"""Fused residual blocks give what the plain form gives."""

import dataclasses

import pytest
import torch

from magn_cli.model import PRESETS, Magn
from magn_cli.model.kernels import fused
from magn_cli.model.magn import ResidualBlock

NEW = PRESETS["magn-s"]
OLD = dataclasses.replace(NEW, features=80, graph_stride=2, graph_residuals=0, window=80)
"""As the checkpoints of 0.1.0."""

TOLERANCES = {torch.float32: 1e-5, torch.bfloat16: 2e-2}
"""float32 keeps the plain form; what the operators compute in it is compared all the same."""


def lively(module):
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += torch.randn_like(parameter) * 0.02
    return module.eval()


@pytest.fixture
def works():
    if not fused._works(torch.bfloat16):
        pytest.skip("no fused convolutions on this processor or build")


def both(run, dtype, monkeypatch):
    with torch.inference_mode(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        fast = run()
        monkeypatch.setattr(fused, "takes", lambda x: False)
        return fast, run()


def close(fast, plain, dtype):
    assert fast.dtype == plain.dtype and fast.shape == plain.shape
    return (fast - plain).abs().max() <= TOLERANCES[dtype] * plain.abs().max()


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (33, 17)])
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut out of a larger map"])
def test_a_block_is_the_plain_block(size, dtype, cut, works, monkeypatch):
    block, (height, width) = lively(ResidualBlock(24)), size
    x = torch.randn(2, 24, height + 4, width + 4).to(dtype).contiguous(memory_format=torch.channels_last)
    x = x[:, :, 2 : 2 + height, 2 : 2 + width]
    x, before = (x if cut else x.clone()), x.clone()
    monkeypatch.setattr(fused, "HALF", (dtype,))
    assert fused._works(dtype)
    assert close(*both(lambda: block(x), dtype, monkeypatch), dtype)
    assert torch.equal(x, before)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("config", [NEW, OLD], ids=["new", "old"])
def test_the_network_is_the_plain_network(config, dtype, works, monkeypatch):
    monkeypatch.setattr(fused, "HALF", (dtype,))
    model = lively(Magn(config))
    model.fold()
    model.to(memory_format=torch.channels_last)
    x = torch.rand(1, 3, 5 * config.multiple, 3 * config.multiple)
    assert close(*both(lambda: model(x, torch.tensor([0.5])), dtype, monkeypatch), dtype)


def test_training_and_other_builds_take_the_plain_form(monkeypatch):
    x = torch.zeros(1, 8, 4, 4, dtype=torch.bfloat16)
    assert not fused.takes(x)
    with torch.no_grad():
        assert fused.takes(x) == fused._works(torch.bfloat16)
        assert not fused.takes(x.float())
        assert not fused.takes(x.to("meta"))
        monkeypatch.setattr(fused, "_works", lambda dtype: False)
        assert not fused.takes(x)


def test_an_operator_that_is_gone_is_not_used(monkeypatch):
    fused._works.cache_clear()

    def gone(*_):
        raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute '_convolution_pointwise'")

    monkeypatch.setattr(fused, "add_", gone)
    with torch.no_grad():
        assert not fused.takes(torch.zeros(1, 8, 4, 4, dtype=torch.bfloat16))
    fused._works.cache_clear()
