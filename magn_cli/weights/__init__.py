"""Checkpoints: the registry, downloads, and reading and writing files."""
