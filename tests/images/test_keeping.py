"""What a result would keep is what the files hold that are written."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from magn_cli import images
from magn_cli.errors import ImageError
from magn_cli.images import photo_of
from tests.support.pictures import exif_bytes, texture


@pytest.fixture
def photo():
    made = photo_of(texture(np.uint16))
    metadata = replace(made.metadata, exif=exif_bytes(), iptc=b"\x1c\x02\x78\0\1a", dpi=(300.0, 300.0))
    return replace(made, metadata=metadata, alpha=np.full(made.pixels.shape[:2], 1000, np.uint16))


@pytest.mark.parametrize(
    ("format", "lost", "bits"),
    [
        ("PNG", {"IPTC"}, 16),
        ("JPEG", {"alpha"}, 8),
        ("WEBP", {"IPTC", "resolution"}, 8),
        ("TIFF", set(), 16),
    ],
)
def test_by_format(photo, format, lost, bits):
    kept = images.kept_in(photo, format)
    assert set(kept.lost) == lost and kept.bits == bits
    assert set(kept.parts) | lost == {"EXIF", "IPTC", "resolution", "alpha"} == set(images.parts(photo))
    # What is lost is told by the very sentences that writing has.
    assert any("IPTC" in remark for remark in kept.remarks) == ("IPTC" in lost)


def test_too_large_for_a_format():
    photo = photo_of(np.zeros((1, 17_000), np.uint8))
    with pytest.raises(ImageError, match="WebP holds at most"):
        images.kept_in(photo, "WEBP")
    assert images.kept_in(photo, "JPEG").lost == ()


def test_nothing_is_logged(photo, caplog):
    for format in images.OUTPUT_FORMATS:
        images.kept_in(photo, format)
    assert not caplog.records


def test_a_summary_of_exif():
    summary = images.exif_summary(exif_bytes())
    assert summary.camera == "Maker" and not summary.has_location
    assert images.exif_summary(b"no EXIF") == images.ExifSummary()


def test_a_summary_names_the_camera_once_and_tells_of_a_place():
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "ACME", "ACME 7"
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 0.0)}
    exif[0x8769] = {0x9003: "2024:05:06 07:08:09", 0x8827: 3200}
    summary = images.exif_summary(exif.tobytes().removeprefix(b"Exif\0\0"))
    assert summary == images.ExifSummary("ACME 7", "2024:05:06 07:08:09", 3200, True)


def test_names_of_profiles():
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert "sRGB" in images.profile_name(profile)
    assert images.profile_name(b"no profile") is None
