"""Write the pictures of docs/graph.md, and print how much weight goes to the border of the window.

    python scripts/graph_pictures.py [--weights FILE]

Read docs/graph.md again afterwards: what it says of the pictures holds for one network. The picture of the page
needs Chromium and playwright.
"""

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import sync_playwright

from magn_cli import images
from magn_cli.api.loading import load_photo_restorer
from magn_cli.inference.edges import edge_weights
from magn_cli.inference.graph_window import WindowGraph, graph_window

ROOT = Path(__file__).parents[1]
SIGMA = 25
FACADE = ["skyline.png", "--at", "650,330"]
GRASS = ["otter.png", "--at", "1060,530"]
PICTURES = {
    "graph-facade": [*FACADE, "--head", "2"],
    "graph-grass": [*GRASS, "--head", "2"],
    "graph-patch": [*FACADE, "--graph", "patch"],
    "graph-second": [*FACADE, "--convolution", "2"],
}
PAGE = [*FACADE, "--head", "2"]
STEP = 160
"""Distance of the windows whose border is measured, in pixels."""


def graph(words: list[str], out: Path, weights: list[str]) -> None:
    """Run ``magn graph`` on an example."""
    photo, *more = words
    task = ["--task", "denoise", "--level", str(SIGMA)]
    command = [sys.executable, "-m", "magn_cli", "graph", str(ROOT / "examples" / photo), *task, *more]
    subprocess.run([*command, *weights, "--out", str(out)], check=True)


def screenshot(page: Path) -> Image.Image:
    """Return what a browser shows of the upper part of a page."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), chromium_sandbox=False)
        shown = browser.new_page(viewport={"width": 1100, "height": 860})
        shown.goto(page.as_uri())
        shown.wait_for_selector(".graph:not([hidden])")
        shot = shown.screenshot()
        browser.close()
    return Image.open(io.BytesIO(shot)).convert("RGB")


def border_weight(graph: WindowGraph) -> np.ndarray:
    """Return the share of the nodes that lie at the border of the window, and the mean weight by head they get."""
    at_border = np.ones((graph.nodes.rows.count, graph.nodes.columns.count), bool)
    at_border[1:-1, 1:-1] = False
    weights = edge_weights(graph.query, graph.key).numpy()
    return np.array([at_border.mean(), *weights[..., at_border.ravel()].sum(-1).mean(-1)])


def print_borders(weights: Path | None) -> None:
    """Print the means of :func:`border_weight` over windows of all example photos."""
    restorer = load_photo_restorer("denoise", weights=weights, precision="fp32")
    found = defaultdict(list)
    for path in sorted((ROOT / "examples").glob("*.png")):
        photo = images.read(path)
        height, width = photo.pixels.shape[:2]
        for x in range(STEP // 2, width, STEP):
            for y in range(STEP // 2, height, STEP):
                for one in graph_window(restorer, photo, (x, y), SIGMA).graphs:
                    found[(one.block, one.convolution, one.level)].append(border_weight(one))
    for (block, convolution, level), every in found.items():
        nodes, *by_head = np.mean(every, axis=0)
        print(
            f"block {block}, convolution {convolution}, {level} graph, {len(every)} windows:",
            f"{nodes:.0%} of the nodes are at the border; their weight by head is",
            ", ".join(f"{weight:.0%}" for weight in by_head),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="checkpoint for denoise (default: the bundled one)")
    given = parser.parse_args()
    weights = ["--weights", str(given.weights)] if given.weights else []
    with tempfile.TemporaryDirectory() as folder:
        for name, words in PICTURES.items():
            graph(words, Path(folder) / f"{name}.png", weights)
            Image.open(Path(folder) / f"{name}.png").save(ROOT / "docs" / f"{name}.webp", quality=80, method=6)
        graph(PAGE, Path(folder) / "graph.html", weights)
        screenshot(Path(folder) / "graph.html").save(ROOT / "docs" / "graph-page.webp", quality=80, method=6)
    print_borders(given.weights)


if __name__ == "__main__":
    main()
