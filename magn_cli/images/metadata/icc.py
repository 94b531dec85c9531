"""The colour profile of pictures that are made here."""

from PIL import ImageCms

_DATE = slice(24, 36)
_FIRST_OF_2000 = bytes.fromhex("07d000010001000000000000")


def srgb_profile() -> bytes:
    """The ICC profile of sRGB, always the same bytes."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # The time at which it was made would make every file another one.
    profile[_DATE] = _FIRST_OF_2000
    return bytes(profile)
