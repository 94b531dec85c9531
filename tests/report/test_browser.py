"""The pages in a real browser: by keyboard and mouse, in both colour schemes, on a phone, without script."""

import re

import pytest
from PIL import Image

from tests.support.browser import CONTRASTS, chromium, opener
from tests.support.commands import magn

NASTY = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def report(tmp_path_factory, otter):
    folder = tmp_path_factory.mktemp("report")
    (folder / "clean").mkdir()
    for name, part in (("b", otter), ("a", otter[:120, :140]), (NASTY, otter[20:, 40:])):
        Image.fromarray(part).save(folder / "clean" / f"{name}.png")
    words = ("eval", folder / "clean", "--task", "denoise", "--level", "15,50", "--baseline", "nlm")
    done = magn(*words, "--baselines-only", "--html", folder / "r.html")
    assert done.exit_code == 0, done.output
    return folder / "r.html"


@pytest.fixture(scope="module")
def comparison(tmp_path_factory, otter):
    folder = tmp_path_factory.mktemp("comparison")
    wide = Image.fromarray(otter).resize((1500, 300))
    wide.save(folder / "wide.jpg", quality=15)
    done = magn("restore", folder / "wide.jpg", "--task", "jpeg", "--compare", folder / "c.html")
    assert done.exit_code == 0, done.output
    return folder / "c.html"


@pytest.fixture
def opened(browser):
    with opener(browser) as open_page:
        yield open_page


def revealed(card):
    """Position of the divider in pixels of the page, from the left edge of the picture."""
    clips = [
        card.locator(f"img.{side}").evaluate("e => getComputedStyle(e).clipPath") for side in ("left", "right")
    ]
    right = float(re.search(r"([\d.]+)px\)$", clips[1])[1])
    return clips[0], right


def cards(page):
    return page.locator(".picture")


def test_the_slider_by_keyboard(report, opened):
    page = opened(report)
    card = cards(page).first
    card.scroll_into_view_if_needed()
    width = card.locator(".frame").bounding_box()["width"]
    slider = card.get_by_role("slider")
    slider.focus()
    assert revealed(card)[1] == pytest.approx(width / 2, abs=1)
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert slider.input_value() == "60" and revealed(card)[1] == pytest.approx(width * 0.6, abs=1)
    page.keyboard.press("Home")
    assert revealed(card)[1] == 0
    page.keyboard.press("End")
    assert revealed(card)[1] == pytest.approx(width, abs=1)
    assert slider.get_attribute("aria-valuetext") == "100 % degraded"
    assert "Divider between degraded and nlm of" in slider.evaluate("e => e.labels[0].textContent")
    outline = slider.evaluate("e => getComputedStyle(e).outlineStyle")
    assert outline != "none"


def test_the_slider_by_mouse(report, opened):
    page = opened(report)
    card = cards(page).nth(1)
    card.scroll_into_view_if_needed()
    box = card.locator(".frame").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.3)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.6, steps=4)
    left, right = revealed(card)
    assert right == pytest.approx(box["width"] * 0.25, abs=1)
    assert f"calc(100% - {right:g}px)" in left
    page.mouse.move(box["x"] - 200, box["y"])
    assert revealed(card)[1] == 0
    page.mouse.up()
    page.mouse.move(box["x"] + 100, box["y"] + 10)
    assert revealed(card)[1] == 0
    assert card.get_by_role("slider").input_value() == "0"


def test_a_finger_moves_the_divider_by_its_grip_and_elsewhere_the_picture(comparison, opened):
    page = opened(comparison, viewport={"width": 360, "height": 700}, has_touch=True, is_mobile=True)
    card = cards(page).first
    card.locator(".frame").scroll_into_view_if_needed()
    screen = page.context.new_cdp_session(page)

    def drag(start, by):
        for i, kind in enumerate(["touchStart", *["touchMove"] * 5, "touchEnd"]):
            points = [] if kind == "touchEnd" else [{"x": start[0] + by * min(i, 5) / 5, "y": start[1]}]
            screen.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    frame, grip = (card.locator(part).bounding_box() for part in (".frame", ".grip"))
    drag((grip["x"] + grip["width"] / 2, grip["y"] + grip["height"] / 2), -100)
    assert revealed(card)[1] == pytest.approx(frame["width"] / 2 - 100, abs=2)
    before = card.get_by_role("slider").input_value()
    drag((frame["x"] + 300, frame["y"] + 30), -150)
    page.wait_for_function("document.querySelector('.stage').scrollLeft > 50")
    assert card.get_by_role("slider").input_value() == before


def test_the_divider_shows_one_picture_on_each_side(report, opened):
    """What is on the screen left of the divider is the degraded picture, right of it the restored one."""
    page = opened(report)
    card = cards(page).first
    card.scroll_into_view_if_needed()
    page.get_by_label("mark regions").uncheck()
    page.locator(".divider").evaluate_all("all => all.forEach((e) => e.remove())")
    card.get_by_role("slider").fill("50")
    both = card.locator(".layers").screenshot()
    alone = []
    for side in ("left", "right"):
        name = card.locator(f"img.{side}").get_attribute("data-state")
        page.get_by_label("Left").select_option(name)
        page.get_by_label("Right").select_option(name)
        alone.append(card.locator(".layers").screenshot())
        page.get_by_label("Left").select_option("degraded")
        page.get_by_label("Right").select_option("nlm")
    # Without the rows at the edges: a box may begin between two pixels of the screen.
    both, first, second = (as_pixels(shot)[2:-2] for shot in (both, *alone))
    middle = both.shape[1] // 2
    assert (first != second).any()
    assert (both[:, : middle - 1] == first[:, : middle - 1]).all()
    assert (both[:, middle + 1 :] == second[:, middle + 1 :]).all()


