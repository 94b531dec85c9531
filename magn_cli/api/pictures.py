"""Conversion of paths, arrays, images and tensors to photos, and of results back to the same kind."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from magn_cli import images
from magn_cli.errors import ImageError, UsageError
from magn_cli.images import Array, Photo

if TYPE_CHECKING:
    from torch import Tensor

Picture: TypeAlias = "str | PathLike[str] | NDArray[Any] | Image.Image | Tensor"

MAX_FLOAT = 16.0
"""Floats above this limit are not on the scale 0..1."""

_CONVERTED = {"1": "L", "P": "RGB", "PA": "RGBA"}
"""Pillow modes that cannot hold a restored photograph, and the modes they are converted to."""


@dataclass(frozen=True)
class OpenedPicture:
    """A picture as photos: one, or one for each picture of a batch."""

    photos: Sequence[Photo]
    close: Callable[[Sequence[Array]], Any]
    """Converts results, ``(H, W)`` or ``(H, W, 3)`` of each photo's type, to the kind of the input."""


def open_picture(picture: Picture, mosaics: bool) -> OpenedPicture:
    """Convert a picture of any kind to photos.

    Args:
        picture: see :meth:`magn_cli.Restorer.__call__`.
        mosaics: accept files with sensor mosaics.

    Raises:
        ImageError: a file or an image cannot be read.
        UsageError: the kind, shape, type or range is not supported.
    """
    if isinstance(picture, str | PathLike):
        return OpenedPicture([images.read(Path(picture), mosaics=mosaics)], lambda done: done[0])
    if isinstance(picture, np.ndarray):
        return _open_array(picture)
    if isinstance(picture, Image.Image):
        return _open_image(picture)
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(picture, torch.Tensor):
        return _open_tensor(picture)
    raise UsageError(
        f"unsupported picture of type {type(picture).__name__}: "
        "give a path, a numpy array, a Pillow image or a torch tensor."
    )


def _open_array(array: NDArray[Any]) -> OpenedPicture:
    if array.ndim == 3 and array.shape[2] in (2, 4):
        raise UsageError(
            f"an array must be (H, W) or (H, W, 3), not {array.shape}; remove the alpha channel, "
            "or give a Pillow image, which keeps it."
        )
    photo = _checked(images.photo_of(array))

    def close(done: Sequence[Array]) -> NDArray[Any]:
        pixels = done[0]
        if array.ndim == 3 and pixels.ndim == 2:
            pixels = pixels[:, :, None]
        return pixels.astype(array.dtype)

    return OpenedPicture([photo], close)


def _open_image(image: Image.Image) -> OpenedPicture:
    mode = image.mode
    try:
        if mode in _CONVERTED:
            mode = "RGBA" if mode == "P" and "transparency" in image.info else _CONVERTED[mode]
            samples = np.asarray(image.convert(mode))
        elif mode in ("L", "LA", "RGB", "RGBA", "I;16", "I;16B"):
            samples = np.asarray(image)
        else:
            raise UsageError(f"a Pillow image of mode {mode} cannot be restored; convert it to L, RGB or RGBA.")
    except (OSError, ValueError, SyntaxError) as error:
        raise ImageError(f"the Pillow image cannot be decoded ({error}); use an intact copy.") from error
    alpha = None
    if mode in ("LA", "RGBA"):
        samples, alpha = samples[..., :-1], samples[..., -1]
    photo = replace(images.photo_of(samples), alpha=alpha)

    def close(done: Sequence[Array]) -> Image.Image:
        if done[0].ndim == 3 and done[0].dtype == np.uint16:
            raise UsageError("Pillow has no 16-bit colour for the result; give the mosaic as a numpy array.")
        pixels = done[0] if alpha is None else np.dstack([done[0], alpha])
        restored = Image.fromarray(pixels.astype(">u2") if mode == "I;16B" else pixels)
        restored.info = {k: v for k, v in image.info.items() if k != "transparency" or mode == image.mode}
        return restored

    return OpenedPicture([photo], close)


def _open_tensor(tensor: Tensor) -> OpenedPicture:
    import torch

    shape = tuple(tensor.shape)
    if len(shape) not in (3, 4) or shape[-3] not in (1, 3) or not tensor.numel():
        raise UsageError(f"a tensor must be (C, H, W) or (B, C, H, W) with 1 or 3 channels, not {shape}.")
    if not tensor.is_floating_point() and tensor.dtype not in (torch.uint8, torch.uint16):
        raise UsageError(f"a tensor must hold uint8, uint16 or floats, not {tensor.dtype}.")
    given = tensor.detach().cpu()
    arrays = (given.float() if given.is_floating_point() else given).numpy().reshape(-1, *shape[-3:])
    photos = [_checked(images.photo_of(np.ascontiguousarray(array.transpose(1, 2, 0)))) for array in arrays]

    def close(done: Sequence[Array]) -> Tensor:
        channelled = [pixels if pixels.ndim == 3 else pixels[..., None] for pixels in done]
        batch = np.ascontiguousarray(np.stack(channelled).transpose(0, 3, 1, 2))
        restored = torch.from_numpy(batch if len(shape) == 4 else batch[0])
        return restored.to(device=tensor.device, dtype=tensor.dtype)

    return OpenedPicture(photos, close)


def _checked(photo: Photo) -> Photo:
    if photo.pixels.dtype.kind == "f" and np.abs(photo.pixels).max() > MAX_FLOAT:
        low, high = photo.pixels.min(), photo.pixels.max()
        raise UsageError(f"floats must be on the scale 0..1, not {low:g}..{high:g}; divide them by white.")
    return photo
