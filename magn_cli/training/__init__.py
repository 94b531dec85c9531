"""Training: photographs to pairs, pairs to a checkpoint."""
