"""Write the README's picture: part of an example photo before and after ``magn restore``, at 100 %.

python scripts/before_after.py
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "examples" / "otter.jpg"
PICTURE = ROOT / "docs" / "before-after.webp"
LEFT, TOP, WIDTH, HEIGHT = 370, 170, 420, 380
GAP = 8


def restored(photo: Path) -> Image.Image:
    """Restore a file like ``magn restore`` without options."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "restored.png"
        subprocess.run([sys.executable, "-m", "magn_cli", "restore", photo, "--out", result], check=True)
        return Image.open(result).convert("RGB")


part = (LEFT, TOP, LEFT + WIDTH, TOP + HEIGHT)
before, after = (np.asarray(image.crop(part)) for image in (Image.open(PHOTO).convert("RGB"), restored(PHOTO)))
gap = np.full((HEIGHT, GAP, 3), 255, np.uint8)
Image.fromarray(np.concatenate([before, gap, after], axis=1)).save(PICTURE, quality=92, method=6)
print(PICTURE)
