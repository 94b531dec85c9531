"""Checked by mypy but never run: the types of results."""

from pathlib import Path
from typing import Any, assert_type

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import magn_cli
from magn_cli import Restored, Restorer

array = np.zeros((8, 8, 3), np.uint8)
image = Image.new("RGB", (8, 8))
tensor = torch.zeros(1, 3, 8, 8)

restorer = magn_cli.load("jpeg", threads=2, tile=None, precision="fp32")
assert_type(restorer, Restorer)
assert_type(restorer(array), NDArray[np.uint8])
assert_type(restorer(array, level=20), NDArray[np.uint8])
assert_type(restorer(image, level="unknown"), Image.Image)
assert_type(restorer(tensor), torch.Tensor)
assert_type(restorer("photo.jpg"), NDArray[Any])
assert_type(restorer(Path("photo.jpg")), NDArray[Any])

assert_type(restorer.restore(array), Restored[NDArray[np.uint8]])
assert_type(restorer.restore(image).pixels, Image.Image)
assert_type(restorer.restore(tensor).pixels, torch.Tensor)
assert_type(restorer.restore("photo.jpg").level, float | None)
assert_type(restorer.restore("photo.jpg").reason, str)

assert_type(magn_cli.restore(array, "demosaic", pattern="rggb"), NDArray[np.uint8])
assert_type(magn_cli.restore(image), Image.Image)
assert_type(magn_cli.restore(tensor, "denoise", level=25), torch.Tensor)
assert_type(magn_cli.restore("photo.jpg", device="cpu", ensemble=True), NDArray[Any])

assert_type(magn_cli.read("photo.jpg"), NDArray[Any])
magn_cli.write("clean.png", array, like="photo.jpg")
magn_cli.write("clean.png", image, overwrite=True)
assert_type(magn_cli.__version__, str)

restorer(5)  # type: ignore[call-overload]
restorer(array, level="strong")  # type: ignore[call-overload]
magn_cli.load("jpeg", pattern="xxxx")  # type: ignore[arg-type]
magn_cli.load("jpeg", colour=True)  # type: ignore[call-arg]
magn_cli.restore(array, colour=True)  # type: ignore[call-overload]