def as_pixels(png):
    import io

    import numpy as np

    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_the_table_sorts(report, opened):
    page = opened(report)
    table = page.locator("table.sorts")
    header = table.get_by_role("columnheader", name="PSNR", exact=True)
    column = 3  # after picture, level and the input's

    def values():
        return [float(t) for t in table.locator(f"tbody tr td:nth-child({column + 1})").all_inner_texts()]

    before = values()
    assert header.get_attribute("aria-sort") is None
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "ascending" and values() == sorted(before) != before
    header.get_by_role("button").press("Enter")
    assert header.get_attribute("aria-sort") == "descending" and values() == sorted(before, reverse=True)
    table.get_by_role("columnheader", name="picture").get_by_role("button").press("Space")
    assert header.get_attribute("aria-sort") is None
    names = table.locator("tbody th").all_inner_texts()
    assert names == sorted(names) and len(set(names)) == 3
    table.get_by_role("link", name="a.png").first.click()
    assert page.url.split("#")[1] in [card.get_attribute("id") for card in cards(page).all()]


def test_zoom_is_one_pixel_to_one_pixel_and_its_multiples(report, opened):
    page = opened(report)
    card = cards(page).first
    image = card.locator("img.right")
    image.evaluate("e => e.decode()")
    assert image.bounding_box()["width"] == image.evaluate("e => e.naturalWidth")
    page.get_by_text("400 %").click()
    assert image.bounding_box()["width"] == 4 * image.evaluate("e => e.naturalWidth")
    assert image.evaluate("e => getComputedStyle(e).imageRendering") == "pixelated"


def test_a_zoomed_picture_scrolls_under_the_divider(comparison, opened):
    page = opened(comparison)
    card = cards(page).first
    stage = card.locator(".stage")
    assert card.locator("img.right").bounding_box()["width"] == 1500
    width = card.locator(".frame").bounding_box()["width"]
    assert width < 1200
    stage.evaluate("e => { e.scrollLeft = 200; e.dispatchEvent(new Event('scroll')); }")
    assert revealed(card)[1] == pytest.approx(200 + width / 2, abs=1)


def test_regions_are_enlarged(report, opened):
    page = opened(report)
    card = cards(page).first
    assert card.locator(".crop").count() == 3
    crop = card.locator(".crop").first
    region = card.locator(".region")
    assert crop.bounding_box()["width"] == 2 * int(region.get_attribute("data-width"))
    x = int(region.get_attribute("data-x"))
    assert crop.locator("img").evaluate("e => e.offsetLeft") == -2 * x


@pytest.mark.parametrize("which", ["report", "comparison"])
@pytest.mark.parametrize("width", [360, 768])
def test_nothing_leaves_a_narrow_screen(which, width, opened, request):
    page = opened(
        request.getfixturevalue(which),
        viewport={"width": width, "height": 640},
        device_scale_factor=2,
        has_touch=True,
    )
    page.locator("details").evaluate_all("all => all.forEach((e) => e.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert cards(page).first.get_by_role("slider").bounding_box()["width"] <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(report, opened, scheme):
    page = opened(report, color_scheme=scheme)
    page.locator("details").evaluate_all("all => all.forEach((e) => e.open = true)")
    found = page.evaluate(CONTRASTS)
    assert len(found) > 50
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)" if scheme == "light" else "rgb(22, 22, 22)"
    )
    bad = [(text, round(ratio, 2)) for text, ratio in found if ratio < 4.5]
    assert bad == []


def test_linked_pictures_are_loaded(tmp_path, otter, opened):
    (tmp_path / "clean").mkdir()
    Image.fromarray(otter).save(tmp_path / "clean" / "a picture, 100 %.png")
    words = ("eval", tmp_path / "clean", "--task", "jpeg", "--level", 10, "--baselines-only", "--link-images")
    assert magn(*words, "--html", tmp_path / "r & s.html").exit_code == 0
    page = opened(tmp_path / "r & s.html")
    loaded = page.locator(".layers img").evaluate_all(
        "all => Promise.all(all.map((e) => e.decode().then(() => e.naturalWidth)))"
    )
    assert loaded == [200, 200]


def test_without_script_the_pictures_lie_side_by_side(report, opened):
    page = opened(report, java_script_enabled=False)
    assert page.locator(".states img").count() == 6 * 3
    card = cards(page).first
    card.scroll_into_view_if_needed()
    assert all(image.is_visible() for image in card.locator("img").all())
    assert not page.locator(".toolbar").is_visible()
    assert card.locator("figcaption").all_inner_texts()[0].startswith("degraded")
