"""
Every page of a console that has something to show, in Chromium: read by axe-core in light and dark, looked at on a
narrow screen, and used without a script.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

from aiohttp import ClientSession
from playwright.async_api import Browser, Page, expect

from tests.absent import without
from tests.console.browser import NoBrowser, chromium
from tests.console.looks import Shown, page_of, showing
from tests.console.scene import ACCOUNT
from tests.console.screenshots import SIDEWAYS, painted_ms
from tests.outside.node import NoNode, library

AXE = """async (theme) => {
  const only = theme === "dark" ? { runOnly: ["color-contrast"] } : {};  // nothing else has to do with the theme
  const found = await axe.run(document, { resultTypes: ["violations"], ...only });
  return found.violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 200)).slice(0, 3).join(" | ")}`);
}"""
NARROW = {"width": 360, "height": 740}
WIDE = {"width": 1280, "height": 900}


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[Shown, Browser]]:
    """A console with something to show, and a browser."""
    try:
        async with showing(folder) as shown, chromium() as browser:
            yield shown, browser
    except NoBrowser as reason:
        without("Chromium", reason)


async def test_no_page_is_faulty_too_wide_or_needs_what_its_policy_forbids(tmp_path: Path) -> None:
    """
    axe-core finds no serious fault in light or dark; no page scrolls sideways on a telephone; the browser complains of
    nothing. How soon each was painted is printed.
    """
    try:
        axe = library() / "node_modules/axe-core/axe.min.js"
    except NoNode as reason:
        without("axe-core", reason)
    script = await asyncio.to_thread(axe.read_text)
    async with opened(tmp_path) as (shown, browser):
        page = await page_of(browser, shown.relay, theme="light", width=1280)
        faults: list[str] = []
        took: dict[str, float] = {}
        page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
        page.on("console", lambda said: faults.append(f"{page.url}: {said.text}") if said.type == "warning" else None)
        for name, path in shown.paths.items():
            await page.goto(shown.relay.url + path, wait_until="load")
            took[name] = await painted_ms(page)
            await page.evaluate(script)
            for theme in ("light", "dark"):
                await page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
                faults += [f"{name} {theme}: {one}" for one in await page.evaluate(AXE, theme)]
            await page.emulate_media(color_scheme="light")
            await page.set_viewport_size(NARROW)  # type: ignore[arg-type]
            faults += [f"{name}: scrolls sideways"] if await page.evaluate(SIDEWAYS) else []
            await page.set_viewport_size(WIDE)  # type: ignore[arg-type]
        slowest = max(took, key=took.__getitem__)
        print(f"first paint: p50 {median(took.values()):.0f} ms, slowest {took[slowest]:.0f} ms ({slowest})")
        assert [] == faults
        await _by_keys(page, shown.relay.url)
        await _without_a_script(await page_of(browser, shown.relay, theme="light", width=1280, script=False))
        await _of_a_reader(shown)


async def _by_keys(page: Page, url: str) -> None:
    """The skip link comes first, `/` searches, `j` and `k` go through a list; who types is left alone."""
    await page.goto(f"{url}/subscriptions")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    links = page.locator("[data-row] th a")
    for key, at in (("j", 0), ("j", 1), ("k", 0)):
        await page.keyboard.press(key)
        await expect(links.nth(at)).to_be_focused()
    await page.keyboard.press("/")
    await expect(page.get_by_label("Search")).to_be_focused()
    await page.keyboard.type("j/k")
    await expect(page.get_by_label("Search")).to_have_value("j/k")
    await page.get_by_role("button", name="Dark").click()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")


async def _without_a_script(page: Page) -> None:
    """A webhook is added with a mistake put right, its filter tried, edited by two, paused, and deleted."""
    await page.get_by_role("link", name="Webhooks", exact=True).click()
    await page.get_by_role("link", name="Add webhook").click()
    await page.get_by_label("Webhook Name").fill("No script")
    await page.get_by_label("Payload URL").fill("ftp://a.example/")
    await page.get_by_label("Secret").fill("a-secret-of-16-bytes-or-more")
    await page.get_by_label("Account").fill(ACCOUNT)
    await page.get_by_label("Filter", exact=True).fill('{"lead": {"status": 0}}')
    await page.get_by_role("button", name="Test this filter").click()
    await expect(page.locator("#trial")).to_contain_text("this event would")
    await page.get_by_label("Secret").fill("a-secret-of-16-bytes-or-more")
    await page.locator("form#webhook button.is-main").click()
    await expect(page.locator("#url-error")).to_be_visible()
    await expect(page.get_by_label("Webhook Name")).to_have_value("No script")
    await expect(page.get_by_label("Secret")).to_have_value("")  # it goes back to nobody

    await page.get_by_label("Payload URL").fill("https://a.example/hooks")
    await page.get_by_label("Secret").fill("a-secret-of-16-bytes-or-more")
    await page.locator("form#webhook button.is-main").click()
    await expect(page.get_by_role("heading", name="No script")).to_be_visible()
    there = page.url

    rival = await page.context.new_page()
    for one, name in ((page, "First"), (rival, "Second")):
        await one.goto(f"{there}/edit")
        await one.get_by_label("Webhook Name").fill(name)
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", name="First")).to_be_visible()
    await rival.get_by_role("button", name="Save").click()
    await expect(rival.locator("#problems")).to_contain_text("has changed it meanwhile")
    await expect(rival.get_by_label("Webhook Name")).to_have_value("Second")

    await page.get_by_role("link", name="Pause").click()
    await page.get_by_label("Reason").fill("for a while")
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator(".banner")).to_contain_text("for a while")
    await page.get_by_role("link", name="Resume").click()
    await page.get_by_role("button", name="Resume").click()
    await expect(page.get_by_role("link", name="Replay what was missed")).to_be_visible()
    await page.get_by_role("link", name="Delete webhook").click()
    await page.get_by_role("button", name="Delete webhook").click()
    await expect(page.get_by_role("heading", name="Webhooks")).to_be_visible()
    await expect(page.locator("[data-row]").filter(has_text="First")).to_have_count(0)


async def _of_a_reader(shown: Shown) -> None:
    """Whoever may only read, of another account: no form, nothing of others, and pages that say so."""
    relay = shown.relay
    form = {"name": "R", "scope": "read", "account_id": "another"}
    async with relay.api() as api, api.post("/api/v1/tokens", json=form) as said:
        token = (await said.json())["secret"]
    found: dict[str, tuple[int, str]] = {}
    refused: dict[str, tuple[int, str]] = {}
    async with ClientSession(relay.url, headers={"Authorization": f"Bearer {token}"}) as reader:
        for name, path in shown.paths.items():
            async with reader.get(path) as said:
                found[name] = (said.status, await said.text())
        for path in ("/subscriptions/sub_crm/delete", "/subscriptions/-new", "/deliveries/redeliver", "/access"):
            async with reader.post(path, data={"id": "dlv_1", "name": "x"}) as said:
                refused[path] = (said.status, said.content_type)

    assert [404, 403, 403, 403] == [status for status, _ in refused.values()]
    assert {"text/html"} == {kind for _, kind in refused.values()}
    assert {200, 403, 404, 422} >= {status for status, _ in found.values()}
    for name in ("webhook", "delivery", "dead-letter", "replay"):
        assert found[name][0] == 404, name
    for name in ("access", "audit", "reconcile", "webhook-new"):
        assert found[name][0] == 403, name
    assert not [name for name, (_, text) in found.items() if ACCOUNT in text or "Helpdesk" in text]
