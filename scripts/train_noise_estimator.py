"""Train the small network that says how strong the noise of a photo is: ``magn_cli/analysis/noise.safetensors``.

python scripts/train_noise_estimator.py --data PHOTOS --minutes 20 --out noise.safetensors
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from magn_cli import images
from magn_cli.camera import camera_noise, compress_again, draw_camera, draw_sharpness, film_grain
from magn_cli.camera.compression import draw_compression
from magn_cli.images import gray

SIDE = 160
OFFSET = 0.3
"""Added to sigma before its logarithm is taken: whether it is 0.1 or 0.2 matters to nobody."""


FILTERS = (40, 24, 16)
"""How many, at full, half and quarter size."""

QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.85)
FLOOR = 1e-7
"""Added to energies before their logarithm: a tenth of what rounding to 8 bit leaves."""


class Estimator(nn.Module):
    """``(B, 3, H, W)`` to the logarithms of the noise and of the whole error, ``(B, 2)``.

    Learned filters without a mean, at full, half and quarter size; how much of each is in every 8x8 pixels, as a
    logarithm; of these the quantiles over the picture, as noise is what quiet places have; a small network on top.
    """

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.ParameterList(nn.Parameter(torch.randn(count, 3, 5, 5) / 75**0.5) for count in FILTERS)
        width = sum(FILTERS) * len(QUANTILES) + 3
        self.layers = nn.ModuleList([nn.Linear(width, 96), nn.Linear(96, 64), nn.Linear(64, 2)])

    def features(self, x: Tensor) -> Tensor:
        """``(B, filters * quantiles + 3)``."""
        found, mean = [], x.mean((2, 3))
        for scale, filters in enumerate(self.filters):
            if scale:
                x = F.avg_pool2d(x, 2)
            filters = filters - filters.mean((2, 3), keepdim=True)
            filters = filters / filters.flatten(1).norm(dim=1)[:, None, None, None]
            energy = F.avg_pool2d(F.conv2d(x, filters).square(), 8 >> scale)
            logs = (energy + FLOOR).log().flatten(2)
            found.append(logs.quantile(torch.tensor(QUANTILES), dim=2).permute(1, 0, 2).flatten(1))
        return torch.cat([*found, mean], 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        x = torch.cat([(x[:, :-3] + 9) / 3, x[:, -3:]], 1)
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


def pair(photos: list[np.ndarray], rng: np.random.Generator) -> tuple[np.ndarray, tuple[float, float]]:
    """One picture, how strong its noise is, and how far it is from the clean one; both in units of 255.

    The noise is the difference of two files: of the noisy and of the clean picture, compressed alike.
    """
    photo = photos[int(rng.integers(len(photos)))]
    row, column = (int(rng.integers(side - SIDE + 1)) for side in photo.shape[:2])
    clean = images.to_float(photo[row : row + SIDE, column : column + SIDE])
    clean = np.ascontiguousarray(np.rot90(clean, int(rng.integers(4))))
    if rng.random() < 0.15:
        clean = gray.gray(clean)
    if rng.random() < 0.6:
        clean = draw_sharpness(clean, rng)
    kind, files = rng.random(), draw_compression(rng)
    if kind < 0.45:
        sigma = math.exp(rng.uniform(math.log(0.5), math.log(45)))
        camera = dataclasses.replace(draw_camera(rng, sigma), files=())
        noisy = camera_noise(clean, sigma, camera, rng, exact=False)
    elif kind < 0.65:
        sigma = math.exp(rng.uniform(math.log(0.5), math.log(75)))
        noisy = clean + rng.standard_normal(clean.shape, np.float32) * np.float32(sigma / 255)
        if rng.random() < 0.7:
            noisy = rounded(noisy)
        else:
            files = ()
    elif kind < 0.7:
        noisy = film_grain(clean, math.exp(rng.uniform(0, 3.4)), rng.uniform(0.4, 1.5), rng)
    else:
        noisy = rounded(clean)
    seen, without = compress_again(noisy, files), compress_again(rounded(clean), files)
    rgb = np.repeat(seen[..., None], 3, -1) if seen.ndim == 2 else seen
    return rgb.transpose(2, 0, 1).astype(np.float32), (rms(seen - without), rms(seen - clean))


def rms(values: np.ndarray) -> float:
    return 255 * float(np.sqrt(np.square(values, dtype=np.float64).mean()))


def rounded(pixels: np.ndarray) -> np.ndarray:
    return np.rint(pixels.clip(0, 1) * 255).astype(np.float32) / np.float32(255)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    files = sorted(p for p in args.data.iterdir() if p.suffix.lower() in (".jpg", ".png", ".webp"))
    photos = [p for p in (images.read(f).pixels for f in files) if min(p.shape[:2]) >= SIDE and p.ndim == 3]
    held, photos = photos[::32], [p for i, p in enumerate(photos) if i % 32]
    test = [pair(held, np.random.default_rng((1, i))) for i in range(512)]
    test_x, test_y = torch.from_numpy(np.stack([x for x, _ in test])), torch.tensor([y for _, y in test])
    net = Estimator()
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=1e-4)
    rng, begun, step = np.random.default_rng(args.seed), time.monotonic(), 0
    while (share := (time.monotonic() - begun) / 60 / args.minutes) < 1:
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1, (step + 1) / 100) * 0.5 * (1 + math.cos(math.pi * min(share, 1)))
        batch = [pair(photos, rng) for _ in range(16)]
        x, y = torch.from_numpy(np.stack([a for a, _ in batch])), torch.tensor([b for _, b in batch])
        loss = F.smooth_l1_loss(net(x), (y + OFFSET).log(), beta=0.2)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 200 == 0:
            with torch.no_grad():
                ratio = net(test_x) - (test_y + OFFSET).log()
            spread = ratio.abs()
            noisy = test_y[:, 0] > 1.5
            clean = (net(test_x)[~noisy, 0].exp() - OFFSET).mean()
            off = f"noise {spread[noisy, 0].mean():.3f}  error {spread[:, 1].mean():.3f}"
            print(f"step {step}  loss {loss.item():.4f}  clean {clean:.2f}  {off}", flush=True)
            save(net, args, step)


def save(net: nn.Module, args: argparse.Namespace, step: int) -> None:
    record = {
        "data": args.data.name,
        "steps": step,
        "seed": args.seed,
        "minutes": args.minutes,
        "command": f"python scripts/train_noise_estimator.py --minutes {args.minutes:g} --seed {args.seed}",
        "licence": "CC BY-SA 4.0",
    }
    state = {name: value.contiguous() for name, value in net.state_dict().items()}
    save_file(state, args.out, {"training": json.dumps(record)})


if __name__ == "__main__":
    main()
