"""Write the model cards of the checkpoints in weights.toml, each with a picture of a weakness.

    python scripts/cards.py

``docs/cards/<preset>-<task>/limits.md`` is written by hand. The script writes ``README.md`` and ``limits.png``
beside it from the checkpoint, the registry and an example photo.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from magn_cli.api.loading import load_photo_restorer
from magn_cli.images import from_float, read, to_float
from magn_cli.tasks import get_task
from magn_cli.weights.card import model_card
from magn_cli.weights.checkpoint import load_checkpoint
from magn_cli.weights.registry import entries
from magn_cli.weights.resolve import here

ROOT = Path(__file__).parents[1]
CARDS = ROOT / "docs" / "cards"
DATA = """Trained on 376 photographs (103 megapixels), reduced to at most half their size and saved as JPEG of
quality 97 with 4:4:4; 364 for training, 12 for validation. Their sources and licences are listed at the end of
`docs/weights.md` in magn's repository. No picture of a test set is among them."""
SHOWN = {"denoise": ("otter.png", 50), "jpeg": ("otter.png", 10), "demosaic": ("skyline.png", None)}
"""Photo and level for the picture."""
SIDE, ZOOM = 128, 2


def worst(task: str, weights: Path) -> Image.Image:
    """Return the square with the largest error of a checkpoint, side by side: clean, degraded, restored."""
    name, level = SHOWN[task]
    clean = to_float(read(ROOT / "examples" / name).pixels)
    degraded = get_task(task).degrade(clean, level, np.random.default_rng(0))
    restored = load_photo_restorer(task, weights=weights).restore_values(degraded, level)
    error = np.square(restored - clean).mean(-1)
    sums = [
        (error[top : top + SIDE, left : left + SIDE].sum(), top, left)
        for top in range(0, error.shape[0] - SIDE + 1, SIDE // 2)
        for left in range(0, error.shape[1] - SIDE + 1, SIDE // 2)
    ]
    _, top, left = max(sums)
    cut = [x[top : top + SIDE, left : left + SIDE] for x in (clean, degraded, restored)]
    side_by_side = from_float(np.concatenate(cut, axis=1), np.dtype(np.uint8))
    return Image.fromarray(side_by_side).resize((3 * SIDE * ZOOM, SIDE * ZOOM), Image.Resampling.NEAREST)


for entry in (entry for entry in entries() if not entry.missing):
    folder = CARDS / f"{entry.preset}-{entry.task}"
    path, _ = here(entry)
    about = load_checkpoint(path)[1]
    limits = (folder / "limits.md").read_text(encoding="utf-8").strip()
    photo, at = SHOWN[entry.task]
    named = f"`{photo}`" + (f" at level {at}" if at is not None else "")
    limits += (
        f"\n\n![clean, degraded, restored](limits.png)\n\nThe worst square of {named}: clean, degraded, restored."
    )
    card = model_card(about, path.name, entry.figures, DATA, limits)
    (folder / "README.md").write_text(card, encoding="utf-8")
    worst(entry.task, path).save(folder / "limits.png")
    print(folder / "README.md")
