"""Analysis of pictures: noise, JPEG blocks, JPEG quality."""
