"""Inference: array to array, picture to picture."""
