"""Write the README's pictures: parts of an example photo before and after ``magn restore``, at 100 %.

python scripts/before_after.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from magn_cli import images

ROOT = Path(__file__).parents[1]
EXAMPLES, DOCS = ROOT / "examples", ROOT / "docs"
NOISE = 14
"""Sigma of the simulated camera noise."""

WIDTH, HEIGHT, GAP = 420, 380, 8
OTTER, SKYLINE = (370, 170), (480, 240)
"""Left and top of the parts that are shown."""


def magn(*words: object) -> None:
    """Run a command."""
    subprocess.run([sys.executable, "-m", "magn_cli", *map(str, words)], check=True)


def save(before: Path, after: Path, corner: tuple[int, int], picture: Path) -> None:
    """Write both parts beside each other."""
    left, top = corner
    pixels = [images.from_float(images.to_float(images.read(path).pixels), np.uint8) for path in (before, after)]
    parts = [whole[top : top + HEIGHT, left : left + WIDTH] for whole in pixels]
    gap = np.full((HEIGHT, GAP, 3), 255, np.uint8)
    Image.fromarray(np.concatenate([parts[0], gap, parts[1]], axis=1)).save(picture, quality=92, method=6)
    print(picture)


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    magn("restore", EXAMPLES / "otter.jpg", "--out", folder / "otter.png")
    save(EXAMPLES / "otter.jpg", folder / "otter.png", OTTER, DOCS / "before-after.webp")
    for photo, corner in (("otter", OTTER), ("skyline", SKYLINE)):
        source = folder / photo / f"{photo}.png"
        source.parent.mkdir()
        source.write_bytes((EXAMPLES / f"{photo}.png").read_bytes())
        magn("degrade", source.parent, "--task", "denoise", "--noise", "camera", "--level", NOISE, "--out", folder)
        noisy = next((folder / f"denoise-{NOISE}").glob(f"{photo}.*"))
        magn("restore", noisy, "--out", folder / "restored.png", "--overwrite")
        save(noisy, folder / "restored.png", corner, DOCS / f"camera-noise-{photo}.webp")
