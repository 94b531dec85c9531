"""Adds camera noise to a clean picture: raw noise that is developed, processed and compressed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from magn_cli.camera.compression import Compression, compress_again, draw_compression
from magn_cli.camera.developing import METHODS, ToneCurve, demosaic, draw_tone_curve
from magn_cli.camera.processing import Processing, blurred, draw_processing, processed, resized
from magn_cli.camera.sensor import Float, Sensor, draw_sensor, expose
from magn_cli.camera.tables import Table

MAX_SIGMA = 75.0
"""Largest sigma of the noise, in units of 255."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_TRIES = 4

_BRIGHTNESSES = 24
"""Number of brightnesses at which the mean of the noise is measured."""

_FEW = 32
"""Number of pixels below which the mean at a brightness is not trusted."""


@dataclass(frozen=True)
class Camera:
    """Settings that determine what a camera's noise looks like."""

    sensor: Sensor
    curve: ToneCurve
    method: str
    """Demosaicing method, one of :data:`~magn_cli.camera.developing.METHODS`."""

    processing: Processing
    files: tuple[Compression, ...]
    """JPEG compressions in order; empty for none."""


def draw_camera(rng: np.random.Generator, sigma: float) -> Camera:
    """Draw a camera for noise of about ``sigma``, in units of 255."""
    return Camera(
        draw_sensor(rng, sigma),
        draw_tone_curve(rng),
        METHODS[int(rng.integers(len(METHODS)))],
        draw_processing(rng),
        draw_compression(rng),
    )


def camera_noise(
    clean: Float, sigma: float, camera: Camera, rng: np.random.Generator, exact: bool = True
) -> Float:
    """Add a camera's noise and its JPEG compressions to a picture.

    The picture is converted to linear light and sent through the camera twice, with and without noise. The
    difference is processed as cameras process noise and added to the picture. So the clean picture remains the
    target, including its sharpness.

    Args:
        clean: ``(H, W)`` or ``(H, W, 3)``, 0..1.
        sigma: root mean square of the noise in the picture, 0..75 in units of 255.
        camera: from :func:`draw_camera`.
        rng: random generator of the noise.
        exact: adjust the noise so that it has ``sigma`` after compression, if possible. Otherwise it has ``sigma``
            before compression.

    Returns:
        ``(H, W)`` or ``(H, W, 3)``, rounded to 8 bit, as floats 0..1.
    """
    noise = _developed_noise(clean, camera, rng)
    amplitude = np.float32(sigma / 255 / (_rms(noise) + 1e-9))
    for _ in range(_TRIES):
        noisy = compress_again(_rounded(clean + amplitude * noise), camera.files)
        if not exact or not sigma:
            break
        found = _rms(noisy - clean) * 255
        if abs(found - sigma) < 0.01 * sigma:
            break
        amplitude = amplitude * np.float32(np.clip(sigma / max(found, 1e-3), 0.25, 4.0))
    return noisy


def film_grain(clean: Float, sigma: float, size: float, rng: np.random.Generator) -> Float:
    """Add film grain to a picture: gray, and strongest in the midtones.

    Args:
        clean: ``(H, W)`` or ``(H, W, 3)``, 0..1.
        sigma: root mean square of the grain, 0..75 in units of 255.
        size: standard deviation of the blur that shapes the grain, 0.3 to 3 pixels.
        rng: random generator of the grain.

    Returns:
        The same shape, rounded to 8 bit, as floats 0..1.
    """
    grain = blurred(rng.standard_normal(clean.shape[:2], np.float32), size)
    luma = clean if clean.ndim == 2 else clean @ _LUMA
    grain *= np.sqrt(np.clip(luma * (1 - luma), 0.02, 0.25))
    grain *= np.float32(sigma / 255 / (_rms(grain) + 1e-9))
    return _rounded(clean + (grain if clean.ndim == 2 else grain[..., None]))


def brightness_shift(noise: Float, clean: Float) -> Float:
    """Return the mean that noise has at each brightness of the clean picture, channel by channel.

    Clipping at black raises the mean, a tone curve lowers it, and both grow with the noise. A network that learns
    to undo this changes the brightness of a picture with the level that it is told. Means of many shots contain it
    too.

    Args:
        noise: ``(H, W)`` or ``(H, W, C)``.
        clean: the same shape, 0..1.

    Returns:
        The same shape.
    """
    if noise.ndim == 3:
        channels = [brightness_shift(noise[..., i], clean[..., i]) for i in range(noise.shape[-1])]
        return np.stack(channels, axis=-1)
    nearest = (clean.clip(0, 1) * (_BRIGHTNESSES - 1) + 0.5).astype(np.intp).ravel()
    counts = np.bincount(nearest, minlength=_BRIGHTNESSES)
    sums = np.bincount(nearest, weights=noise.ravel(), minlength=_BRIGHTNESSES)
    return Table((sums / (counts + _FEW)).astype(np.float32))(clean)


def _developed_noise(clean: Float, camera: Camera, rng: np.random.Generator) -> Float:
    """Return noise of the picture's shape, with arbitrary strength."""
    rgb = np.repeat(clean[..., None], 3, -1) if clean.ndim == 2 else clean
    height, width = rgb.shape[:2]
    # A mosaic needs even sides.
    size = [max(2, math.ceil(side * camera.processing.scale / 2) * 2) for side in (height, width)]
    larger = resized(rgb, (size[0], size[1]))
    linear = camera.curve.to_linear(larger)
    without, with_noise = expose(linear, camera.sensor, rng)
    to_srgb = camera.sensor.to_srgb.T.astype(np.float32)
    developed = [
        camera.curve.to_display(demosaic(mosaic, camera.sensor.phase, camera.method) @ to_srgb)
        for mosaic in (without, with_noise)
    ]
    noise = processed(developed[1] - developed[0], developed[0], camera.processing)
    noise = resized(noise, (height, width))
    noise -= brightness_shift(noise, rgb)
    return noise @ _LUMA if clean.ndim == 2 else noise


def _rounded(pixels: Float) -> Float:
    return np.rint(pixels.clip(0, 1) * 255).astype(np.float32) / 255


def _rms(values: Float) -> float:
    return float(np.sqrt(np.square(values, dtype=np.float64).mean()))
