"""Small broken pictures by the thousand, and a worker that reads and writes them: see ``images/test_fuzz.py``."""
