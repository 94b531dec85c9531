"""Noise: white as in Table II, a camera's, or the grain of film."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from magn_cli.errors import UsageError
from magn_cli.runtime.lazy import LazyModule
from magn_cli.tasks.base import (
    Baseline,
    Claim,
    Need,
    PairSet,
    PaperTable,
    Pixels,
    Published,
    Sample,
    Task,
    TrainingPair,
    ValidationCase,
)
from magn_cli.tasks.levels import FoundLevel, LevelScale
from magn_cli.tasks.neighbours import lowest_and_highest
from magn_cli.tasks.options import Option, PairOptions

if TYPE_CHECKING:
    import cv2
    import numpy as np
    from numpy.typing import NDArray

    from magn_cli import camera, images
    from magn_cli.analysis import findings
else:
    cv2, np = LazyModule("cv2"), LazyModule("numpy")
    camera, images = LazyModule("magn_cli.camera"), LazyModule("magn_cli.images")
    findings = LazyModule("magn_cli.analysis.findings")

CAMERA_SIGMA = 0.6, 35.0
"""Lowest and highest noise of a camera in training, drawn evenly on a logarithmic scale."""

CAMERA_CASES = 5, 10, 20
"""Sigma of the camera noise that training validates on."""

UNEVEN = 0.15
"""Standard deviation of the logarithm by which the noise of a crop may differ from what is told. At 0.3, the
network learned to obey less and gained nothing on real photos."""

PARTIAL = 0.05, 0.6
"""Least and greatest share of its noise that a pair is told, where it is told less. The root of that share of the
noise is removed then."""

EXCESS = 1.2, 2.0
"""How many times its noise a pair is told at least, where it is told more, and the least that it is told then. The
greatest is the highest sigma."""

CAMERA_EXCESS = 1.2, 4.0
"""The same for the noise of a camera, and how many times that is told at most."""

BEYOND = 0.5
"""By how much of the difference between what is told and what is there the noise of such a target exceeds what is
told. With no more noise than is told, nearly all detail stays, and the better the network, the more: the restored
skyline has 98 % of its gradients at sigma 20 that it has at sigma 10, and 97 % at 25."""

MOST_BEYOND = 2.0
"""How many times the told sigma a result may lie beyond the values around it. Coarse noise shifts all of these."""

GRAIN_SIZE = 0.5, 1.5
"""Smallest and largest grain of film in pixels."""

NOISY = 2.0, 3.5
"""Noise from which the denoiser is applied, and from which it is applied in full. Of 42 clean photos in colour,
four are estimated above 2 as JPEG of quality 98 (4:4:4), two at 95 (4:2:0), none above 2.95."""

GRAY_NOISY = 3.0, 6.0
"""The same in gray, where less tells noise from texture: 3 of 46 clean pictures are estimated above 3."""

FINE = 90, 95
"""Quality of a JPEG file up to which the denoiser is applied in full, as it removes compression along with noise,
and from which only noise decides."""

BLOCKS = 1.2, 1.5
"""The same for the contrast of JPEG's 8x8 blocks in other files: where it begins to count, and where it counts in
full."""

SURE = (75, 0.35), (95, 0.9)
"""Two qualities of a JPEG file and the probability that noise dominates from which it is denoised; in between, in
proportion. The finer the file, the fainter is what tells noise, compression and texture apart. Of 73 clean photos
at quality 75, nine in ten are below 0.35. The denoiser gains on clean ones, too, if less."""

UNKNOWN_SURE, GRAY_SURE = 0.66, 0.8
"""The same for pictures that were a JPEG once, and the least such probability in gray."""


def _non_local_means(noisy: Pixels, level: float | None) -> Pixels:
    """OpenCV's fast non-local means, on 8 bits, filter strength in proportion to sigma."""
    whole, strength = images.from_float(noisy, np.uint8), 0.8 * (level or 0)
    if whole.ndim == 2:
        return images.to_float(cv2.fastNlMeansDenoising(whole, None, strength))
    return images.to_float(cv2.fastNlMeansDenoisingColored(whole[..., ::-1], None, strength, strength)[..., ::-1])


def _rms(values: Pixels) -> float:
    return 255 * float(np.sqrt(np.square(values, dtype=np.float64).mean()))


def _camera(sigma: float, clean: Pixels, rng: np.random.Generator) -> Pixels:
    return camera.camera_noise(clean, sigma, camera.draw_camera(rng, sigma), rng)


