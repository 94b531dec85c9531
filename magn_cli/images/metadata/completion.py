"""Complete the metadata of a photo that was read, the same way for all formats."""

from dataclasses import replace

from magn_cli.images.metadata import exif, icc, xmp
from magn_cli.images.photo import Photo
from magn_cli.images.warnings import warn


def completed(photo: Photo) -> Photo:
    """Return the photo with metadata that fits its file's picture and nothing else.

    A damaged colour profile is left out with a warning. Colours that only EXIF calls Adobe RGB get a profile. XMP
    no longer announces what magn leaves out.
    """
    metadata = photo.metadata
    profile = icc.usable(metadata.icc)
    # Where the file has a profile, or says of its colours something else, EXIF does not count.
    untold = metadata.icc is None and not metadata.colour and photo.pixels.ndim == 3 and photo.mosaic is None
    if untold and metadata.exif and exif.is_adobe_rgb(metadata.exif):
        profile = icc.adobe_rgb_profile()
        warn("EXIF says that the colours are Adobe RGB; a profile was added, so that every program shows them.")
    packet = metadata.xmp
    if packet and len(packet) > xmp.MAX_PACKET:
        warn(f"The XMP packet of {len(packet) >> 20} MB is larger than any program needs and was left out.")
        packet = None
    packet = packet and xmp.without_announcements(packet)
    if profile == metadata.icc and packet == metadata.xmp:
        return photo
    return replace(photo, metadata=replace(metadata, icc=profile, xmp=packet))
