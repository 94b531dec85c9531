"""Files as cameras and programs write them: read whole, and whatever is left out is told."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from magn_cli import images
from magn_cli.errors import ImageError
from magn_cli.images.metadata import icc, tags
from magn_cli.images.metadata import xmp as packets
from tests.support import as_written as files
from tests.support.commands import magn, refused
from tests.support.pictures import parsed

PICTURE = files.picture()
SRGB = icc.srgb_profile()
XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"


def packet(attributes=b"", elements=b""):
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" dc:title="mine" '
        + attributes
        + b">"
        + elements
        + b"</rdf:Description></rdf:RDF></x:xmpmeta>"
    )


def plain():
    return images.decode(files.jpeg()).pixels


def has_place_and_date(block):
    exif = parsed(block)
    return exif.get_ifd(0x8769)[0x9003] == "2024:05:06 07:08:09" and exif.get_ifd(0x8825)[2] == (52, 30, 0)


JPEG = files.jpeg()
START, END = files.scan_bytes(JPEG)
ADOBE = files.segment(0xEE, b"Adobe\0d\0\0\0\0\1")
RESOURCE = b"Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00\xff\xffabc"


@pytest.mark.parametrize(
    "data",
    [
        JPEG[:20] + b"\0" + JPEG[20:],
        JPEG[:20] + b"\0\1\2\xff\0\3" + JPEG[20:],
        JPEG[:20] + b"\xff\xff\xff" + JPEG[20:],
        files.with_segments(JPEG, files.segment(0xEE, b"Adobe\0d")),
        files.with_segments(JPEG, ADOBE[:9]),
        files.with_segments(JPEG, files.segment(0xED, RESOURCE)),
        files.with_segments(JPEG, files.segment(0xED, RESOURCE)[:-9]),
        files.with_segments(JPEG, files.segment(0xE0, b"JF")),
        files.with_segments(JPEG, files.segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff")),
        files.with_segments(JPEG, files.segment(0xE2, b"MPF\0II*\0")),
        files.with_segments(JPEG, files.segment(0xE2, b"ICC_PROFILE\0")),
        files.with_segments(JPEG, files.segment(0xFE, b"")),
        JPEG[:END] + bytes(40) + JPEG[END:],
        JPEG + bytes(100),
    ],
)
def test_the_look_at_segments_is_not_stricter_than_the_decoder(data):
    photo = images.decode(data)
    assert (photo.pixels == plain()).all()
    assert photo.quantization is not None


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}, {"restart_marker_blocks": 2}])
def test_a_jpeg_without_its_end_marker(options, caplog):
    data = files.jpeg(**options)
    assert (images.decode(data[:-2]).pixels == images.decode(data).pixels).all()
    assert "end marker" in caplog.text
    for lost in (5, 20, 100, len(data) // 3):
        with pytest.raises(ImageError, match="truncated or damaged"):
            images.decode(data[:-lost])


MOTION = (
    b'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1" '
    b'GCamera:MotionPhotoVersion="1"'
)
MOTION_ELEMENTS = (
    b'<c:MotionPhoto xmlns:c="http://ns.google.com/photos/1.0/camera/">1</c:MotionPhoto>'
    b'<Container:Directory xmlns:Container="http://ns.google.com/photos/1.0/container/" '
    b'xmlns:Item="http://ns.google.com/photos/1.0/container/item/"><rdf:Seq><rdf:li rdf:parseType="Resource">'
    b'<Container:Item Item:Mime="video/mp4" Item:Semantic="MotionPhoto"/></rdf:li></rdf:Seq></Container:Directory>'
)


@pytest.mark.parametrize("xmp", [packet(MOTION), packet(elements=MOTION_ELEMENTS)])
@pytest.mark.parametrize("behind", [b"\0\0\0\x18ftypmp42" + bytes(999), b"MotionPhoto_Data" + b"\1" * 99])
def test_the_video_of_a_motion_photo(xmp, behind, caplog):
    data = files.with_segments(JPEG, files.segment(0xE1, XMP_HEADER + xmp)) + behind
    kept = images.decode(data).metadata.xmp
    assert "video" in caplog.text
    assert b"Motion" not in kept and b"Container" not in kept and b'dc:title="mine"' in kept


@pytest.mark.parametrize(
    ("attributes", "elements", "gone"),
    [
        (b'xmlns:h="http://ns.adobe.com/hdr-gain-map/1.0/" h:Version="1.0"', b"", b"gain-map"),
        (
            b'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"',
            b"<hdrgm:GainMapMax><rdf:Seq><rdf:li>3</rdf:li></rdf:Seq></hdrgm:GainMapMax><hdrgm:Version/>",
            b"hdrgm",
        ),
        (b"xmlns:xmpNote='http://ns.adobe.com/xmp/note/' xmpNote:HasExtendedXMP='AB12'", b"", b"HasExtendedXMP"),
        (b'xmlns:GDepth="http://ns.google.com/photos/1.0/depthmap/" GDepth:Mime="image/png"', b"", b"GDepth"),
    ],
)
def test_nothing_is_announced_that_was_left_out(attributes, elements, gone):
    kept = packets.without_announcements(packet(attributes, elements))
    assert gone not in kept
    assert kept.replace(b'"mine" >', b'"mine">') == packet().replace(b'"mine" >', b'"mine">')


def test_other_properties_of_a_packet_stay():
    whole = packet(b'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:BurstID="7"')
    assert packets.without_announcements(whole) == whole


@pytest.mark.parametrize("size", [65_000, 65_400, 65_500])
def test_large_maker_notes_stay(tmp_path, size, caplog):
    block = files.exif(maker_note=size - len(files.exif(maker_note=256)) + 256)
    assert len(block) == size
    (tmp_path / "a.jpg").write_bytes(files.with_segments(JPEG, files.segment(0xE1, b"Exif\0\0" + block)))
    result = magn("restore", tmp_path / "a.jpg", "--task", "jpeg", "--out", tmp_path / "b.jpg")
    assert result.exit_code == 0, result.output
    kept = images.read(tmp_path / "b.jpg").metadata.exif
    assert has_place_and_date(kept)
    assert len(parsed(kept).get_ifd(0x8769)[37500]) > 60_000


@pytest.mark.parametrize(
    ("options", "lost", "has_note"),
    [
        ({"maker_note": 40_000, "thumbnail": 30_000}, "thumbnail", True),
        ({"maker_note": 70_000}, "maker note", False),
    ],
)
def test_what_does_not_fit_into_a_jpeg_goes_in_part(options, lost, has_note, caplog):
    block = files.exif(**options)
    like = images.Photo(PICTURE, None, images.Metadata(exif=block), None, "PNG")
    kept = images.decode(images.encode(PICTURE, "JPEG", like, software="magn")).metadata.exif
    assert has_place_and_date(kept) and parsed(kept)[305] == "magn"
    assert (37500 in parsed(kept).get_ifd(0x8769)) == has_note
    assert lost in caplog.text


@pytest.mark.parametrize(
    "chunk",
    [
        files.chunk(b"eXIf", b"Exif\0\0" + files.exif(6)),
        files.chunk(b"eXIf", files.exif(6)),
        files.chunk(b"tEXt", b"Raw profile type exif\0" + files.hexadecimal("exif", b"Exif\0\0" + files.exif(6))),
        files.chunk(b"tEXt", b"Raw profile type APP1\0" + files.hexadecimal("generic", files.exif(6))),
        files.chunk(
            b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(files.hexadecimal("exif", files.exif(6)))
        ),
        files.chunk(b"iTXt", b"Raw profile type exif\0\0\0\0\0" + files.hexadecimal("exif", files.exif(6))),
        files.chunk(
            b"iTXt", b"Raw profile type exif\0\1\0\0\0" + zlib.compress(files.hexadecimal("exif", files.exif(6)))
        ),
    ],
)
def test_exif_of_png_files_is_found_wherever_it_is(tmp_path, chunk):
    (tmp_path / "a.png").write_bytes(files.png(chunk))
    photo = images.read(tmp_path / "a.png")
    assert (photo.pixels == np.rot90(PICTURE, -1)).all() and photo.turned == 6
    assert has_place_and_date(photo.metadata.exif)
    assert parsed(photo.metadata.exif)[274] == 1


def test_xmp_iptc_and_profiles_in_text_chunks():
    notes = b"\x1c\x02\x78\0\7caption"
    resources = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(notes)) + notes
    chunks = [
        files.chunk(b"tEXt", b"Raw profile type " + name + b"\0" + files.hexadecimal(name.decode(), content))
        for name, content in ((b"xmp", packet()), (b"iptc", resources), (b"icc", SRGB))
    ]
    metadata = images.decode(files.png(*chunks)).metadata
    assert (metadata.xmp, metadata.iptc, metadata.icc) == (packet(), notes, SRGB)


def test_text_chunks_that_are_no_profile(caplog):
    bad = files.chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n 20\nxyz"))
    assert images.decode(files.png(bad)).metadata.exif is None
    assert "EXIF profile" in caplog.text


@pytest.mark.parametrize(
    "xmp",
    [
        packet(b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"'),
        packet(b'xmlns:t="http://ns.adobe.com/tiff/1.0/"', b"<t:Orientation>6</t:Orientation>"),
    ],
)
@pytest.mark.parametrize("format", ["PNG", "AVIF", "WEBP", "JPEG", "TIFF"])
def test_an_orientation_that_only_xmp_states(xmp, format):
    file = io.BytesIO()
    if format == "PNG":
        file.write(files.png(files.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)))
    elif format == "TIFF":
        file.write(files.tiff(PICTURE, t700=(1, tuple(xmp))))
    else:
        Image.fromarray(PICTURE).save(file, format, xmp=xmp)
    photo = images.decode(file.getvalue())
    assert photo.pixels.shape[:2] == (64, 48) and photo.turned == 6
    assert packets.stated_orientation(photo.metadata.xmp) == 1
    for kind in ("PNG", "JPEG", "TIFF", "WEBP"):
        assert images.decode(images.encode(photo.pixels, kind, photo)).pixels.shape[:2] == (64, 48)


def test_exif_counts_before_xmp():
    xmp = packet(b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"')
    chunks = files.chunk(b"eXIf", files.exif(1)), files.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    assert images.decode(files.png(*chunks)).turned == 1


GEO = {"t33550": (12, (0.5, 0.5, 0.0)), "t34735": (3, (1, 1, 0, 1, 1024, 0, 1, 1))}


class TestTiff:
    @pytest.mark.parametrize("extra", [{"t338": (3, (0, 0))}, {}])
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_three_bands_called_gray(self, extra, dtype, caplog):
        samples = files.picture(dtype)
        assert (images.decode(files.tiff(samples, t262=(3, (1,)), **extra)).pixels == samples).all()
        assert "three bands" in caplog.text
        assert (images.decode(files.tiff(samples, without=(262,), **extra)).pixels == samples).all()

    @pytest.mark.parametrize("bands", [4, 5])
    def test_bands_that_are_no_picture(self, bands):
        samples = np.dstack([PICTURE, PICTURE])[..., :bands]
        with pytest.raises(ImageError, match=f"{bands} bands"):
            images.decode(files.tiff(samples, t338=(3, (0,) * (bands - 1))))

    def test_a_channel_that_is_no_alpha(self, caplog):
        samples = np.dstack([PICTURE, PICTURE[..., :1]])
        photo = images.decode(files.tiff(samples, t262=(3, (2,)), t338=(3, (0,))))
        assert (photo.pixels == PICTURE).all() and photo.alpha is None
        assert "infrared" in caplog.text

    def test_alpha_behind_another_channel(self, caplog):
        samples = np.dstack([PICTURE, PICTURE[..., :2]])
        photo = images.decode(files.tiff(samples, t262=(3, (2,)), t338=(3, (0, 2))))
        assert (photo.alpha == PICTURE[..., 1]).all()
        assert "infrared" in caplog.text

    @pytest.mark.parametrize("changed", [{"without": (279,)}, {"t279": (4, (0,))}, {"t279": (4, (2**31,))}])
    def test_byte_counts_that_are_missing_or_wrong(self, changed):
        assert (images.decode(files.tiff(PICTURE, **changed)).pixels == PICTURE).all()
        stored = zlib.compress(PICTURE.tobytes())
        changed = {"t259": (3, (8,)), "shape": PICTURE.shape, "bits": 8} | changed
        assert (images.decode(files.tiff(stored, **changed)).pixels == PICTURE).all()

    @pytest.mark.parametrize("without", [(277,), (278,), (262,), (277, 278, 279)])
    def test_tags_that_follow_from_others(self, without):
        assert (images.decode(files.tiff(PICTURE, without=without)).pixels == PICTURE).all()

    def test_too_few_samples_are_damage(self):
        with pytest.raises(ImageError, match="truncated or damaged"):
            images.decode(files.tiff(PICTURE, without=(279,), t257=(4, (4000,)), t278=(4, (4000,))))

    @pytest.mark.parametrize(("number", "name"), [(34887, "LERC"), (50002, "JPEG XL"), (34712, "JPEG 2000")])
    def test_a_missing_decoder_is_not_the_fault_of_the_file(self, tmp_path, number, name):
        (tmp_path / "a.tif").write_bytes(files.tiff(PICTURE, t259=(3, (number,))))
        refused(
            magn("restore", tmp_path / "a.tif"), 1, "a.tif", f"uses {name} compression, which magn does not read"
        )

    def test_one_page_called_a_thumbnail(self):
        assert (images.decode(files.tiff(PICTURE, t254=(4, (1,)))).pixels == PICTURE).all()

    def test_the_page_of_full_resolution(self, tmp_path):
        with tifffile.TiffWriter(tmp_path / "a.tif") as file:
            file.write(PICTURE[::4, ::4], photometric="rgb", subfiletype=1)
            file.write(PICTURE, photometric="rgb", compression="zlib", predictor=True)
        assert (images.read(tmp_path / "a.tif").pixels == PICTURE).all()

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
    @pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (16, 32)}, {"byteorder": ">"}])
    def test_bigtiff(self, tmp_path, dtype, options):
        samples = files.picture(dtype)
        extra = [(274, "H", 1, 6, True), (271, "s", 5, "ACME", True)]
        tifffile.imwrite(tmp_path / "a", samples, bigtiff=True, photometric="rgb", extratags=extra, **options)
        photo = images.read(tmp_path / "a")
        assert (photo.pixels == np.rot90(samples, -1)).all()
        assert parsed(photo.metadata.exif)[271] == "ACME"

    def test_bigtiff_that_pillow_decodes(self):
        samples = np.packbits(PICTURE[..., 0] > 127, axis=1)
        data = files.tiff(samples.tobytes(), big=True, shape=(48, 64, 1), bits=1)
        assert (images.decode(data).pixels == np.where(PICTURE[..., 0] > 127, 255, 0)).all()

    @pytest.mark.parametrize("bits", [2, 4, 6, 10, 12, 14])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_packed_samples(self, bits, channels):
        values = files.picture(np.uint16)[..., :channels] >> (16 - bits)
        single = (values.reshape(48, -1, 1) >> np.arange(bits - 1, -1, -1)) & 1
        rows = np.packbits(single.reshape(48, -1).astype(np.uint8), axis=1).tobytes()
        photo = images.decode(files.tiff(rows, shape=(48, 64, channels), bits=bits))
        top = 255 if bits < 8 else 65535
        assert photo.pixels.dtype == (np.uint8 if bits < 8 else np.uint16)
        expected = np.rint(values * (top / (2**bits - 1))).squeeze()
        assert np.abs(photo.pixels.astype(int) - expected).max() <= 0

    @pytest.mark.parametrize("deep", [False, True])
    def test_lab(self, deep, caplog):
        to_lab = ImageCms.buildTransform(
            ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB", 1
        )
        smooth = np.asarray(Image.fromarray(PICTURE).resize((16, 12)).resize((64, 48)))
        lab = np.asarray(ImageCms.applyTransform(Image.fromarray(smooth), to_lab)).copy()
        samples = lab
        if deep:
            light = lab[..., :1].astype(np.uint16) * 257
            samples = np.dstack([light, lab[..., 1:].view(np.int8).astype(np.int16).view(np.uint16) << 8])
        photo = images.decode(files.tiff(samples, t262=(3, (8,))))
        assert photo.pixels.dtype == samples.dtype and "L*a*b*" in caplog.text
        scale = 257 if deep else 1
        assert np.abs(photo.pixels / scale - smooth).mean() < 2

    def test_geotiff(self, tmp_path, caplog):
        (tmp_path / "a.tif").write_bytes(files.tiff(PICTURE, **GEO))
        result = magn(
            "restore", tmp_path / "a.tif", "--task", "denoise", "--level", 25, "--out", tmp_path / "b.tif"
        )
        assert result.exit_code == 0, result.output
        with tifffile.TiffFile(tmp_path / "b.tif") as file:
            page = file.pages[0].tags
            assert page[33550].value == (0.5, 0.5, 0.0) and page[34735].value == (1, 1, 0, 1, 1024, 0, 1, 1)
        photo = images.read(tmp_path / "a.tif")
        images.encode(PICTURE, "PNG", photo)
        assert "GeoTIFF" in caplog.text
        caplog.clear()
        turned = images.decode(files.tiff(PICTURE, t274=(3, (6,)), **GEO))
        assert turned.metadata.geo is None and "GeoTIFF" in caplog.text

    def test_damaged_metadata_is_no_obstacle(self, caplog):
        data = bytearray(files.tiff(PICTURE, t34675=(1, tuple(SRGB)), t700=(1, tuple(packet()))))
        page = tags.read_directory(data)
        for tag in (34675, 700):
            struct.pack_into("<I", data, page.positions[tag] + 8, 2**31)
        photo = images.decode(bytes(data))
        assert (photo.pixels == PICTURE).all() and photo.metadata.icc is None
        assert "colour profile is damaged" in caplog.text and "XMP packet is damaged" in caplog.text


@pytest.mark.parametrize(
    ("part", "name"),
    [
        (files.segment(0xE1, b"FLIR\0\1\0\0" + b"\1" * 99), "thermal data (FLIR)"),
        (files.segment(0xEB, b"JP\0\1\0\0\0\1\0\0\0\x20jumbc2pa"), "content credentials (C2PA)"),
        (files.segment(0xE5, b"camera data"), "APP5"),
    ],
)
def test_segments_that_are_left_out_are_named(part, name, caplog):
    images.decode(files.with_segments(JPEG, part))
    assert caplog.text.count("Left out") == 1 and name in caplog.text


def test_credentials_in_png(caplog):
    images.decode(files.png(files.chunk(b"caBX", b"jumb")))
    assert "content credentials (C2PA)" in caplog.text


def icc_segment(content, number=1, count=1):
    return files.segment(0xE2, b"ICC_PROFILE\0" + bytes([number, count]) + content)


def test_profiles_of_which_a_part_is_missing(caplog):
    data = files.with_segments(JPEG, icc_segment(SRGB[:300], 1, 2))
    assert images.decode(data).metadata.icc is None
    assert "colour profile" in caplog.text
    caplog.clear()
    assert images.decode(files.png(files.chunk(b"iCCP", b"name\0\0garbage"))).metadata.icc is None
    assert "colour profile" in caplog.text


@pytest.mark.parametrize(
    "parts",
    [
        [icc_segment(SRGB, 1, 2)],
        [icc_segment(SRGB, 0, 0)],
        [icc_segment(SRGB[300:], 2, 2), icc_segment(SRGB[:300], 1, 2)],
        [icc_segment(SRGB[:300], 1, 9), icc_segment(SRGB[300:], 2, 9)],
    ],
)
def test_whole_profiles_with_a_wrong_count(parts, caplog):
    assert images.decode(files.with_segments(JPEG, *parts)).metadata.icc == SRGB
    assert caplog.text == ""


@pytest.mark.parametrize("options", [{"index": b"R03", "colour_space": 65535}, {"colour_space": 2}])
def test_adobe_rgb_by_exif(tmp_path, options):
    (tmp_path / "a.jpg").write_bytes(
        files.with_segments(JPEG, files.segment(0xE1, b"Exif\0\0" + files.exif(**options)))
    )
    result = magn("restore", tmp_path / "a.jpg", "--task", "jpeg", "--out", tmp_path / "b.png")
    assert result.exit_code == 0 and "Adobe RGB" in result.stderr
    with Image.open(tmp_path / "b.png") as image:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), "RGB", "RGB", 1)
    green = ImageCms.applyTransform(Image.new("RGB", (1, 1), (100, 200, 100)), transform).getpixel((0, 0))
    assert green[0] < 20 and abs(green[1] - 202) < 4 and abs(green[2] - 93) < 6


def test_other_colour_spaces_by_exif():
    for options in ({"index": b"R98", "colour_space": 65535}, {"colour_space": 1}, {}):
        part = files.segment(0xE1, b"Exif\0\0" + files.exif(**options))
        assert images.decode(files.with_segments(JPEG, part)).metadata.icc is None
    part = files.segment(0xE1, b"Exif\0\0" + files.exif(index=b"R03"))
    assert images.decode(files.with_segments(JPEG, part, icc_segment(SRGB))).metadata.icc == SRGB


def test_alpha_of_nothing_but_zeros_in_a_bmp():
    photo = images.decode(files.bmp_with_alpha(np.zeros(files.SIZE, np.uint8)))
    assert (photo.pixels == PICTURE).all() and photo.alpha is None
    alpha = np.zeros(files.SIZE, np.uint8)
    alpha[3, 4] = 255
    assert (images.decode(files.bmp_with_alpha(alpha)).alpha == alpha).all()


def test_compressions_of_bmp():
    with pytest.raises(ImageError, match="JPEG compression inside a BMP"):
        images.decode(files.bmp_with_alpha(np.zeros(files.SIZE, np.uint8), compression=4))


@pytest.mark.parametrize("kind", [b"PLTE", b"tEXt", b"pHYs"])
def test_wrong_checksums_in_png(kind):
    extra = [] if kind == b"PLTE" else [files.chunk(kind, b"Comment\0x" if kind == b"tEXt" else bytes(9))]
    data = bytearray(files.png(*extra, mode="P"))
    expected = images.decode(bytes(data)).pixels
    at = data.index(kind)
    size = int.from_bytes(data[at - 4 : at], "big")
    data[at + 4 + size] ^= 0xFF
    assert (images.decode(bytes(data)).pixels == expected).all()


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"\0\0\2\0" + bytes(8) + struct.pack("<HHBB", 64, 64, 24, 0) + bytes(99), "Targa"),
        (b"\0\1\1\0\0\0\1\x18" + bytes(4) + struct.pack("<HHBB", 64, 64, 8, 0) + bytes(99), "Targa"),
        (b"\0\0\2\0\1\0\x20\x20\0\0\0\0\0\0" + struct.pack("<II", 99, 22) + bytes(99), "cursor"),
        (b"\0\0\1\0\1\0\x20\x20\0\0\1\0\x18\0" + struct.pack("<II", 99, 22) + bytes(99), "icon"),
        (b"<!DOCTYPE html><html><body>Not found</body></html>", "web page"),
        (b"PK\3\4" + bytes(60), "ZIP"),
        (bytes(200), "contains no JPEG"),
    ],
)
def test_other_files_under_the_name_of_a_picture(tmp_path, start, words):
    (tmp_path / "a.png").write_bytes(start)
    refused(magn("restore", tmp_path / "a.png"), 1, "a.png", words)
