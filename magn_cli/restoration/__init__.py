"""Restoration: windows and tiles, arrays, pictures, files."""
