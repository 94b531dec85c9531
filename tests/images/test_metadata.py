"""Orientation, profiles, EXIF, XMP and resolution on their way from file to file."""

import io
import struct

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageOps, IptcImagePlugin

from magn_cli import images
from magn_cli.images.metadata import exif as exif_blocks
from magn_cli.images.metadata import iptc, tags
from tests.support import as_written
from tests.support.pictures import MAKER_NOTE, XMP, cmyk, exif_bytes, parsed, photo, save, texture

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GRAY_PROFILE = SRGB[:16] + b"GRAY" + SRGB[20:]


def check_exif(block, orientation=1):
    exif = parsed(block)
    assert exif[ExifTags.Base.Make] == "Maker"
    assert exif.get(ExifTags.Base.Orientation, 1) == orientation
    below = exif.get_ifd(ExifTags.IFD.Exif)
    assert float(below[ExifTags.Base.ExposureTime]) == pytest.approx(0.004)
    assert below[ExifTags.Base.MakerNote] == MAKER_NOTE
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] == (52, 31, 12)
    return exif


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("software", [None, "magn 0.1"])
def test_everything_travels(tmp_path, suffix, dtype, channels, software):
    pixels = texture(dtype, channels)
    profile = SRGB if channels == 3 else GRAY_PROFILE
    like = photo(pixels, icc=profile, exif=exif_bytes(1), xmp=XMP, dpi=(300.0, 150.0))
    path = tmp_path / f"a{suffix}"
    images.write(path, pixels, like, software=software)
    back = images.read(path)
    assert back.metadata.icc == (None if suffix == ".webp" and channels == 1 else profile)
    assert back.metadata.xmp == XMP
    if suffix != ".webp":
        assert back.metadata.dpi == pytest.approx((300, 150), rel=1e-3)
    exif = check_exif(back.metadata.exif)
    renamed = software if software and suffix != ".png" else "Firmware 1.0"
    assert exif[ExifTags.Base.Software] == renamed
    if suffix == ".png" and software:
        with Image.open(path) as image:
            assert image.text["Software"] == software


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_other_programs_find_it(tmp_path, suffix):
    pixels = texture(np.uint8)
    path = tmp_path / f"a{suffix}"
    images.write(path, pixels, photo(pixels, icc=SRGB, exif=exif_bytes(1), xmp=XMP, dpi=(300.0, 150.0)))
    with Image.open(path) as image:
        assert image.info["icc_profile"] == SRGB
        found = image.info.get("xmp", b"") or image.tag_v2[700]
        assert (found if isinstance(found, bytes) else found.encode()) == XMP
        exif = image.getexif()
        assert exif[ExifTags.Base.Make] == "Maker"
        assert exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] == MAKER_NOTE
        if suffix != ".webp":
            assert image.info["dpi"] == pytest.approx((300, 150), rel=1e-3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "LZW"])
def test_orientation_is_applied_once(tmp_path, orientation, format):
    samples = texture(np.uint8, 3 if format == "JPEG" else 4)
    options = {"exif": b"Exif\0\0" + exif_bytes(orientation)}
    if format == "WEBP":
        options |= {"lossless": True, "exact": True}
    if format in ("TIFF", "LZW"):
        compression = "tiff_lzw" if format == "LZW" else "raw"
        format, options = "TIFF", {"tiffinfo": {tags.ORIENTATION: orientation}, "compression": compression}
    path = save(tmp_path / "a", samples, format, **options)
    read = images.read(path)
    if format == "JPEG":
        with Image.open(path) as image:
            samples = np.array(image)
    stored = Image.fromarray(samples)
    stored.getexif()[tags.ORIENTATION] = orientation
    expected = np.array(ImageOps.exif_transpose(stored))
    assert (read.pixels == expected[..., :3]).all()
    assert read.alpha is None or (read.alpha == expected[..., 3]).all()
    assert parsed(read.metadata.exif)[ExifTags.Base.Orientation] == 1
    for suffix in (".png", ".tif"):
        images.write(tmp_path / f"b{suffix}", read.pixels, read)
        again = images.read(tmp_path / f"b{suffix}")
        assert (again.pixels == read.pixels).all()


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_orientation_of_deep_tiff(tmp_path, orientation, dtype):
    pixels = texture(dtype)
    path = tmp_path / "a.tif"
    images.write(path, pixels, photo(pixels, exif=exif_bytes(1)))
    data = bytearray(path.read_bytes())
    directory = tags.read_directory(data)
    struct.pack_into(directory.order + "H", data, directory.positions[tags.ORIENTATION] + 8, orientation)
    path.write_bytes(data)
    assert (images.read(path).pixels == np.rot90(pixels, 2 if orientation == 3 else -1)).all()


