"""A browser to look at pages with: the system's Chromium, without a network."""

import os
import shutil
from contextlib import contextmanager

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
