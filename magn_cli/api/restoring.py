"""Restores pictures in Python: ``load``, ``restore`` and the classes that they return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Unpack, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from magn_cli.api.loading import AUTO, Loader, LoadOptions, Pattern
from magn_cli.api.pictures import OpenedPicture, Picture, open_picture
from magn_cli.inference.options import Level, check_level
from magn_cli.inference.restored_photo import PhotoNetwork, RestoredPhoto
from magn_cli.tasks import get_task

if TYPE_CHECKING:
    from torch import Tensor

P = TypeVar("P")
Sample = TypeVar("Sample", bound=np.generic)


@dataclass(frozen=True)
class Restored(Generic[P]):
    """A restored picture with its task and level.

    Example:
        >>> import magn_cli
        >>> restored = magn_cli.load().restore("photo.jpg")
        >>> restored.pixels.shape
        (48, 64, 3)
        >>> restored.task, restored.level, restored.reason
        ('jpeg', 20.0, "from the file's quantization tables")
    """

    pixels: P
    """The restored picture, of the same kind as the input."""

    task: str | None
    """Name of the task; None if nothing had to be done."""

    level: float | None
    """Level that the network used, in the task's units; None if unknown, or without levels."""

    reason: str
    """Where the level comes from, or why nothing was done, in words."""


class Restorer:
    """Restores pictures with a network that stays loaded. :func:`load` creates it.

    Example:
        >>> import magn_cli
        >>> restorer = magn_cli.load("denoise", strength=0.8)
        >>> noisy = magn_cli.read("noisy.png")
        >>> clean = restorer(noisy, level=25)
        >>> clean.shape == noisy.shape and clean.dtype == noisy.dtype
        True
    """

    def __init__(self, photos: PhotoNetwork, task: str) -> None:
        """Use :func:`load` instead.

        Args:
            photos: restores photos.
            task: name of the task, or ``auto``.
        """
        self.photos, self.task = photos, task

    def __repr__(self) -> str:
        return f"<magn_cli.Restorer for {self.task}>"

    @overload
    def __call__(self, picture: str | PathLike[str], *, level: Level = "auto") -> NDArray[Any]: ...
    @overload
    def __call__(self, picture: NDArray[Sample], *, level: Level = "auto") -> NDArray[Sample]: ...
    @overload
    def __call__(self, picture: Image.Image, *, level: Level = "auto") -> Image.Image: ...
    @overload
    def __call__(self, picture: Tensor, *, level: Level = "auto") -> Tensor: ...
    def __call__(self, picture: Picture, *, level: Level = "auto") -> Any:
        """Restore a picture and return the same kind, shape and type. The input is not changed.

        Args:
            picture: one of

                - a path. The result is an array ``(H, W)`` gray or ``(H, W, 3)`` RGB of the file's depth, the
                  right way up (uint16 for a camera's raw file).
                - a numpy array ``(H, W)``, ``(H, W, 1)`` or ``(H, W, 3)``; uint8, uint16, or floats 0..1.
                - a Pillow image of mode L, LA, RGB, RGBA, I;16 or I;16B. The result keeps its ``info``, its alpha
                  and its fully transparent pixels. Modes 1, P and PA become L, RGB or RGBA.
                - a torch tensor ``(C, H, W)`` or ``(B, C, H, W)`` with 1 or 3 channels, on any device; uint8,
                  uint16, or floats 0..1. Pictures of a batch are restored one by one, without gradients.

                ``demosaic`` returns three channels for a Bayer mosaic with one channel.
            level: a number in the task's units (sigma 0..75, JPEG quality 5..95), ``auto`` to find it in the
                picture, or ``unknown`` to restore without it. The exact quality of a JPEG can only be read from
                its file, not from pixels.

        Raises:
            ImageError: the file cannot be read, or the task cannot be applied to it.
            UsageError: the kind, shape, type or range of the picture is not supported; the level is out of range,
                or given without a task.
        """
        return self.restore(picture, level=level).pixels

    @overload
    def restore(self, picture: str | PathLike[str], *, level: Level = "auto") -> Restored[NDArray[Any]]: ...
    @overload
    def restore(self, picture: NDArray[Sample], *, level: Level = "auto") -> Restored[NDArray[Sample]]: ...
    @overload
    def restore(self, picture: Image.Image, *, level: Level = "auto") -> Restored[Image.Image]: ...
    @overload
    def restore(self, picture: Tensor, *, level: Level = "auto") -> Restored[Tensor]: ...
    @overload
    def restore(self, picture: Picture, *, level: Level = "auto") -> Restored[Any]: ...
    def restore(self, picture: Picture, *, level: Level = "auto") -> Restored[Any]:
        """Restore a picture and return the result with its task, level and reason.

        Arguments and errors are as for calling the restorer. For a batch, ``task`` and ``level`` are None unless
        all pictures share them, and ``reason`` lists the pictures by number.
        """
        wanted = check_level(None if self.task == AUTO else get_task(self.task), level)
        return _restored(self.photos, open_picture(picture, self.photos.mosaics), wanted)


