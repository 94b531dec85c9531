"""Simulates a camera: the noise of a photograph after it went from the sensor to a JPEG file."""

from magn_cli.camera.compression import Compression, compress_again, subsampled
from magn_cli.camera.noise import MAX_SIGMA, Camera, brightness_shift, camera_noise, draw_camera, film_grain
from magn_cli.camera.processing import draw_sharpness

__all__ = [
    "MAX_SIGMA",
    "Camera",
    "Compression",
    "brightness_shift",
    "camera_noise",
    "compress_again",
    "draw_camera",
    "draw_sharpness",
    "film_grain",
    "subsampled",
]
