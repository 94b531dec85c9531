"""What the machine gives: device, precision, threads, memory of the process."""
