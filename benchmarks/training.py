"""Compare patches per second of `magn train` with the bare forward and backward pass of the same network.

    python benchmarks/training.py --data photos/
    python benchmarks/training.py --data photos/ --preset magn --batch 32 --device cuda

The loop also reads pictures, degrades crops, steps the optimizer, and keeps the running mean and its log. Both are
measured in turns in one run.
"""

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import measuring
import torch

from magn_cli.runtime.allocator import keep_freed_memory
from magn_cli.training import leakage, photos, recipe
from magn_cli.training.engine import Engine
from magn_cli.training.loop import Trainer, loss_of


@dataclass
class Turns:
    """Interrupts the loop at intervals to measure the bare passes.

    Only the second half of a turn counts, when the pairs that workers prepared during the interruption are used
    up.
    """

    trainer: Trainer
    steps: int
    rounds: int
    loop: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    began: float = 0.0

    def __call__(self) -> bool:
        """Handle a step; the loop calls this before each one."""
        done = self.trainer.state.step
        if done and done % self.steps == 0:
            if self.began:
                self.loop.append((time.perf_counter() - self.began) / (self.steps - self.steps // 2))
            self.bare.append(self.passes())
        elif done > self.steps and done % self.steps == self.steps // 2:
            self.began = time.perf_counter()
        return len(self.loop) == self.rounds

    def passes(self) -> float:
        trainer = self.trainer
        shape = (trainer.options.batch, trainer.config.channels, trainer.config.window, trainer.config.window)
        batch = trainer.engine.to_device(torch.rand(shape))
        level = trainer.engine.to_device(torch.rand(len(batch)))
        seconds = []
        for _ in range(self.steps // 2):
            began = time.perf_counter()
            with torch.autocast(trainer.engine.device.type, trainer.dtype, enabled=trainer.dtype != torch.float32):
                restored = trainer._forward(batch, level)
            loss_of(trainer.options.loss, restored.float(), batch, batch).backward()
            if trainer.engine.device.type == "cuda":
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - began)
            trainer.optimizer.zero_grad()
        return sum(seconds) / len(seconds)


def main() -> None:
    parser = measuring.options(__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--task", default="jpeg")
    parser.add_argument("--preset", default="magn-s")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--steps", type=int, help="steps in a turn (default: 40 on a CPU, 400 elsewhere)")
    given = parser.parse_args()
    device = measuring.prepare(given)
    keep_freed_memory(1 << 30)  # as magn train does
    given.steps = given.steps or (40 if device.type == "cpu" else 400)
    training = {"batch": given.batch, "precision": given.precision, "save_every": 10**8, "validate_every": 10**8}
    values = {"task": given.task, "data": [str(given.data)], "preset": given.preset, "training": training}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        trainer = Trainer(recipe.resolve(values), out, Engine(str(device)))
        packed = photos.pack([given.data], out / "cache", trainer.config.window, leakage.NONE)
        turns = Turns(trainer, given.steps, given.repeat)
        held = packed.photos.part([0])
        waiting: list[float] = []
        trainer.run(packed.photos, held, lambda line: waiting.append(line.waiting), turns)
    rows = []
    for loop, bare in zip(turns.loop, turns.bare, strict=False):
        rows.append({"loop": given.batch / loop, "bare": given.batch / bare, "share": bare / loop})
    rows.sort(key=lambda row: row["share"])
    middle = rows[len(rows) // 2]
    about = f"{given.preset}, {given.task}, batch {given.batch}, {trainer.options.precision}"
    result = [{"network": about, **middle, "waiting": sum(waiting) / len(waiting)}]
    measuring.show(given, device, list(result[0]), result)


if __name__ == "__main__":
    main()
