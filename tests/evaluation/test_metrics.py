"""Metrics against scikit-image where the definitions are the same, by hand where they are not."""

import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from magn_cli.evaluation.metrics import blocking_effect, psnr, psnr_b, ssim_gaussian, ssim_uniform


def two_pictures(shape, seed=0):
    rng = np.random.default_rng(seed)
    reference = rng.random(shape)
    return np.clip(reference + rng.normal(0, 0.1, shape), 0, 1), reference


@pytest.mark.parametrize("shape", [(40, 33), (25, 60, 3), (11, 11)])
def test_psnr_and_gaussian_ssim_are_scikit_images(shape):
    restored, reference = two_pictures(shape)
    assert psnr(restored, reference) == pytest.approx(peak_signal_noise_ratio(reference, restored, data_range=1))
    expected = structural_similarity(
        reference,
        restored,
        data_range=1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=2 if len(shape) == 3 else None,
    )
    assert ssim_gaussian(restored, reference) == pytest.approx(expected, abs=1e-9)


def test_uniform_ssim_by_hand():
    restored, reference = two_pictures((10, 9))
    values = []
    for top in range(3):
        for left in range(2):
            a, b = (p[top : top + 8, left : left + 8] for p in (restored, reference))
            covariance = ((a - a.mean()) * (b - b.mean())).mean()
            values.append(
                (2 * a.mean() * b.mean() + 1e-4)
                * (2 * covariance + 9e-4)
                / ((a.mean() ** 2 + b.mean() ** 2 + 1e-4) * (a.var() + b.var() + 9e-4))
            )
    assert ssim_uniform(restored, reference) == pytest.approx(np.mean(values), abs=1e-12)


def test_psnr_b_counts_steps_at_block_borders_only():
    blocks = np.kron(np.random.default_rng(0).random((4, 4)), np.ones((8, 8)))
    steps = np.concatenate([np.diff(blocks, axis=a)[np.diff(blocks, axis=a) != 0] for a in (0, 1)])
    expected = np.square(steps).sum() / (2 * 3 * 32) * math.log2(8) / math.log2(32)
    assert blocking_effect(blocks) == pytest.approx(expected)
    assert psnr_b(blocks, blocks) == pytest.approx(-10 * math.log10(expected))
    smooth = np.add.outer(np.arange(32.0), np.arange(40.0)) / 80
    assert blocking_effect(smooth) == pytest.approx(0, abs=1e-12)
    assert psnr_b(smooth, smooth + 0.1) == pytest.approx(20)


def test_golden_values_do_not_drift():
    restored, reference = two_pictures((48, 56), seed=7)
    values = [f(restored, reference) for f in (psnr, ssim_uniform, ssim_gaussian, psnr_b)]
    np.testing.assert_allclose(values, GOLDEN, atol=1e-6)


def test_equal_pictures_small_pictures_and_unequal_sizes():
    x = np.random.default_rng(0).random((7, 7))
    assert psnr(x, x) == math.inf
    assert math.isnan(ssim_uniform(x, x)) and math.isnan(ssim_gaussian(x, x))
    with pytest.raises(ValueError, match="differ in shape"):
        psnr(x, x[:5])


GOLDEN = [20.5866056, 0.9471074, 0.9449364, 20.5866056]
