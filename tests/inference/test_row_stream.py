"""Residual blocks over strips of rows give what they give over the whole picture."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from magn_cli.inference.row_stream import RowStream, Strip
from magn_cli.model import PRESETS, Magn
from magn_cli.model.kernels import fused

WIDTH = 9


def network():
    torch.manual_seed(3)
    model = Magn(PRESETS["magn-s"]).eval().to(memory_format=torch.channels_last)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.randn_like(parameter) * 0.02
    return model


MODEL = network()


def features(rows, dtype=torch.float32):
    x = torch.randn(1, 64, rows, WIDTH, generator=torch.Generator().manual_seed(rows)).to(dtype)
    return x.contiguous(memory_format=torch.channels_last)


def streamed(stream, x, lengths, room):
    """Push strips of these lengths, each with ``room`` rows of other values above it, and join the results."""
    out, start = [], 0
    for length in lengths:
        strip = torch.full((1, 64, room + length, WIDTH), 99.0, dtype=x.dtype).to(
            memory_format=torch.channels_last
        )
        strip[:, :, room:] = x[:, :, start : start + length]
        start += length
        done = stream.push(Strip(strip, room, room + length), last=start == x.shape[2])
        if len(done):
            out.append(done.rows)
    return torch.cat(out, dim=2)


@settings(max_examples=60)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(0, 12), st.booleans())
def test_any_strips_give_what_the_whole_gives(lengths, room, tail):
    x = features(sum(lengths))
    with torch.inference_mode():
        whole = MODEL.after(x)
        whole = MODEL.change(whole) if tail else whole
        parts = streamed(RowStream(MODEL.after, MODEL if tail else None), x, lengths, room)
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_gives_the_same_bits(dtype):
    x = features(80, dtype)
    with torch.inference_mode(), torch.autocast("cpu", dtype):
        if not fused.takes(x):
            pytest.skip("no fused convolutions on this processor or build")
        whole, stream = MODEL.before(x), RowStream(MODEL.before)
        parts = streamed(stream, x, [24, 24, 32], stream.room)
    assert torch.equal(parts, whole)


def test_rows_come_as_soon_as_those_below_are_known():
    stream, x = RowStream(MODEL.before), features(40)
    with torch.inference_mode():
        first = stream.push(Strip(x.clone(), 0, 24), last=False)
        assert len(first) == 24 - 2 * len(MODEL.before)
        assert len(stream.push(Strip(x.clone(), 24, 32), last=False)) == 8
        assert len(stream.push(Strip(x.clone(), 32, 40), last=True)) == 8 + 2 * len(MODEL.before)
