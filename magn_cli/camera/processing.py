"""Processing of noise in a camera after development: smoothing, sharpening, resizing.

It is applied to the noise alone, the difference of two pictures with and without noise. This keeps the picture
sharp: cameras preserve edges when they smooth, in ways that are not published.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from magn_cli.camera.sensor import Float

SOFT_COLOURS = 0.5
"""Share of pictures whose colours are softer than their luma. Each pixel of a sensor sees one colour, and cameras
smooth chroma more."""

_TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]], np.float32)
_TO_RGB = np.linalg.inv(_TO_YCC).astype(np.float32)


@dataclass(frozen=True)
class Processing:
    """Settings of a camera's processing."""

    luma: float
    """Standard deviation in pixels of the blur in luma; 0 for none."""

    chroma: float
    """The same in chroma."""

    share: float
    """Share of the noise that is blurred, 0..1."""

    colour: float
    """Factor of chroma noise."""

    sharpening: float
    """Amount of the unsharp mask; 0 for none."""

    radius: float
    """Standard deviation of the unsharp mask in pixels."""

    edges: float
    """Excess of noise at edges over flat areas; 0 for equal noise everywhere."""

    scale: float
    """Size of the original picture relative to the final one; below 1, the picture was enlarged."""


def draw_processing(rng: np.random.Generator) -> Processing:
    """Draw settings from a raw developer that does nothing to a phone that smears noise into large blotches."""
    luma = chroma = share = 0.0
    if rng.random() < 0.7:
        luma = math.exp(rng.uniform(math.log(0.35), math.log(2.5))) if rng.random() < 0.85 else 0.0
        chroma = min(5.0, max(luma, 0.7) * rng.uniform(1.0, 4.0))
        share = rng.uniform(0.5, 1.0)
    colour = math.exp(rng.uniform(math.log(0.4), math.log(2.5)))
    sharpening = rng.uniform(0.2, 1.5) if rng.random() < 0.4 else 0.0
    edges = rng.uniform(0.2, 2.0) if rng.random() < 0.5 else 0.0
    kind = rng.random()
    scale = rng.uniform(1.0, 1.6) if kind < 0.25 else rng.uniform(0.6, 1.0) if kind < 0.4 else 1.0
    return Processing(luma, chroma, share, colour, sharpening, rng.uniform(0.6, 1.5), edges, scale)


def processed(noise: Float, clean: Float, how: Processing) -> Float:
    """Process the noise ``(H, W, 3)`` of a picture ``clean`` of the same shape."""
    split = noise @ _TO_YCC.T
    luma, chroma = np.ascontiguousarray(split[..., 0]), np.ascontiguousarray(split[..., 1:])
    luma = _mixed(luma, how.luma, how.share)
    chroma = _mixed(chroma, how.chroma, how.share) * np.float32(how.colour)
    if how.sharpening:
        luma = luma + np.float32(how.sharpening) * (luma - blurred(luma, how.radius))
    noise = np.concatenate([luma[..., None], chroma], -1) @ _TO_RGB.T
    if how.edges:
        noise *= _edge_gain(clean, how.edges)[..., None]
    return noise


def _mixed(noise: Float, sigma: float, share: float) -> Float:
    if not sigma:
        return noise
    return np.float32(1 - share) * noise + np.float32(share) * blurred(noise, sigma)


def blurred(values: Float, sigma: float) -> Float:
    """Apply a Gaussian blur of ``sigma`` pixels to ``(H, W)`` or ``(H, W, C)``."""
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101), np.float32)


def _edge_gain(clean: Float, strength: float) -> Float:
    luma = blurred(clean @ _TO_YCC[0], 1.0)
    steps = np.abs(cv2.Sobel(luma, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(luma, cv2.CV_32F, 0, 1))
    steps = blurred(steps, 1.5)
    gain: Float = np.clip(1 + np.float32(strength) * (steps / (steps.mean() + 1e-6) - 1), 0.3, 3.0)
    return gain


def resized(pixels: Float, size: tuple[int, int]) -> Float:
    """Resize ``(H, W, C)`` to a height and width, by area averaging if smaller, else cubic."""
    height, width = pixels.shape[:2]
    how = cv2.INTER_AREA if size[0] < height else cv2.INTER_CUBIC
    if size == (height, width):
        return pixels
    return np.asarray(cv2.resize(pixels, size[::-1], interpolation=how), np.float32)


def draw_sharpness(clean: Float, rng: np.random.Generator) -> Float:
    """Return ``(H, W)`` or ``(H, W, 3)`` as sharp as pictures of cameras are.

    Training photographs were usually reduced in size. A photo as it comes from the camera is softer: its lens, its
    sensor's filter and demosaicing blur it, and its details are larger. So most pictures are blurred or enlarged,
    some are sharpened, and the others stay.
    """
    kind = rng.random()
    if kind < 0.35:
        clean = blurred(clean, rng.uniform(0.4, 2.0))
    elif kind < 0.6:
        clean = _enlarged(clean, rng.uniform(1.25, 2.5))
    elif kind < 0.72:
        amount, radius = rng.uniform(0.2, 1.0), rng.uniform(0.6, 1.5)
        clean = (clean + np.float32(amount) * (clean - blurred(clean, radius))).clip(0, 1)
    if clean.ndim == 3 and rng.random() < SOFT_COLOURS:
        split = clean @ _TO_YCC.T
        split[..., 1:] = blurred(np.ascontiguousarray(split[..., 1:]), rng.uniform(0.5, 1.5))
        clean = (split @ _TO_RGB.T).clip(0, 1)
    return clean


def _enlarged(pixels: Float, factor: float) -> Float:
    """Enlarge the middle of ``(H, W)`` or ``(H, W, C)`` to the whole picture's size."""
    sides = pixels.shape[:2]
    kept = [max(1, round(side / factor)) for side in sides]
    top, left = ((side - keep) // 2 for side, keep in zip(sides, kept, strict=True))
    middle = np.ascontiguousarray(pixels[top : top + kept[0], left : left + kept[1]])
    return resized(middle, (sides[0], sides[1])).clip(0, 1)
