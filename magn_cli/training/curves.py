"""``curves.png``: PSNR and SSIM against the step, as in the paper's figures 10 and 11."""

from __future__ import annotations

import io
import logging
from pathlib import Path

from magn_cli import atomic
from magn_cli.training import record

log = logging.getLogger(__name__)


def draw(log_file: Path, target: Path) -> bool:
    """Draw what a run's ``log.csv`` holds; return False where that cannot be, and log why."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        log.info("no %s: it needs pip install 'magn-cli[train]'", target.name)
        return False
    lines = record.read(log_file)
    validated = [line for line in lines if "psnr" in line]
    if not validated:
        return False
    figure = Figure(figsize=(12, 3.6), dpi=120, layout="constrained")
    steps = [line["step"] for line in validated]
    for axes, name, title in zip(
        figure.subplots(1, 3), ("psnr", "ssim", "loss"), ("PSNR (dB)", "SSIM", "Training loss"), strict=True
    ):
        if name == "loss":
            axes.plot([line["step"] for line in lines], [line["loss"] for line in lines], linewidth=0.8)
            axes.set_yscale("log")
        else:
            axes.plot(steps, [line[name] for line in validated], marker="o", markersize=3)
        axes.set_title(title)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    try:
        atomic.write_bytes(target, drawn.getvalue())
    except OSError as error:
        log.warning("%s cannot be written (%s)", target, error.strerror)
        return False
    return True
