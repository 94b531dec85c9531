"""Small broken pictures by the thousand, and a worker that reads and writes them: see test_images_fuzz.py."""
