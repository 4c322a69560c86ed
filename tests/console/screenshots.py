"""
`python -m tests.console.screenshots FOLDER`: every page in light, dark and narrow, to be looked at; and how soon each
is first painted. Exit status 1 when one is later than 200 ms, or scrolls sideways.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from statistics import median

from playwright.async_api import Page

from tests.console.browser import chromium
from tests.console.looks import page_of, showing

LOOKS = {"light": ("light", 1280), "dark": ("dark", 1280), "narrow": ("light", 390), "narrow-dark": ("dark", 390)}
PAINTED_MS = 200
PAINT = """() => new Promise((told) => {
  const observer = new PerformanceObserver((list) => {
    const first = list.getEntriesByName("first-contentful-paint")[0];
    if (first) told(first.startTime);
  });
  observer.observe({ type: "paint", buffered: true });
})"""
SIDEWAYS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


async def painted_ms(page: Page) -> float:
    """When the page that is shown was first painted, after the browser was told to go there."""
    return float(await page.evaluate(PAINT))


async def main(folder: Path) -> int:
    late, wide = [], []
    with tempfile.TemporaryDirectory() as work:
        async with showing(Path(work)) as shown, chromium() as browser:
            for look, (theme, width) in LOOKS.items():
                page = await page_of(browser, shown.relay, theme=theme, width=width)
                took = {}
                for name, path in shown.paths.items():
                    await page.goto(shown.relay.url + path, wait_until="load")
                    took[name] = await painted_ms(page)
                    if await page.evaluate(SIDEWAYS):
                        wide.append(f"{name} ({look})")
                    await page.screenshot(path=folder / f"{name}.{look}.png", full_page=True)
                worst = max(took, key=took.__getitem__)
                late += [f"{name} ({look}) {ms:.0f} ms" for name, ms in took.items() if ms > PAINTED_MS]
                print(f"{look}: first paint p50 {median(took.values()):.0f} ms, worst {took[worst]:.0f} ms ({worst})")
    print(*(f"late: {one}" for one in late), *(f"scrolls sideways: {one}" for one in wide), sep="\n")
    return int(bool(late or wide))


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    sys.exit(asyncio.run(main(Path(sys.argv[1]))))
