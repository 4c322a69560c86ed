"""
The console as people walk through it: Debian's Chromium, a real Kafka, a worker, a console, a receiver that verifies.

Nothing is waited for but what a person would wait for: that something is seen.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from relay.samples import ACCOUNT
from tests.absent import without
from tests.console.browser import SEEN_MS, NoBrowser, chromium
from tests.console.stack import Answering, Console
from tests.kafka.driver import until

pytestmark = pytest.mark.kafka

DELAYS = {"RELAY_RETRY_DELAYS": "1s,1s", "RELAY_HOLD_DELAYS": "1s,2s", "RELAY_COMMIT_INTERVAL_S": "0.2"}


class Walk:
    """A person at a page; what the browser had against a page is kept."""

    def __init__(self, page: Page, relay: Console) -> None:
        self.page = page
        self.relay = relay
        self.faults: list[str] = []
        page.set_default_timeout(SEEN_MS)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda said: self.faults.append(said.text) if said.type in {"error", "warning"} else None)

    async def log_in(self) -> None:
        """With the token that the console printed when it first started."""
        page = self.page
        await page.goto(self.relay.url)
        await page.get_by_label("Access token").fill(self.relay.token)
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("heading", name="Overview")).to_be_visible()

    async def add_webhook(self, name: str, url: str, *, secret: str = "") -> None:
        """In the words of the seed's settings page; LeadUpdated is ticked already."""
        page = self.page
        await page.get_by_role("link", name="Webhooks").click()
        await page.get_by_role("link", name="Add webhook").first.click()
        await page.get_by_label("Webhook Name").fill(name)
        await page.get_by_label("Payload URL").fill(url)
        await page.get_by_label("Secret").fill(secret)
        await page.get_by_label("Account").fill(ACCOUNT)
        await expect(page.get_by_label("LeadUpdated")).to_be_checked()
        await page.get_by_role("button", name="Add webhook").click()

    async def at(self, place: str) -> None:
        await self.page.get_by_label("Pages").get_by_role("link", name=place).click()
        await expect(self.page.get_by_role("heading", level=1)).to_contain_text(place)


@asynccontextmanager
async def walking(kafka: str, prefix: str, folder: Path) -> AsyncIterator[Walk]:
    """All of it runs, and somebody sits before a browser."""
    try:
        async with chromium() as browser:
            with Console(kafka, prefix, folder, **DELAYS) as relay:
                await relay.prepare()
                relay.worker()
                await relay.console()
                context = await browser.new_context(viewport={"width": 1280, "height": 900})
                yield Walk(await context.new_page(), relay)
    except NoBrowser as reason:
        without("Chromium", reason)


async def test_the_tutorial(kafka: str, prefix: str, tmp_path: Path) -> None:
    """
    A webhook with the secret `test` is told of LeadUpdated; Delivery History shows what was sent, byte for byte, and
    what the receiver answered; one delivery is sent once more.
    """
    async with walking(kafka, prefix, tmp_path) as walk, Answering(b"test") as receiver:
        page = walk.page
        await walk.log_in()
        await walk.add_webhook("My first webhook", receiver.url, secret="test")
        await expect(page.get_by_role("heading", name="My first webhook")).to_be_visible()
        await page.get_by_role("button", name="Send test").click()
        await expect(page.locator("#test-answer")).to_contain_text("Delivered 200")
        await expect(page.locator("#test-answer")).to_contain_text('{"taken": true}')

        await walk.at("Delivery History")
        await page.get_by_role("link", name="Live tail").click()
        await expect(page.locator("#tail-state")).to_have_text("Live")
        await walk.relay.do("send", "--type", "LeadUpdated", "--count", "2")
        rows = page.locator("[data-row]").filter(has_text="Delivered 200")
        await expect(rows).to_have_count(3)  # the test send among them

        await rows.filter(has_not_text="Test send").first.get_by_role("link").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("LeadUpdated to My first webhook")
        sent = (await page.locator("#sent-raw").text_content() or "").encode()
        ident = re.sub(".*/", "", page.url)
        assert (ident, sent) in receiver.taken
        await expect(page.locator("#curl")).to_contain_text("x-artibot-signature: sha1=")
        await expect(page.locator("[aria-labelledby=response]")).to_contain_text('"taken": true')

        await page.get_by_role("button", name="Redeliver").click()
        timeline = page.locator(".timeline li")
        await expect(timeline).to_have_count(2)
        await expect(timeline.first).to_contain_text("Redelivery")
        await expect(timeline.first).to_contain_text("Delivered 200")
        assert receiver.taken.count((ident, sent)) == 2
        assert not receiver.refused
        assert not walk.faults

        await page.get_by_role("button", name="Log out").click()
        await expect(page.get_by_label("Access token")).to_be_visible()


async def test_a_receiver_that_was_down_is_sent_what_it_missed(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Its retries are seen as they are made, and given up; a replay is counted first, and what was missed arrives."""
    async with walking(kafka, prefix, tmp_path) as walk, Answering(b"not known yet") as receiver:
        page = walk.page
        receiver.status, receiver.body = 500, "<script>document.title = 'taken over'</script>"
        await walk.log_in()
        await walk.add_webhook("Helpdesk", receiver.url)
        receiver.secret = (await page.locator("#secret").text_content() or "").encode()  # shown this once
        await page.get_by_role("link", name="I have it").click()
        await expect(page.get_by_role("heading", name="Helpdesk")).to_be_visible()
        await walk.relay.do("send", "--type", "LeadUpdated", "--count", "2")

        await walk.at("Delivery History")
        await page.get_by_role("link", name="Live tail").click()
        rows = page.locator("[data-row]")
        await expect(rows).to_have_count(2)
        await rows.first.get_by_role("link").click()
        timeline = page.locator(".timeline li")
        await expect(timeline).to_have_count(3)
        await expect(timeline.first).to_contain_text("Gave up 500")
        await expect(timeline.nth(1)).to_contain_text("The receiver answered 500.")
        await expect(page.locator("#answer-raw")).to_have_text(receiver.body)  # as text: nothing of it ran
        missed = page.url

        await walk.at("Dead letters")
        await expect(page.locator("[data-row]")).to_have_count(2)
        receiver.status = 200
        await walk.at("Webhooks")
        await page.get_by_role("link", name="Helpdesk").click()
        await page.get_by_role("link", name="Replay events").click()
        await page.get_by_label("Only what was not delivered yet").check()
        await page.get_by_role("button", name="Count first").click()
        await expect(page.locator("[aria-labelledby=count] dd")).to_have_text(["2", "2", "2"])
        await page.get_by_role("button", name="Start replay").click()
        await expect(page.locator("[aria-labelledby=progress] .chip")).to_have_text("Done")

        async def arrived() -> bool:
            await page.goto(missed)
            return "Delivered 200" in await timeline.first.inner_text()

        await until(lambda: len({ident for ident, _ in receiver.taken}) == 2)
        await until(arrived)
        await expect(timeline.first).to_contain_text("Replay")
        assert not walk.faults
