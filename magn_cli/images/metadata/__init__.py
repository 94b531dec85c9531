"""Metadata of picture files: EXIF, XMP, IPTC, colour profiles and colour chunks."""