class Denoise(Task):
    """Remove noise; level: the standard deviation sigma in units of 255, 0-75."""

    name: ClassVar[str] = "denoise"
    title: ClassVar[str] = "Denoising"
    summary: ClassVar[str] = "removes noise from photographs"
    scale: ClassVar[LevelScale | None] = LevelScale("sigma", 0, 75, offset=0.0, factor=1 / 75)
    paper: ClassVar[PaperTable | None] = PaperTable(
        "II", ("Set12", "BSD68", "Urban100"), (15.0, 25.0, 50.0), gray="gray", rounded=False
    )
    pair_sets: ClassVar[tuple[PairSet, ...]] = (
        # Xu et al., "Real-world Noisy Image Denoising: A New Benchmark", 2018.
        PairSet(
            "PolyU",
            degraded="_real",
            clean="_mean",
            published=(Published("noise translation", 38.67, "README of dhryougit/learning-to-translate-noise"),),
        ),
    )
    variants: ClassVar[tuple[str, ...]] = ("white",)
    control_levels: ClassVar[tuple[float, ...]] = (5, 15, 25, 50, 75)
    control_degraded_at: ClassVar[float] = 25
    degrade_options: ClassVar[tuple[Option, ...]] = (
        Option(
            "noise",
            "white",
            "white (Gaussian, as in the paper), camera (developed and compressed), or grain (of film).",
            choices=("white", "camera", "grain"),
        ),
    )
    pair_options: ClassVar[tuple[Option, ...]] = (
        Option("camera", 0.5, "Share of pairs with the noise of a camera, not white noise.", low=0, high=1),
        Option("partial", 0.06, "Share of pairs that are told less noise than is in them.", low=0, high=1),
        Option(
            "excess", 0.2, "Share of pairs with white noise that are told more than is in them.", low=0, high=1
        ),
        Option(
            "camera_excess",
            0.0,
            "Share of pairs with a camera's noise that are told more than is in them.",
            low=0,
            high=1,
        ),
    )
    suffix: ClassVar[str] = ".tif"
    random: ClassVar[bool] = True
    baselines: ClassVar[Mapping[str, Baseline]] = {"nlm": _non_local_means}
    darktable: ClassVar[str | None] = "denoise"
    joins_auto: ClassVar[bool] = True

    def degrade(self, clean: Pixels, level: float | None, rng: np.random.Generator, **options: Any) -> Pixels:
        """Add noise of standard deviation ``level`` / 255. White noise is not clipped and not rounded.

        Option ``noise``: ``white``, ``camera`` or ``grain``, white if not given.
        """
        if level is None:
            raise UsageError("denoise needs a sigma; give --level with a number from 0 to 75.")
        kind = options.get("noise", "white")
        if kind == "camera":
            return _camera(level, clean, rng)
        if kind == "grain":
            return camera.film_grain(clean, level, rng.uniform(*GRAIN_SIZE), rng)
        return clean + rng.standard_normal(clean.shape, np.float32) * np.float32(level / 255)

    def degraded_file(
        self,
        clean: Pixels,
        level: float | None,
        rng: np.random.Generator,
        dtype: np.dtype[Any],
        **options: Any,
    ) -> bytes | images.Array:
        """Return float32 samples, never clipped."""
        return images.from_float(self.degrade(clean, level, rng, **options), np.float32)

    def bounded(self, restored: Pixels, network_input: NDArray[Sample], start: int, level: float | None) -> Pixels:
        """Return rows that are at most twice the noise away from the values within two pixels.

        A result farther away is no denoised picture: networks can put spots on soft, vivid colours when told many
        times the noise there is. In samples of Set12, Kodak24 and PolyU, it changed at
        most one value in a million.
        """
        if level is None:
            return restored
        lowest, highest = lowest_and_highest(network_input, start, len(restored), joint=False)
        slack = np.float32(MOST_BEYOND * level / 255)
        return np.clip(restored, lowest - slack, highest + slack)

    def training_pair(self, clean: Pixels, rng: np.random.Generator, pairs: PairOptions) -> TrainingPair:
        """Draw white noise or the noise of a camera.

        A crop with camera noise is told the noise that is in it, compression included, give or take 15 %: users
        know it of a picture about as well, and noise is stronger in some places than in others. Where a pair is
        told much less than that, its target keeps a part of the noise, which holds the level to what it promises.
        Where it is told more, the target is what the network makes of a crop with noise up to the level that is
        told and beyond. A network that never saw such pairs put spots on soft, vivid colours. White noise is added
        to white noise, and a camera's is replaced by more noise of the same camera. With white noise added to a
        camera's, or the camera's own noise amplified, the targets kept coarse noise, and so did the network.
        """
        is_camera, chance = rng.random() < pairs.own["camera"], rng.random()
        less = chance < pairs.own["partial"]
        more = not less and chance >= 1 - pairs.own["camera_excess" if is_camera else "excess"]
        if is_camera:
            pair = self._camera_pair(clean, rng, more)
        else:
            pair = super().training_pair(clean, rng, pairs)
            pair = self._told_more(pair, rng) if more else pair
        if less and pair.level:
            share = math.exp(rng.uniform(*np.log(PARTIAL)))
            target = pair.degraded + np.float32(math.sqrt(share)) * (pair.clean - pair.degraded)
            return TrainingPair(target, pair.degraded, share * pair.level, pair.options)
        return pair

    def tells_more(self, pairs: PairOptions) -> bool:
        """Return whether ``excess`` or ``camera_excess`` is set."""
        return any(pairs.own[name] > 0 for name in ("excess", "camera_excess"))

    def _told_more(self, pair: TrainingPair, rng: np.random.Generator) -> TrainingPair:
        assert pair.level is not None and self.scale is not None
        times, lowest = EXCESS
        least, most = max(times * pair.level, lowest), self.scale.high
        if least >= most:
            return pair
        told = math.exp(rng.uniform(math.log(least), math.log(most)))
        sigma = min(told + BEYOND * (told - pair.level), most)
        missing = np.float32(math.sqrt(sigma**2 - pair.level**2) / 255)
        noisier = pair.degraded + rng.standard_normal(pair.degraded.shape, np.float32) * missing
        return replace(pair, level=told, noisier=noisier, noisier_level=sigma)

    def _camera_pair(self, clean: Pixels, rng: np.random.Generator, more: bool) -> TrainingPair:
        assert self.scale is not None
        sigma, highest = math.exp(rng.uniform(*np.log(CAMERA_SIGMA))), self.scale.high
        sharp, drawn = camera.draw_sharpness(clean, rng), camera.draw_camera(rng, sigma)
        degraded = camera.camera_noise(sharp, sigma, drawn, rng, exact=False)
        # Otherwise the network would learn to sharpen the colours of every photo, noisy or not.
        stored = camera.subsampled(sharp, drawn.files)
        target = stored + camera.brightness_shift(degraded - stored, stored)
        told = min(_rms(degraded - target) * math.exp(UNEVEN * rng.standard_normal()), highest)
        pair = TrainingPair(target, degraded, told, {})
        if not more or not told or CAMERA_EXCESS[0] * told >= highest:
            return pair
        told_more = min(told * math.exp(rng.uniform(*np.log(CAMERA_EXCESS))), highest)
        sigma = min(told_more + BEYOND * (told_more - told), highest)
        noisier = camera.camera_noise(sharp, sigma, drawn, rng)
        noisier = noisier + target - stored - camera.brightness_shift(noisier - stored, stored)
        found = min(_rms(noisier - target), highest)
        return replace(pair, level=told_more, noisier=noisier, noisier_level=found)

    def validation_cases(self, pairs: PairOptions) -> tuple[ValidationCase, ...]:
        """Return the noise of cameras, where the network is trained on it."""
        if not pairs.own["camera"]:
            return ()
        return tuple(ValidationCase(f"camera_{sigma}", sigma, partial(_camera, sigma)) for sigma in CAMERA_CASES)

    def card_rows(self, scale: LevelScale | None, pairs: Mapping[str, Any]) -> dict[str, str]:
        """Add the share of camera noise in training, where it is recorded."""
        rows = super().card_rows(scale, pairs)
        share = pairs.get("camera")
        if share is None:
            return rows
        return {**rows, "noise": f"white, a camera's in {share:.0%} of the pairs" if share else "white"}

    def find_level(self, photo: images.Photo) -> FoundLevel:
        """Estimate sigma: noise and, as the network removes both, compression where it shows."""
        noise = findings.noise(photo)
        noisy = _rising(noise.sigma, *(GRAY_NOISY if findings.is_gray(photo) else NOISY))
        compressed = _compressed(photo)
        strength = max(noisy, compressed)
        level = noise.sigma + strength * (noise.error - noise.sigma)
        return FoundLevel(round(level, 1), "estimated from the picture", strength)

    def variant(self, photo: images.Photo) -> str:
        """Return ``white`` for photos with white noise."""
        return "white" if findings.is_white(photo) else ""

    def claim(self, photo: images.Photo) -> Claim:
        """Claim photos with noise, unless compression shows more."""
        noise, found = findings.noise(photo), self.find_level(photo)
        if noise.dominance >= _sure(photo) if _compressed(photo) >= 0.5 else found.strength >= 0.5:
            return Claim(Need.DOMINANT, found)
        if photo.quantization is not None:
            # Of a JPEG file that is left as it is, its quality says more.
            return Claim(Need.NONE, FoundLevel(None, ""))
        maybe = "; texture, or noise for --task denoise" if found.strength > 0 else ""
        return Claim(Need.NONE, FoundLevel(None, f"sigma {noise.sigma:.1f}{maybe}"))


def _compressed(photo: images.Photo) -> float:
    """Return how clearly a photo shows JPEG compression, 0..1."""
    quality = findings.quality(photo)
    if quality is not None:
        return 1 - _rising(quality[0], *FINE)
    grid = findings.grid(photo)
    return 0.0 if grid is None else _rising(grid.contrast, *BLOCKS)


def _sure(photo: images.Photo) -> float:
    """Return the probability from which noise counts as dominant in a photo that shows compression."""
    (coarse, least), (fine, most) = SURE
    quality = findings.quality(photo)
    sure = UNKNOWN_SURE if quality is None else least + (most - least) * _rising(quality[0], coarse, fine)
    return max(sure, GRAY_SURE) if findings.is_gray(photo) else sure


def _rising(value: float, low: float, high: float) -> float:
    """Return 0 up to ``low``, 1 from ``high`` on, and between them in proportion."""
    return min(1.0, max(0.0, (value - low) / (high - low)))
