"""Run by test_distributed.py, alone or under torchrun: saves the gradients of one step.

python gradients.py PHOTO OUT
"""

import sys
from pathlib import Path

import torch

from magn_cli import images
from magn_cli.training import recipe
from magn_cli.training.engine import Engine
from magn_cli.training.loop import Trainer

NETWORK = {
    "features": 16, "graph_features": 16, "blocks_before": 1, "blocks_after": 1, "heads": 2, "patch_features": 8,
    "window": 32, "window_overlap": 8,
}  # fmt: skip
TRAINING = {"max_steps": 1, "batch": 8, "precision": "fp32", "warmup": 0, "clip": 0.5}

photo, out = images.read(Path(sys.argv[1])).pixels, Path(sys.argv[2])
torch.set_num_threads(1)
engine = Engine("cpu")
chosen = recipe.resolve({"task": "jpeg", "data": ["photos"], "network": NETWORK, "training": TRAINING})
trainer = Trainer(chosen, out, engine)
# Batch norm by its running statistics: else each process would see the mean of its own crops.
trainer.model.eval()
trainer.model.train = lambda mode=True: trainer.model
gather = trainer.optimizer.gather


def watch(scaler):
    norm = gather(scaler)
    gradients = {name: p.grad.clone() for name, p in trainer.model.named_parameters()}
    torch.save(gradients, out / f"gradients-{engine.rank}-of-{engine.world}.pt")
    return norm


trainer.optimizer.gather = watch
trainer.run([photo], [photo], lambda progress: None)
engine.close()
