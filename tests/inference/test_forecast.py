"""Forecasts need no torch, grow with the picture, and agree with the network's own figures."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from magn_cli.inference import forecast as forecasts
from magn_cli.inference import memory
from magn_cli.inference.forecast import forecast, products_a_pixel
from magn_cli.model import PRESETS, Magn, MagnConfig
from magn_cli.runtime.precision import has_bf16

SMALL = PRESETS["magn-s"]
SIMPLE = MagnConfig(blocks_before=2, blocks_after=1, graph_blocks=1, window_overlap=0)


@pytest.fixture
def speed(monkeypatch):
    monkeypatch.setattr(forecasts, "products_a_second", lambda: 1e11)


def test_the_speed_of_this_machine_is_plausible():
    forecasts.products_a_second.cache_clear()
    assert 1e8 < forecasts.products_a_second() < 1e15


def test_time_grows_with_the_pixels(speed):
    small, large = (forecast(SMALL, (side, side), 3 * side**2, False).seconds for side in (500, 1000))
    assert large == pytest.approx(4 * small)


def test_time_of_a_larger_network_is_longer(speed):
    assert (
        forecast(PRESETS["magn"], (500, 500), 1, False).seconds
        > 20 * forecast(SMALL, (500, 500), 1, False).seconds
    )


def test_macos_has_no_forecast_of_time(monkeypatch):
    monkeypatch.setattr(forecasts.sys, "platform", "darwin")
    forecasts.products_a_second.cache_clear()
    assert forecast(SMALL, (500, 500), 1, False).seconds is None
    forecasts.products_a_second.cache_clear()


def test_memory_is_that_of_the_tile_that_is_chosen(speed):
    size, samples = (3000, 4000), 36_000_000
    tile = memory.tile_for(SMALL, size, torch.device("cpu"), torch.float32)
    own = memory.needed(SMALL, size, tile, torch.float32)
    assert forecast(SMALL, size, samples, False).memory == forecasts.PROGRAM + own + forecasts.COPIES * samples


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has scratch files")
def test_a_result_in_a_temporary_file_takes_no_memory(speed):
    samples = 6 * 200_000_000
    held, streamed = (
        forecast(SMALL, (10_000, 20_000), samples, True, streams).memory for streams in (False, True)
    )
    assert streamed + samples <= held < 2.8e9


@pytest.mark.parametrize("config", [replace(SMALL, window_overlap=0), SIMPLE])
def test_products_are_those_of_the_layers(config):
    """Counted in a forward pass over one window."""
    counted = 0

    def count(module, inputs, output):
        nonlocal counted
        if isinstance(module, torch.nn.Conv2d):
            counted += module.weight[0].numel() * output[0].numel()
        elif isinstance(module, torch.nn.Linear):
            counted += module.weight.numel() * output.numel() // output.shape[-1]

    network = Magn(config).eval()
    for module in network.modules():
        module.register_forward_hook(count)
    side = config.window
    with torch.no_grad():
        network(torch.zeros(1, config.channels, side, side), torch.zeros(1) if config.level_channel else None)
    convolutions, _ = products_a_pixel(config)
    assert convolutions == pytest.approx(counted / side**2, rel=0.02)


def test_bf16_is_used_where_torch_uses_it():
    assert bool(forecasts.faster_in_bf16()) == has_bf16(torch.device("cpu"))
    assert np.dtype(np.float16).itemsize == torch.bfloat16.itemsize
