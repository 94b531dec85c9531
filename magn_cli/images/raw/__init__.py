"""Camera raw files: read them, and develop their mosaics."""
