"""Raw files of cameras: reading, the mosaic, developing."""
