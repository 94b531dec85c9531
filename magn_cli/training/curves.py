"""``curves.png``: PSNR and SSIM against the step, as in the paper's figures 10 and 11."""

from __future__ import annotations

import io
import logging
from pathlib import Path

from magn_cli.files import atomic
from magn_cli.report import plotting
from magn_cli.training import record

log = logging.getLogger(__name__)


def draw(log_file: Path, target: Path) -> bool:
    """Draw what a run's ``log.csv`` holds; return False where that cannot be, and log why."""
    if not plotting.is_available():
        log.info("%s is not drawn: run pip install 'magn-cli[train]' to get it", target.name)
        return False
    lines = record.read(log_file)
    if not any("psnr" in line for line in lines):
        return False
    drawn = io.BytesIO()
    with plotting.style():
        figure = plotting.figure(12, 3.6)
        titles = {"psnr": "PSNR (dB)", "ssim": "SSIM", "loss": "Training loss"}
        for axes, (name, title) in zip(figure.subplots(1, 3), titles.items(), strict=True):
            there = [(line["step"], line[name]) for line in lines if name in line]
            steps, values = zip(*there, strict=True)
            if name == "loss":
                axes.plot(steps, values, color=plotting.SOFT, linewidth=0.8)
                axes.set_yscale("log")
            else:
                axes.plot(steps, values, color=plotting.OURS, marker="o")
                plotting.label_lines(
                    axes, [(steps[-1], values[-1], f"{values[-1]:.{4 if name == 'ssim' else 2}f}", plotting.OURS)]
                )
            axes.set_title(title)
            axes.set_xlabel("step")
        figure.savefig(drawn, format="png")
    try:
        atomic.write_bytes(target, drawn.getvalue())
    except OSError as error:
        log.warning("%s cannot be written (%s)", target, error.strerror)
        return False
    return True