def test_what_else_turning_changes(tmp_path):
    block = exif_bytes(6, thumbnail=b"thumbnail")
    path = save(tmp_path / "a", texture(np.uint8), "JPEG", exif=b"Exif\0\0" + block, xmp=XMP, dpi=(300, 150))
    metadata = images.read(path).metadata
    below = check_exif(metadata.exif).get_ifd(ExifTags.IFD.Exif)
    assert (below[ExifTags.Base.ExifImageWidth], below[ExifTags.Base.ExifImageHeight]) == (21, 34)
    assert tags.read_directory(metadata.exif).following == 0
    assert len(metadata.exif) == len(block)
    assert b'tiff:Orientation="1"' in metadata.xmp
    assert metadata.dpi == (150, 300)


def test_nothing_changes_in_an_upright_picture(tmp_path):
    block = exif_bytes(1, thumbnail=b"thumbnail")
    path = save(tmp_path / "a", texture(np.uint8), "JPEG", exif=b"Exif\0\0" + block, xmp=XMP)
    assert images.read(path).metadata.exif == block
    assert images.read(path).metadata.xmp == XMP


def test_a_written_exif_block_always_says_orientation_1(tmp_path):
    pixels = texture(np.uint8)
    for suffix in (".png", ".jpg", ".webp", ".tif"):
        images.write(tmp_path / f"a{suffix}", pixels, photo(pixels, exif=exif_bytes(8)))
        assert images.read(tmp_path / f"a{suffix}").pixels.shape == pixels.shape


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize(("channels", "profile"), [(1, SRGB), (3, GRAY_PROFILE)])
def test_a_profile_for_other_colours_is_left_out(tmp_path, caplog, suffix, channels, profile):
    if suffix == ".webp" and channels == 1:
        pytest.skip("gray pixels are stored as RGB there, so the profile fits")
    pixels = texture(np.uint8, channels)
    images.write(tmp_path / f"a{suffix}", pixels, photo(pixels, icc=profile))
    assert images.read(tmp_path / f"a{suffix}").metadata.icc is None
    assert "profile" in caplog.text


def test_damaged_exif_is_no_obstacle(tmp_path, caplog):
    path = save(tmp_path / "a.jpg", texture(np.uint8), "JPEG", exif=b"Exif\0\0MM\0*garbage")
    read = images.read(path)
    for suffix in (".png", ".jpg", ".webp", ".tif"):
        images.write(tmp_path / f"b{suffix}", read.pixels, read, software="magn")
        assert images.read(tmp_path / f"b{suffix}").pixels.shape == read.pixels.shape
    assert "EXIF block is damaged" in caplog.text


def test_blocks_too_large_for_jpeg_are_left_out(tmp_path, caplog):
    pixels = texture(np.uint8)
    buffer = bytearray(tags.empty())
    record = tags.append_value(buffer, "<", 37510, tags.UNDEFINED, bytes(70000))
    tags.append_directory(buffer, "<", {37510: record}, first=True)
    like = photo(pixels, exif=bytes(buffer), xmp=XMP + bytes(70000), icc=SRGB + bytes(200_000))
    images.write(tmp_path / "a.jpg", pixels, like)
    metadata = images.read(tmp_path / "a.jpg").metadata
    assert metadata.exif is None and metadata.xmp is None and metadata.icc == like.metadata.icc
    assert "EXIF" in caplog.text and "XMP" in caplog.text
    images.write(tmp_path / "a.png", pixels, like)
    assert images.read(tmp_path / "a.png").metadata.exif == like.metadata.exif


NOTES = b"\x1c\x02\x78\0\7caption\x1c\x02\x74\0\4mine"


def test_iptc_travels_between_jpeg_and_tiff(tmp_path, caplog):
    pixels = texture(np.uint8)
    images.write(tmp_path / "a.jpg", pixels, photo(pixels, iptc=NOTES, xmp=XMP, exif=exif_bytes(1)))
    with Image.open(tmp_path / "a.jpg") as image:
        assert IptcImagePlugin.getiptcinfo(image) == {(2, 120): b"caption", (2, 116): b"mine"}
    read = images.read(tmp_path / "a.jpg")
    assert read.metadata.iptc == NOTES and read.metadata.xmp == XMP
    images.write(tmp_path / "b.tif", pixels, read)
    with Image.open(tmp_path / "b.tif") as image:
        assert IptcImagePlugin.getiptcinfo(image) == {(2, 120): b"caption", (2, 116): b"mine"}
    images.write(tmp_path / "c.jpg", pixels, images.read(tmp_path / "b.tif"))
    assert images.read(tmp_path / "c.jpg").metadata.iptc == NOTES
    assert caplog.text == ""
    images.write(tmp_path / "d.png", pixels, read)
    assert "IPTC" in caplog.text


def test_iptc_among_other_resources_of_photoshop(tmp_path):
    name = b"8BIM\x03\xed\x03abc" + struct.pack(">I", 3) + b"xyz\0"
    resources = name + iptc.as_segment(NOTES).removeprefix(b"Photoshop 3.0\0")
    part = b"Photoshop 3.0\0" + resources
    data = save(tmp_path / "a.jpg", texture(np.uint8), "JPEG").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[:20] + b"\xff\xed" + struct.pack(">H", len(part) + 2) + part + data[20:])
    assert images.read(tmp_path / "a.jpg").metadata.iptc == NOTES
    assert iptc.among(name) is None and iptc.among(resources[:-2]) is None


