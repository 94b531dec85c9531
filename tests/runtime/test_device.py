"""The choice of precision, and its effect on results."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from magn_cli.api.loading import load_photo_restorer
from magn_cli.errors import UsageError
from magn_cli.images import photo_of
from magn_cli.runtime import precision


def psnr(a, b):
    return -10 * np.log10(np.square((a.astype(float) - b.astype(float)) / 65535).mean())


def test_auto_is_decided_by_what_the_processor_can_do(monkeypatch):
    cpu = torch.device("cpu")
    for able, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(precision, "has_bf16", lambda where, able=able: able)
        assert precision.choose_type("auto", cpu) == expected
        assert precision.choose_type("fp32", cpu) == torch.float32
    with pytest.raises(UsageError, match="unknown precision"):
        precision.choose_type("int8", cpu)


def test_bf16_is_read_from_the_processor():
    listing = Path("/proc/cpuinfo")
    if not listing.exists():
        pytest.skip("this system does not list what its processor can do")
    words = set(listing.read_text().split())
    expected = "amx_bf16" in words or {"avx512_bf16", "AuthenticAMD"} <= words
    assert precision.has_bf16(torch.device("cpu")) == expected


@pytest.mark.parametrize("quality", [10, 40, 90])
def test_bf16_moves_the_result_by_less_than_a_hundredth_of_a_decibel(otter, tmp_path, quality):
    Image.fromarray(otter).save(tmp_path / "a.jpg", quality=quality)
    picture = np.asarray(Image.open(tmp_path / "a.jpg")).astype(np.uint16) * 257
    clean = otter.astype(np.uint16) * 257
    results = [
        psnr(load_photo_restorer("jpeg", precision=name).restore(photo_of(picture), quality).pixels, clean)
        for name in ("fp32", "bf16")
    ]
    assert results[0] > psnr(picture, clean) + 0.3
    assert abs(results[0] - results[1]) < 0.01


def test_demosaicing_is_computed_in_fp32_unless_asked_otherwise(monkeypatch):
    monkeypatch.setattr(precision, "has_bf16", lambda where: True)
    chosen = {
        (task, precision): load_photo_restorer(task, precision=precision).tiled.dtype
        for task in ("jpeg", "demosaic")
        for precision in ("auto", "bf16")
    }
    assert chosen["demosaic", "auto"] == torch.float32
    assert chosen["demosaic", "bf16"] == chosen["jpeg", "auto"] == torch.bfloat16
