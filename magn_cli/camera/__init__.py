"""A simulated camera: the noise that a photograph has after its way from the sensor to the JPEG file."""

from magn_cli.camera.compression import Compression, compress_again
from magn_cli.camera.noise import MAX_SIGMA, Camera, camera_noise, draw_camera, film_grain
from magn_cli.camera.processing import draw_sharpness

__all__ = [
    "MAX_SIGMA",
    "Camera",
    "Compression",
    "camera_noise",
    "compress_again",
    "draw_camera",
    "draw_sharpness",
    "film_grain",
]
