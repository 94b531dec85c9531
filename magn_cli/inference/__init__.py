"""Inference: runs networks over arrays and photos of any size."""