def load(
    task: str = AUTO,
    *,
    preset: str = "magn-s",
    weights: str | PathLike[str] | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    tile: int | None = None,
    compile: bool = False,
    strength: float = 1.0,
    ensemble: bool = False,
    pattern: Pattern | None = None,
    options: Mapping[str, object] | None = None,
) -> Restorer:
    """Load a network to restore many pictures with.

    Args:
        task: one of ``magn_cli.TASKS`` (``denoise``, ``jpeg``, ``demosaic``), or ``auto`` to choose for each
            picture whether and how to restore it. Networks for ``auto`` are loaded when a picture first needs
            them.
        preset: preset in the registry of weights; ignored with ``weights``.
        weights: a ``.safetensors`` file made by ``magn train``, or a file on the Hugging Face Hub:
            ``hf://user/repo/file.safetensors@revision``. Requires a task.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``. ``auto`` chooses bf16 if it is faster and does not
            affect the task's results.
        threads: CPU threads, 1..1024, for all of torch in this process; None keeps torch's setting,
            and restores pictures of at most 128 x 128 pixels in one thread.
        tile: side of a tile in pixels, 16..32768; None to choose by free memory. It affects memory use, and the
            result only in the last bits.
        compile: use ``torch.compile``, which takes a minute or two at first.
        strength: share of the network's change to apply, 0..1; not for ``demosaic``.
        ensemble: average the results for the eight rotated and mirrored forms of a picture. This is a little
            better and takes eight times as long.
        pattern: Bayer pattern for ``demosaic``; None to take it from the file, or else ``grbg``.
        options: other settings of the task, by name.

    Raises:
        UsageError: a task, preset, device, precision or option is unknown, or a number is out of range.
        WeightsError: the checkpoint does not exist, is damaged, or is for another task.

    Example:
        >>> import magn_cli
        >>> restorer = magn_cli.load("jpeg", threads=1)
        >>> restorer("photo.jpg").shape
        (48, 64, 3)
        >>> from PIL import Image
        >>> restorer(Image.open("photo.jpg"), level=20).mode
        'RGB'
    """
    loader = Loader(
        task,
        preset=preset,
        weights=weights,
        device=device,
        precision=precision,
        threads=threads,
        tile=tile,
        compile=compile,
        strength=strength,
        ensemble=ensemble,
        pattern=pattern,
        options=options,
    )
    return Restorer(loader.load(), task)


@overload
def restore(
    picture: str | PathLike[str], task: str = AUTO, *, level: Level = "auto", **settings: Unpack[LoadOptions]
) -> NDArray[Any]: ...
@overload
def restore(
    picture: NDArray[Sample], task: str = AUTO, *, level: Level = "auto", **settings: Unpack[LoadOptions]
) -> NDArray[Sample]: ...
@overload
def restore(
    picture: Image.Image, task: str = AUTO, *, level: Level = "auto", **settings: Unpack[LoadOptions]
) -> Image.Image: ...
@overload
def restore(
    picture: Tensor, task: str = AUTO, *, level: Level = "auto", **settings: Unpack[LoadOptions]
) -> Tensor: ...
def restore(picture: Picture, task: str = AUTO, *, level: Level = "auto", **settings: Unpack[LoadOptions]) -> Any:
    """Restore one picture. To restore many, :func:`load` a restorer once.

    Args:
        picture: a path, numpy array, Pillow image or torch tensor, see :meth:`Restorer.__call__`.
        task: as for :func:`load`; ``auto`` chooses whether and how to restore the picture.
        level: in the task's units (sigma 0..75, JPEG quality 5..95), ``auto`` or ``unknown``.
        settings: as for :func:`load`.

    Returns:
        The restored picture, of the same kind, shape and type; for a path, an array of the file's depth, the right
        way up.

    Raises:
        ImageError: the file cannot be read. This is checked before a network is loaded.
        UsageError: as for :func:`load`, or the picture or level is not supported.
        WeightsError: as for :func:`load`.

    Example:
        >>> import magn_cli
        >>> pixels = magn_cli.restore("photo.jpg")
        >>> pixels.shape, pixels.dtype
        ((48, 64, 3), dtype('uint8'))
        >>> import numpy as np
        >>> mosaic = np.full((32, 32), 0.5)
        >>> magn_cli.restore(mosaic, "demosaic", pattern="rggb").shape
        (32, 32, 3)
    """
    loader = Loader(task, **settings)
    wanted = check_level(None if task == AUTO else get_task(task), level)
    opened = open_picture(picture, loader.mosaics)
    return _restored(loader.load(), opened, wanted).pixels


def _restored(photos: PhotoNetwork, opened: OpenedPicture, level: Level) -> Restored[Any]:
    done = [photos.restore(photo, level) for photo in opened.photos]
    pixels = opened.close([one.pixels for one in done])
    tasks, levels = {one.task for one in done}, {one.found.level for one in done}
    return Restored(
        pixels,
        tasks.pop() if len(tasks) == 1 else None,
        levels.pop() if len(levels) == 1 else None,
        _reason(done),
    )


def _reason(done: list[RestoredPhoto]) -> str:
    words = [one.found.how for one in done]
    if len(set(words)) == 1:
        return words[0]
    return "; ".join(f"picture {number}: {how}" for number, how in enumerate(words, 1))
