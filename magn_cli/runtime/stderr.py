"""Who may use standard error: C libraries are kept from it now and then, for the whole process."""

import threading

in_use = threading.RLock()
"""Held by who writes there and by who takes it away for a while."""
