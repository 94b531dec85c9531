"""The machine: device, precision, threads, memory allocation."""
