"""Checkpoints: which there are, and what one file holds."""
