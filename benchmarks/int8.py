"""Try int8 for the residual blocks: their speed through oneDNN, and PSNR with rounded weights and activations.

    python benchmarks/int8.py --threads 1 --clock cpu --set data/Set12

Post-training quantization: weights per channel, activations per tensor with the largest value seen on these
pictures. Sums stay in bf16, as the result of each block is added to its input. Head, tail and graphs are as they
are. The speed of the whole network follows from the share of the residual blocks, see ``network.py --parts``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import measuring
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from magn_cli.evaluation.metrics import psnr
from magn_cli.images import read
from magn_cli.inference.tiled_network import TiledNetwork
from magn_cli.model.magn import Magn, ResidualBlock
from magn_cli.weights.checkpoint import load_checkpoint
from magn_cli.weights.resolve import resolve

SIDE = 256
SIGMA = 25
ZERO = 128
"""What stands for 0 in unsigned 8 bit, the only input that these convolutions take."""


def main() -> None:
    parser = measuring.options(__doc__)
    parser.add_argument("--set", type=Path, help="folder with pictures to measure PSNR on")
    parser.add_argument("--count", type=int, default=4, help="number of pictures")
    given = parser.parse_args()
    device = measuring.prepare(given)
    runs = blocks(torch.rand(1, 64, SIDE, SIDE).contiguous(memory_format=torch.channels_last))
    with torch.inference_mode():
        seconds = measuring.median_seconds(runs, given.repeat, device, given.clock)
    rows = [
        {"what": name, "ms": value * 1e3, "times bf16": value / seconds["block, bf16"]}
        for name, value in seconds.items()
    ]
    measuring.show(given, device, list(rows[0]), rows)
    if given.set:
        model, about = load_checkpoint(resolve("denoise", "magn-s", None).path)
        assert about.scale is not None
        level = about.scale.to_network(SIGMA)
        for path in sorted(given.set.iterdir())[: given.count]:
            print(path.stem, *(f"{value:.3f}" for value in compared(model, path, level)), flush=True)


def blocks(x: Tensor) -> dict[str, Callable[[], object]]:
    """Return one convolution and one residual block of 64 channels, in bf16 and in int8."""
    plain = ResidualBlock(64).bfloat16()
    plain.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    half, scale = x.bfloat16(), torch.full((64,), 0.001)
    quantized = (x * 127 + 128).round().to(torch.uint8)
    weight = torch.randint(-127, 128, (64, 64, 3, 3), dtype=torch.int8)
    zero, bias = torch.zeros(64, dtype=torch.int32), torch.zeros(64)
    geometry = ([1, 1], [1, 1], [1, 1], 1)
    packed = torch.ops.onednn.qconv_prepack(weight, scale, 1 / 127, ZERO, *geometry, list(x.shape))

    def convolved(values: Tensor, dtype: torch.dtype, activation: str) -> Tensor:
        step, start = (1 / 127, ZERO) if dtype == torch.uint8 else (1.0, 0)
        return torch.ops.onednn.qconv_pointwise(
            values, 1 / 127, ZERO, packed, scale, zero, bias, *geometry, step, start, dtype, activation, [], ""
        )

    def block() -> Tensor:
        stepped = torch.quantize_per_tensor(half.float(), 1 / 127, ZERO, torch.quint8).int_repr()
        inner = convolved(stepped, torch.uint8, "relu")  # PReLU is not among its activations
        return convolved(inner, torch.bfloat16, "none").add_(half)

    return {
        "convolution, bf16": lambda: plain.first(half),
        "convolution, int8": lambda: convolved(quantized, torch.uint8, "none"),
        "block, bf16": lambda: plain(half),
        "block, int8": block,
    }


class Rounded(nn.Module):
    """A convolution whose weights and input are rounded to 8 bit; it computes in float32."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.layer, self.most, self.calibrating = copy.deepcopy(layer), 0.0, True
        weight = self.layer.weight.data
        step = weight.abs().amax((1, 2, 3), keepdim=True) / 127
        self.rounded = (weight / step).round() * step

    def forward(self, x: Tensor) -> Tensor:
        if self.calibrating:
            self.most = max(self.most, float(x.abs().max()))
            return self.layer(x)
        step = self.most / 127
        return F.conv2d((x / step).round().clamp(-127, 127) * step, self.rounded, self.layer.bias, padding=1)


def compared(model: Magn, path: Path, level: float) -> tuple[float, float]:
    """Return the PSNR of a picture in float32 and with rounded residual blocks."""
    clean = read(path).pixels[:SIDE, :SIDE]
    clean = np.repeat(clean[..., None], 3, 2) if clean.ndim == 2 else clean
    reference = clean / np.float32(255)
    noise = np.random.default_rng(0).standard_normal(reference.shape, np.float32)
    noisy = reference + noise * np.float32(SIGMA / 255)
    rounded = copy.deepcopy(model)
    layers = []
    for block in [module for module in rounded.modules() if isinstance(module, ResidualBlock)]:
        for name in ("first", "second"):
            layers.append(Rounded(getattr(block, name)))
            setattr(block, name, layers[-1])
    network = TiledNetwork(rounded, copied=False)
    plain = network.restore(noisy, level)  # this calibrates, too
    for layer in layers:
        layer.calibrating = False
    return psnr(plain.clip(0, 1), reference), psnr(network.restore(noisy, level).clip(0, 1), reference)


if __name__ == "__main__":
    main()
