"""Train the estimator of noise, ``magn_cli/analysis/noise.safetensors``.

It draws crops of photos, clean or with simulated noise and compression, measures their statistics
(``magn_cli.analysis.noise_features``), and fits a small network that maps them to the noise. One photo in twelve
is kept apart, and the last figures printed are measured on crops of those.

    python scripts/train_noise_estimator.py --data PHOTOS --samples 25000 --out magn_cli/analysis/noise.safetensors
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor, nn

from magn_cli.analysis.learned_noise import MOST, SOFT
from magn_cli.analysis.noise_features import COUNT, noise_features
from magn_cli.camera import brightness_shift, camera_noise, compress_again, draw_camera, draw_sharpness
from magn_cli.camera.compression import Compression

Float = NDArray[np.float32]

GRAY = np.array([0.299, 0.587, 0.114], np.float32)
KEPT_APART = 12, 5
"""Of every twelve photos, the sixth is for validation."""

VALIDATION = 10
"""Training samples for each of validation."""

MIN_NOISE = 0.5
"""Sigma below which noise never dominates."""

WIDTHS = 256, 64
DROPOUT = 0.15
JITTER = 0.05
"""Noise added to the normalized statistics in training."""


@dataclass
class Sample:
    """Statistics of one crop, and the root mean square of its noise and of its whole error, in units of 255."""

    features: Float
    noise: float
    error: float


class Samples:
    """Draws crops and degrades them."""

    def __init__(self, photos: list[Path], seed: int) -> None:
        self.photos, self.rng = photos, np.random.default_rng(seed)
        self._read: dict[Path, NDArray[np.uint8]] = {}

    def draw(self) -> Sample:
        """Return a clean crop (35 %), one with a camera's noise (50 %) or one with white noise (15 %)."""
        rng, clean, kind, quality = self.rng, self._crop(), 0.0, None
        kind = rng.random()
        if rng.random() < 0.7:
            clean = draw_sharpness(clean, rng)
        if rng.random() < 0.5:
            clean = _rounded(clean)
        if kind < 0.35:
            files = self._files() if rng.random() < 0.6 else ()
            degraded = without_noise = compress_again(clean, files)
        elif kind < 0.85:
            sigma = math.exp(rng.uniform(math.log(0.7), math.log(35)))
            camera = draw_camera(rng, sigma)
            files = camera.files
            degraded = camera_noise(clean, sigma, camera, rng, exact=False)
            without_noise = compress_again(_rounded(clean), files)
        else:
            sigma = math.exp(rng.uniform(math.log(0.7), math.log(75)))
            files = self._files() if rng.random() < 0.35 else ()
            degraded = clean + (rng.standard_normal(clean.shape) * sigma / 255).astype(np.float32)
            if files or rng.random() < 0.6:
                degraded = compress_again(_rounded(degraded), files)
            without_noise = compress_again(_rounded(clean), files) if files else clean
        if files and files[-1].corner == (0, 0) and rng.random() < 0.6:
            quality = files[-1].quality
        noise, error = (_rms(d - brightness_shift(d, clean)) for d in (degraded - without_noise, degraded - clean))
        if kind < 0.35:
            noise = 0.0
        return Sample(noise_features(degraded, quality), noise, error)

    def _crop(self) -> Float:
        """Return 176 to 288 pixels a side, most often of a reduced photo, one in eight in gray."""
        rng, path = self.rng, self.photos[self.rng.integers(len(self.photos))]
        photo = self._photo(path)
        side = int(rng.integers(176, 289))
        scale = rng.uniform(0.5, 1) if rng.random() < 0.7 else 1.0
        whole = min(round(side / scale), *photo.shape[:2])
        top, left = (rng.integers(0, length - whole + 1) for length in photo.shape[:2])
        crop: Float = (photo[top : top + whole, left : left + whole] / 255).astype(np.float32)
        if scale < 1:
            size = (int(whole * scale), int(whole * scale))
            crop = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.float32)
        if rng.random() < 0.12:
            crop = crop @ GRAY
        return np.ascontiguousarray(crop)

    def _photo(self, path: Path) -> NDArray[np.uint8]:
        if path not in self._read:
            read = cv2.imread(str(path))
            if read is None:
                raise SystemExit(f"{path} cannot be read")
            self._read[path] = np.array(read[..., ::-1], np.uint8)
        return self._read[path]

    def _files(self) -> tuple[Compression, ...]:
        """Return one or two compressions, the last of quality 25 to 100."""
        rng = self.rng
        last = int(rng.integers(25, 101)) if rng.random() < 0.7 else int(rng.integers(88, 101))
        files = []
        for index in range(1 + (rng.random() < 0.2)):
            quality = int(rng.integers(50, 101)) if index else last
            subsampling = ("4:2:0", "4:4:4", "4:2:2")[int(rng.choice(3, p=(0.5, 0.4, 0.1)))]
            corner = (int(rng.integers(8)), int(rng.integers(8))) if rng.random() < 0.4 else (0, 0)
            files.append(Compression(quality, subsampling, corner))
        return tuple(files)


