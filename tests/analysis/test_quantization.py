"""The quality that a file's quantization tables stand for."""

import io

import numpy as np
import pytest
from PIL import Image, JpegPresets

from magn_cli.analysis.quantization import nearest_quality


def photoshop(name):
    return [np.array(table).reshape(8, 8) for table in JpegPresets.presets[name]["quantization"]]


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("web_low", 26, 36), ("web_medium", 61, 72), ("low", 68, 78), ("medium", 80, 87), ("high", 87, 92)],
)
def test_photoshops_tables_get_the_quality_at_which_the_network_gains_most(name, low, high):
    """Measured by benchmarks/jpeg_tables.py. The tables of "low" have coarse steps where a photograph has most."""
    quality, exact = nearest_quality(*photoshop(name))
    assert low <= quality <= high and not exact


@pytest.mark.parametrize("name", ["web_low", "medium"])
@pytest.mark.parametrize("gray", [False, True])
def test_coarser_tables_get_a_lower_quality(name, gray):
    luma, chroma = photoshop(name)
    found = [
        nearest_quality(luma * times // 2, None if gray else chroma * times // 2)[0] for times in (2, 3, 4, 6)
    ]
    assert found == sorted(found, reverse=True) and len(set(found)) == len(found)


def test_one_other_step_stays_near_but_is_not_exact():
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "JPEG", quality=75)
    with Image.open(file) as image:
        luma = np.array(image.quantization[0]).reshape(8, 8)
    assert nearest_quality(luma) == (75, True)
    luma[7, 7] += 1
    quality, exact = nearest_quality(luma)
    assert abs(quality - 75) <= 1 and not exact