def test_software_is_noted_without_any_other_exif(tmp_path):
    for suffix in (".jpg", ".webp", ".tif"):
        images.write(tmp_path / f"a{suffix}", texture(np.uint8), software="magn 0.1")
        assert parsed(images.read(tmp_path / f"a{suffix}").metadata.exif)[tags.SOFTWARE] == "magn 0.1"


def test_maker_notes_stay_where_they_are():
    block = exif_bytes(6)
    for changed in (exif_blocks.with_software(block, "magn"), exif_blocks.turned_upright(block, 6)):
        assert changed.find(MAKER_NOTE) == block.find(MAKER_NOTE)


def test_resolution_in_centimetres(tmp_path):
    for unit, expected in ((3, 254.0), (2, 100.0)):
        info = {282: 100.0, 283: 100.0, 296: unit}
        path = save(tmp_path / "a.tif", texture(np.uint8), "TIFF", tiffinfo=info)
        assert images.read(path).metadata.dpi == pytest.approx((expected, expected))


def cmyk_profile():
    """A profile that shows every ink as the same middle gray, so that its use cannot be missed."""
    curve = bytes(range(256))
    lab = bytes([128, 128, 128])
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + curve * 4 + lab * 16 + curve * 3
    table += bytes(-len(table) % 4)
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    at = 128 + 4 + 24
    directory = struct.pack(">I4sII4sII", 2, b"A2B0", at, len(table), b"wtpt", at + len(table), len(white))
    header = struct.pack(
        ">I4sI4s4s4s", at + len(table) + len(white), b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab "
    )
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + directory + table + white


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_is_converted_by_its_profile(tmp_path, caplog, format):
    ImageCms.ImageCmsProfile(io.BytesIO(cmyk_profile()))
    read = images.read(save(tmp_path / "a", cmyk(), format, icc_profile=cmyk_profile()))
    assert "converted to sRGB" in caplog.text and read.metadata.icc is None
    assert np.ptp(read.pixels) <= 2 and 100 < read.pixels.mean() < 140


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_an_exif_block_that_is_a_big_tiff(tmp_path, caplog, suffix):
    block = b"II+\0" + struct.pack("<HHQQHHQQQ", 8, 0, 16, 1, 271, 2, 4, 0x41424344, 0)
    images.write(tmp_path / f"a{suffix}", texture(np.uint8), photo(texture(np.uint8), exif=block), software="magn")
    assert "EXIF block is damaged" in caplog.text
    back = images.read(tmp_path / f"a{suffix}")
    assert back.pixels.shape == (21, 34, 3) and b"II+" not in (back.metadata.exif or b"")


def test_a_chain_of_exif_directories(tmp_path, caplog):
    block = bytearray(b"II*\0\x08\0\0\0")
    for number in range(2500):
        below = len(block) + 2 + 12 + 4
        block += struct.pack("<HHHIII", 1, 0x8769, 4, 1, below, 0 if number else 8)
    block += bytes(70_000 - len(block))
    images.write(tmp_path / "a.jpg", texture(np.uint8), photo(texture(np.uint8), exif=bytes(block)))
    assert "too large" in caplog.text and images.read(tmp_path / "a.jpg").pixels.shape == (21, 34, 3)


def test_exif_values_outside_of_their_block(tmp_path, caplog):
    """In a TIFF file, pixels lie where they point to."""
    block = bytearray(exif_bytes(1))
    page = tags.read_directory(block)
    struct.pack_into(page.order + "HII", block, page.positions[ExifTags.Base.Make] + 2, 2, 40, len(block) + 100)
    images.write(tmp_path / "a.tif", texture(np.uint8), photo(texture(np.uint8), exif=bytes(block)))
    assert "could not be read of it was left out" in caplog.text
    exif = parsed(images.read(tmp_path / "a.tif").metadata.exif)
    assert ExifTags.Base.Make not in exif
    assert exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] == MAKER_NOTE


def test_a_profile_that_no_jpeg_file_can_hold(tmp_path, caplog):
    profile = SRGB + bytes(17 << 20)
    images.write(tmp_path / "a.jpg", texture(np.uint8), photo(texture(np.uint8), icc=profile))
    assert "colour profile is larger than a JPEG file can hold" in caplog.text
    assert images.read(tmp_path / "a.jpg").metadata.icc is None


def test_uncompressed_ycbcr_is_not_called_damaged(tmp_path):
    data = as_written.tiff(bytes(12 * 4), shape=(8, 4, 3), bits=8, t262=(3, (6,)), t530=(3, (2, 2)))
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(images.decoding.ImageError, match="not supported"):
        images.read(tmp_path / "a.tif")
