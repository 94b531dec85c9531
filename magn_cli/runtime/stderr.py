"""A lock for standard error, which is redirected at times to silence C libraries, for the whole process."""

import threading

in_use = threading.RLock()
"""Hold this lock to write to standard error, or to redirect it."""
