"""A browser to look at pages with: the system's Chromium, without a network."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def required(reason):
    """Skip for who has no browser; in CI there has to be one."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def chromium():
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        required("no Chromium is installed")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        required("playwright is not installed")
    with sync_playwright() as driver:
        sandbox = os.name == "nt" or os.geteuid() != 0
        browser = driver.chromium.launch(executable_path=path, chromium_sandbox=sandbox)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opener(browser):
    """Give a function that opens a page in a context of its own.

    At the end, check that the pages sent no requests and logged no messages.
    """
    contexts, asked, said = [], [], []

    def open_page(path, **settings):
        context = browser.new_context(**{"viewport": {"width": 1200, "height": 800}, **settings})
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.goto(Path(path).as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    own = [url for url in asked if url.startswith(("data:", "file:"))]
    assert asked and asked == own
    assert said == []


CONTRASTS = """() => {
  // WCAG 2: relative luminance, and the contrast of each text with what lies behind it.
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b]
    .map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = numbers(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || !element.checkVisibility() || element.closest("script, template, option, title, desc")) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(numbers(element.closest("svg") ? style.fill : style.color)), light(behind(element))];
    found.push([text, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]);
  }
  return found;
}"""
