"""Networks of others, to measure beside ours. Their structure is from the papers; none of their files is here.

DnCNN: Zhang et al. 2017, 17 layers of 64 channels. FFDNet: Zhang et al. 2018, at half resolution with a map of the
noise level, 15 layers of 64 channels for gray and 12 of 96 for colour. DAGL: Mou et al. 2021, from a checkout.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def convolutions(incoming: int, width: int, outgoing: int, count: int) -> nn.Sequential:
    """``count`` 3x3 convolutions with ReLU between them, batch norms merged."""
    layers: list[nn.Module] = [nn.Conv2d(incoming, width, 3, padding=1), nn.ReLU(inplace=True)]
    for _ in range(count - 2):
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(width, outgoing, 3, padding=1))


def dncnn(channels: int) -> nn.Module:
    return convolutions(channels, 64, channels, 17)


class FFDNet(nn.Module):
    """FFDNet for pictures of 1 or 3 channels and even size, untrained unless its own file is given."""

    def __init__(self, channels: int, folder: Path | None = None) -> None:
        super().__init__()
        width, count, name = (64, 15, "gray") if channels == 1 else (96, 12, "color")
        self.body = convolutions(4 * channels + 1, width, 4 * channels, count)
        if folder:
            self._read(folder / f"FFDNet_{name}.mat")

    def forward(self, x: Tensor) -> Tensor:
        low = F.pixel_unshuffle(x, 2)
        level = low.new_full((len(low), 1, *low.shape[2:]), 25 / 255)
        return F.pixel_shuffle(self.body(torch.cat([low, level], 1)), 2)

    def _read(self, path: Path) -> None:
        """Read the weights of a MatConvNet file, which must have this structure."""
        # Imported here, as it needs h5py, scipy and onnx.
        from peers import layers_of

        own = [layer for layer in self.body if isinstance(layer, nn.Conv2d)]
        stored = [filters for filters in layers_of(path) if filters is not None]
        for layer, (weight, bias) in zip(own, stored, strict=True):
            layer.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})


def dagl(checkout: Path) -> nn.Module:
    """DAGL's official network for 3 channels, untrained, from a checkout of its repository."""
    sys.path.insert(0, str(checkout / "DN_Gray"))
    settings = argparse.Namespace(n_resblocks=16, n_feats=64, n_colors=3, res_scale=1, rgb_range=1.0)
    network: nn.Module = importlib.import_module("model.dagl").make_model(settings)
    return network
