"""Debian's Chromium, driven by playwright: one browser for a run, a context for each who looks."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright, expect

SEEN_MS = 30_000  # a worker that has just started has its partitions by then, and a busy machine has drawn a page
expect.set_options(timeout=SEEN_MS)
NAMES = ("chromium", "chromium-browser", "google-chrome")
# Nothing of a browser's own traffic, and nothing that a container lacks: no sandbox of its own, no GPU.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)


class NoBrowser(Exception):
    """There is none here; the message says what would bring one."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """
    It runs.

    Raises:
        NoBrowser: It is not installed.
    """
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        raise NoBrowser("no Chromium: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()
