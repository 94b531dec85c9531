"""The page of ``magn graph`` in a real browser: by mouse, finger and keyboard, in both schemes, on a phone."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from magn_cli import images
from magn_cli.api.loading import load_photo_restorer
from magn_cli.inference.graph_window import graph_window
from tests.support.browser import CONTRASTS, chromium, opener
from tests.support.commands import magn

AT = 90, 76


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture
def opened(browser):
    with opener(browser) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def photo(tmp_path_factory, otter):
    path = tmp_path_factory.mktemp("graph") / "<b>photo.png"
    Image.fromarray(otter).save(path)
    return path


@pytest.fixture(scope="module")
def page_file(photo):
    out = photo.parent / "graph.html"
    done = magn("graph", photo, "-t", "denoise", "-l", 25, "--at", "{},{}".format(*AT), "-o", out)
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture(scope="module")
def window(photo):
    restorer = load_photo_restorer("denoise", precision="fp32")
    return graph_window(restorer, images.read(photo), AT, 25)


def stage(page):
    return page.get_by_role("application")


def choice(page, name):
    return page.locator(f'select[name="{name}"]')


def said(page):
    return page.get_by_role("status").inner_text()


def chosen(page):
    """x and y of the node that the page speaks of."""
    found = re.search(r"The node at (?:x (\d+), y (\d+)|in the padding)", said(page))
    return tuple(int(n) for n in found.groups() if n)


def on_screen(page):
    """The canvas as pixels."""
    shot = stage(page).locator("canvas").screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)


def table(page):
    return [
        (float(weight.removesuffix(" %")), place)
        for weight, place in page.locator("#strongest tr").evaluate_all(
            "rows => rows.map((row) => [row.cells[0].textContent, row.cells[1].textContent])"
        )
    ]


def place(window, graph, node):
    x, y = graph.nodes.centre(node)
    x, y = int(window.left + x), int(window.top + y)
    height, width = window.photo_size
    return f"x {x}, y {y}" if 0 <= x < width and 0 <= y < height else "in the padding"


@pytest.mark.parametrize("head", [0, 1, 4])
@pytest.mark.parametrize("level", ["pixel", "patch"])
@pytest.mark.parametrize("step", [0, 1])
def test_the_weights_are_those_of_the_network(level, step, head, page_file, window, opened):
    page = opened(page_file)
    choice(page, "graph").select_option(level)
    choice(page, "step").select_option(index=step)
    page.locator(f'input[name="head"][value="{head}"]').check(force=True)
    graph = [g for g in window.graphs if g.level == level][step]
    weights = graph.weights(window.node(graph), head or None)
    order = np.argsort(-weights, kind="stable")[:10]
    shown = table(page)
    assert [weight for weight, _ in shown] == pytest.approx(
        [100 * weights[i] for i in order if weights[i] > 0], abs=0.06
    )
    # Neighbours of nearly the same weight may change places.
    assert shown[0][1] == place(window, graph, order[0]) or weights[order[0]] - weights[order[1]] < 1e-4
    kept = int(re.search(r"keeps (\d+) of", said(page))[1])
    assert abs(kept - int((weights > 0).sum())) <= 1
    assert f"of {len(weights)} nodes" in said(page)
    assert f"{level.capitalize()} graph" in said(page)
    assert ("head by head" in said(page)) == (head == 0)


def test_a_click_chooses_a_node(page_file, window, opened):
    page = opened(page_file)
    before = said(page)
    box = stage(page).bounding_box()
    zoom = box["width"] / window.pixels.shape[1]
    page.mouse.click(box["x"] + 30 * zoom, box["y"] + 51 * zoom)
    # The middle of the node of 8 x 8 pixels that holds it.
    assert said(page) != before
    assert chosen(page) == (window.left + 28, window.top + 52)
    page.mouse.click(box["x"] + box["width"] - 1, box["y"] + 60 * zoom)
    assert chosen(page) == (window.left + 124, window.top + 60)


def test_a_finger_chooses_a_node(page_file, window, opened):
    page = opened(page_file, viewport={"width": 360, "height": 700}, has_touch=True, is_mobile=True)
    stage(page).scroll_into_view_if_needed()
    box = stage(page).bounding_box()
    before = said(page)
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert said(page) != before


def test_the_keyboard_chooses_nodes(page_file, window, opened):
    page = opened(page_file)
    start = chosen(page)
    assert len(start) == 2
    stage(page).evaluate("e => e.focus({ preventScroll: true })")
    assert stage(page).evaluate("e => getComputedStyle(e).outlineStyle") != "none"
    page.keyboard.press("ArrowRight")
    assert chosen(page) == (start[0] + 8, start[1])
    page.keyboard.press("ArrowDown")
    assert chosen(page) == (start[0] + 8, start[1] + 8)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    assert chosen(page) == start
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    first = said(page)
    page.keyboard.press("ArrowRight")
    assert said(page) != first
    assert page.evaluate("scrollY") == 0


def test_everything_is_reached_by_the_keyboard(page_file, opened):
    page = opened(page_file)
    names = []
    for _ in range(8):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.name || document.activeElement.className"))
    # The first press sometimes only wakes the page.
    names = [name for name in names if name]
    assert names[:5] == ["graph", "step", "head", "drawn", "window"]
    page.locator('input[name="head"]').first.focus()
    page.keyboard.press("ArrowRight")
    assert "in head 1" in said(page)
    page.keyboard.press("ArrowRight")
    assert "in head 2" in said(page)


def test_the_place_is_kept_when_the_graph_changes(page_file, opened):
    page = opened(page_file)
    start = chosen(page)
    choice(page, "graph").select_option("patch")
    assert all(abs(a - b) <= 20 for a, b in zip(chosen(page), start, strict=True))
    choice(page, "step").select_option(index=1)
    assert said(page).startswith("Patch graph, block 1, second convolution.")


def test_dropped_nodes_are_dark_and_neighbours_have_discs(page_file, window, opened):
    page = opened(page_file)
    page.locator('input[name="head"][value="2"]').check(force=True)
    graph = window.graphs[0]
    weights = graph.weights(window.node(graph), 2)
    drawn = on_screen(page)
    page.get_by_label("draw the graph").uncheck()
    plain = on_screen(page)
    zoom = drawn.shape[0] / window.pixels.shape[0]
    dark, orange = 0, 0
    middle = lambda node: tuple(round(v * zoom) for v in graph.nodes.centre(node)[::-1])  # noqa: E731
    for node in np.flatnonzero(weights == 0):
        row, column = middle(node)
        corner = row + round(2.5 * zoom), column + round(2.5 * zoom)
        dark += drawn[corner].sum() <= max(plain[corner].sum() * 0.6, 30)
    order = np.argsort(-weights)[:20]
    for node in order:
        orange += np.abs(drawn[middle(node)] - (255, 176, 0)).max() < 60
    assert dark >= 0.8 * (weights == 0).sum()
    assert orange >= 12
    assert (plain != drawn).any()


def test_what_is_shown_is_told_to_screen_readers(page_file, opened):
    page = opened(page_file)
    status = page.get_by_role("status")
    assert status.get_attribute("aria-live") == "polite"
    assert stage(page).get_attribute("aria-label") == "Window of <b>photo.png. Arrow keys choose a node."
    described = stage(page).get_attribute("aria-describedby")
    assert "arrow keys" in page.locator(f"#{described}").inner_text()
    assert page.get_by_role("table", name="Strongest neighbours").get_by_role("row").count() == 11
    assert page.get_by_role("group", name="Head").get_by_role("radio").count() == 5


@pytest.mark.parametrize("width", [320, 360, 768])
def test_nothing_leaves_a_narrow_screen(width, page_file, opened):
    page = opened(page_file, viewport={"width": width, "height": 640}, device_scale_factor=2, has_touch=True)
    page.locator("details").evaluate_all("all => all.forEach((e) => e.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = stage(page).bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width
    assert box["width"] == pytest.approx(box["height"], abs=1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(page_file, opened, scheme):
    page = opened(page_file, color_scheme=scheme)
    page.locator("details").evaluate_all("all => all.forEach((e) => e.open = true)")
    found = page.evaluate(CONTRASTS)
    assert len(found) > 40
    assert [(text, round(ratio, 2)) for text, ratio in found if ratio < 4.5] == []


def test_without_script_one_node_is_shown(page_file, opened):
    page = opened(page_file, java_script_enabled=False)
    still = page.get_by_alt_text(f"The neighbours of the spot at x {AT[0]}, y {AT[1]}")
    still.scroll_into_view_if_needed()
    assert still.is_visible() and still.bounding_box()["width"] > 300
    assert not page.get_by_role("application").is_visible()
    assert page.get_by_role("heading", name="What the network does here").is_visible()


def test_the_page_says_what_the_graph_does(page_file, opened):
    text = opened(page_file).locator("main").inner_text()
    for words in (
        "To restore one spot of a photo, this network also looks at other spots",
        "drops all nodes that score below the mean",
        "weights that add up to 100 %",
        "weighted mean of what the network knows about its neighbours",
        "256 nodes in this window, each 8 \N{MULTIPLICATION SIGN} 8 pixels",
        "overlapping windows of 128 \N{MULTIPLICATION SIGN} 128 pixels",
    ):
        assert words in text, words
