"""Every page of a console with something to show, as a browser sees it."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import orjson
from playwright.async_api import Browser, Page

from relay.embedded import EmbeddedBroker
from relay.samples import sample_event, uuid
from tests.console import scene
from tests.console.stack import Answering, Console
from tests.kafka.driver import until

GIVEN_UP = 3  # deliveries: events whose receiver fails
PAGES = {
    "overview": "/",
    "overview-1h": "/?range=1h",
    "webhooks": "/subscriptions",
    "webhooks-none": "/subscriptions?text=nothing+like+it",
    "webhook": "/subscriptions/sub_crm",
    "webhook-tested": "/subscriptions/sub_crm?test={test}",
    "webhook-paused": "/subscriptions/sub_paused",
    "webhook-missed": "/subscriptions/sub_crm?missed_since=2026-01-01T00:00:00Z",
    "webhook-new": "/subscriptions/-new",
    "webhook-edit": "/subscriptions/sub_crm/edit",
    "webhook-pause": "/subscriptions/sub_crm/pause",
    "webhook-resume": "/subscriptions/sub_paused/resume",
    "webhook-delete": "/subscriptions/sub_crm/delete",
    "webhook-rotate": "/subscriptions/sub_crm/rotate",
    "deliveries": "/deliveries",
    "deliveries-filtered": "/deliveries?state=gave_up&status=5xx",
    "deliveries-chosen": "/deliveries?range=chosen",
    "deliveries-none": "/deliveries?q=nobody",
    "deliveries-wrong": "/deliveries?status=teapot",
    "delivery": "/deliveries/{delivery}",
    "delivery-test": "/deliveries/{test}",
    "dead-letters": "/dead-letters",
    "dead-letter": "/dead-letters/{letter}",
    "replays": "/replays",
    "replay": "/replays/{run}",
    "replay-new": "/replays/new?subscription=sub_crm",
    "lanes": "/lanes",
    "notices": "/notices",
    "reconcile": "/reconcile",
    "audit": "/audit",
    "access": "/access",
    "access-revoke": "/access/{token}/revoke",
    "nothing": "/nothing/here",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A console with something to show, and the paths of its pages."""

    relay: Console
    paths: dict[str, str]


@asynccontextmanager
async def showing(folder: Path) -> AsyncIterator[Shown]:
    """On the embedded broker: a day of history, some events of just now, a test send, a replay."""
    with EmbeddedBroker() as broker:
        settings = {"RELAY_RETRY_DELAYS": "1s", "RELAY_HOLD_DELAYS": "1s,1m", "RELAY_METRICS_ADDRESS": "127.0.0.1:0"}
        with Console(broker.bootstrap, "relay", folder, **settings) as relay:
            async with Answering(b"test") as receiver:
                relay.worker()
                await until(lambda: relay.logged("metrics.listening", 1))
                (at,) = (line["address"] for line in relay.logs() if line["event"] == "metrics.listening")
                relay.env["RELAY_METRICS_ADDRESS"] = at  # of the one worker, whose lanes the console asks for
                await relay.console()
                await scene.hooks(relay, receiver.url)
                await scene.history(relay, int(time.time() * 1000))  # noqa: TID251  the console's own clock is the time
                receiver.status = 500
                await relay.produce(_events(), topic="relay.events")
                await until(lambda: receiver.asked >= GIVEN_UP)
                yield Shown(relay=relay, paths=await _paths(relay, receiver))


async def _paths(relay: Console, receiver: Answering) -> dict[str, str]:
    found: dict[str, str] = {}

    async with relay.api() as api:

        async def one(path: str, field: str, **query: str) -> str:
            async with api.get(path, params=query) as said:
                items = (await said.json())["items"]
            return str(items[0][field]) if items else ""

        async def delivery() -> bool:
            found["delivery"] = await one(
                "/api/v1/deliveries", "id", subscription="sub_crm", state="gave_up", since=_ago()
            )
            return bool(found["delivery"])

        async def letter() -> bool:
            async with api.get("/api/v1/dead-letters") as said:
                items = (await said.json())["items"]
            found["letter"] = f"{items[0]['partition']}/{items[0]['offset']}" if items else ""
            return len(items) > 1

        await until(delivery)
        await until(letter)
        receiver.status = 200
        async with api.post("/api/v1/subscriptions/sub_crm/test", json={}) as said:
            found["test"] = (await said.json())["delivery_id"]
        async with api.post("/api/v1/redeliveries", json={"deliveries": [found["delivery"]]}) as said:
            found["run"] = (await said.json())["runs"][0]

        async def tested() -> bool:
            async with api.get(f"/api/v1/deliveries/{found['test']}") as said:
                return said.status == 200

        async def reconciled() -> bool:
            async with api.get("/api/v1/reconciliation") as said:
                return (await said.json())["last"] is not None

        await until(tested)
        async with api.post("/api/v1/reconciliation", json={"since": _ago()}) as said:
            assert said.status == 202
        await until(reconciled)
        found["token"] = await one("/api/v1/tokens", "id")
    return {name: path.format(**found) for name, path in PAGES.items()}


async def page_of(browser: Browser, relay: Console, *, theme: str, width: int, script: bool = True) -> Page:
    """A page of somebody who has logged in."""
    context = await browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
        java_script_enabled=script,
    )
    page = await context.new_page()
    await page.goto(f"{relay.url}/login")
    await page.get_by_label("Access token").fill(relay.token)
    await page.get_by_role("button", name="Log in").click()
    await page.get_by_role("heading", name="Overview").wait_for()
    return page


def _events() -> list[tuple[bytes, bytes]]:
    dice, now_ms = Random(3), int(time.time() * 1000)  # noqa: TID251
    leads = [uuid(dice) for _ in range(GIVEN_UP)]
    events = [
        sample_event("lead.created", now_ms=now_ms, random=dice, account_id=scene.ACCOUNT, lead_id=lead, version=1)
        for lead in leads
    ]
    return [*((lead.encode(), orjson.dumps(one)) for lead, one in zip(leads, events, strict=True)), (b"x", b"{no json")]


def _ago() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 600))  # noqa: TID251