class Estimator(nn.Module):
    """``(B, 155)`` normalized statistics to ``(B, 5)``.

    These are the means of two logarithms, the logarithms of their variances, and the log-odds that noise
    dominates.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (COUNT, *WIDTHS, 5)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        """Run the network."""
        for index, layer in enumerate(self.layers[:-1]):
            x = torch.relu(layer(x))
            x = self.dropout(x) if index == 0 else x
        return self.layers[-1](x)


def loss_of(out: Tensor, target: Tensor) -> Tensor:
    """Return the negative log-likelihood of Gaussians and, by half, of the choice.

    Args:
        out: ``(B, 5)`` from the network.
        target: ``(B, 3)``: two logarithms, and 1 where noise dominates.
    """
    variance = out[:, 2:4].clamp(-6, 3)
    gaussian = 0.5 * ((out[:, :2] - target[:, :2]).square() * torch.exp(-variance) + variance)
    return gaussian.mean() + 0.5 * F.binary_cross_entropy_with_logits(out[:, 4], target[:, 2])


def targets_of(truths: Float) -> Tensor:
    """Return ``(N, 3)``, see :func:`loss_of`, for noise and error ``(N, 2)``."""
    logarithms = np.log(np.hypot(truths, SOFT))
    dominant = (truths[:, :1] >= MOST * truths[:, 1:]) & (truths[:, :1] > MIN_NOISE)
    return torch.from_numpy(np.concatenate([logarithms, dominant], 1).astype(np.float32))


def fit(inputs: Tensor, targets: Tensor, epochs: int, seed: int) -> Estimator:
    """Train on normalized statistics ``(N, 155)`` and targets ``(N, 3)``."""
    torch.manual_seed(seed)
    model, batch = Estimator(), 256
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.03)
    steps = epochs * len(inputs) // batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps + 1)
    for _ in range(steps):
        chosen = torch.randint(len(inputs), (batch,))
        noisy = inputs[chosen] + JITTER * torch.randn(batch, COUNT)
        loss = loss_of(model(noisy), targets[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def main() -> None:
    """Draw, fit, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of clean photos")
    parser.add_argument("--samples", type=int, default=25_000)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="file (.npz) that keeps the samples, to go on from them")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    start, every, index = time.monotonic(), *KEPT_APART
    photos = sorted(path for path in asked.data.iterdir() if path.suffix.lower() in {".jpg", ".png"})
    apart = photos[index::every]
    drawn = [
        _drawn([p for p in photos if p not in apart], asked.samples, asked.seed, asked.keep, "training"),
        _drawn(apart, asked.samples // VALIDATION, asked.seed + 1, asked.keep, "validation"),
    ]
    mean, spread = drawn[0][0].mean(0), drawn[0][0].std(0) + 0.05
    inputs = [torch.from_numpy(((f - mean) / spread).clip(-6, 6)) for f, _ in drawn]
    targets = [targets_of(truths) for _, truths in drawn]
    model = fit(inputs[0], targets[0], asked.epochs, asked.seed)
    with torch.no_grad():
        errors = (model(inputs[1])[:, :2] - targets[1][:, :2]).square().mean(0).sqrt().tolist()
    print(f"validation: root mean square of the logarithm, noise {errors[0]:.3f}, whole error {errors[1]:.3f}")
    tensors = {"mean": mean.astype(np.float16), "spread": spread.astype(np.float16)}
    for index, layer in enumerate(model.layers):
        assert isinstance(layer, nn.Linear)
        tensors[f"{index}.weight"] = layer.weight.detach().numpy().astype(np.float16)
        tensors[f"{index}.bias"] = layer.bias.detach().numpy().astype(np.float16)
    record = {
        "photos": str(len(photos)),
        "samples": str(asked.samples),
        "epochs": str(asked.epochs),
        "seed": str(asked.seed),
        "validation": json.dumps([round(error, 3) for error in errors]),
        "command": f"python scripts/train_noise_estimator.py --samples {asked.samples} --seed {asked.seed}",
        "licence": "CC BY-SA 4.0",
    }
    save_file(tensors, asked.out, record)
    print(f"{asked.out}: {asked.out.stat().st_size} bytes, {(time.monotonic() - start) / 60:.0f} minutes")


def _drawn(photos: list[Path], count: int, seed: int, keep: Path | None, name: str) -> tuple[Float, Float]:
    """Return ``count`` statistics ``(N, 155)`` and truths ``(N, 2)``."""
    file = keep.with_name(f"{keep.stem}-{name}-{seed}.npz") if keep else None
    if file and file.exists():
        kept = np.load(file)
        if len(kept["features"]) >= count:
            return kept["features"][:count], kept["truths"][:count]
    samples, drawn = Samples(photos, seed), []
    for number in range(1, count + 1):
        drawn.append(samples.draw())
        if number % 1000 == 0:
            print(f"{name}: {number} of {count}", flush=True)
    features = np.array([sample.features for sample in drawn])
    truths = np.array([(sample.noise, sample.error) for sample in drawn], np.float32)
    if file:
        np.savez(file, features=features, truths=truths)
    return features, truths


def _rounded(pixels: Float) -> Float:
    return np.rint(pixels.clip(0, 1) * 255).astype(np.float32) / 255


def _rms(values: Float) -> float:
    return float(np.sqrt(np.square(values, dtype=np.float64).mean())) * 255


if __name__ == "__main__":
    main()
