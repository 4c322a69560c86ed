"""A day in the life of a platform's webhooks, for pages to show: results of one day, and what came just now."""

from random import Random
from typing import Any

import orjson

from relay.pipeline.results import rfc3339
from relay.samples import uuid
from tests.console.stack import Console
from tests.store.history.results import a_result

HOUR_MS = 3_600_000
ACCOUNT = "cd0015d4-63b7-42b7-bd19-fecbe1f781ba"
HOOKS = (
    # id, name, events, share of its attempts that fail
    ("sub_crm", "CRM", ("lead.created", "lead.updated", "lead.completed"), 0.004),
    ("sub_newsletter", "Newsletter", ("lead.completed",), 0.0),
    ("sub_helpdesk", "Helpdesk & ticketing, for the colleagues in support", ("lead.updated",), 0.22),
    ("sub_warehouse", "Data warehouse", ("lead.created", "lead.updated"), 0.02),
    ("sub_paused", "Billing (paused)", ("lead.completed",), 0.0),
)
FULL = {
    "filter": {"lead": {"data": {"Email": {"value": {"$endsWith": "@example.com"}}}}},
    "headers": {"X-Team": "leads"},
    "rate_per_s": 50,
}
ANSWERS = {200: '{"ok": true}', 500: "<h1>Internal Server Error</h1>\n<script>alert(1)</script>", 503: "try later"}


def results(now_ms: int, *, seed: int = 7, hours: int = 26, a_hour: int = 40) -> list[dict[str, Any]]:
    """What workers would have written, oldest first."""
    dice, made, number = Random(seed), [], 0
    for hour in range(hours, 0, -1):
        busy = a_hour * (2 if 8 <= (24 - hour) % 24 <= 18 else 1)
        for _ in range(busy):
            at_ms = now_ms - hour * HOUR_MS + dice.randrange(HOUR_MS)
            made += _delivery(dice, number, at_ms)
            number += 10
    return sorted(made, key=lambda one: str(one["started_at"]))


def _delivery(dice: Random, number: int, at_ms: int) -> list[dict[str, Any]]:
    ident, _, events, bad = dice.choice(HOOKS[:4])
    lead, event_type = uuid(dice), dice.choice(events)
    made = []
    for attempt in range(1, 4):
        failed = dice.random() < bad * (1 if attempt == 1 else 2.5)
        verdict = ("gave_up" if attempt == 3 else "retry") if failed else "delivered"
        status = dice.choice((500, 503, None)) if failed else 200
        result = a_result(
            number + attempt,
            delivery=number,
            verdict=verdict,
            at_ms=at_ms + attempt * 5_000,
            subscription_id=ident,
            subscription_account_id=ACCOUNT,
            account_id=ACCOUNT,
            lead_id=lead,
            event_type=event_type,
            event_partition=number % 4,
            event_offset=number,
            attempt=attempt,
            reason="ok" if status == 200 else "timeout" if status is None else "status",
            status=status,
            elapsed_ms=15_000 if status is None else int(dice.lognormvariate(4.2, 0.7)),
            response_body=ANSWERS.get(status or 0),
            response_headers=None if status is None else {"content-type": "text/html", "server": "nginx"},
            event_time=rfc3339(at_ms),
        )
        made.append(result)
        if not failed:
            break
    return made


async def hooks(relay: Console, url: str) -> None:
    """They are registered, one of them paused."""
    async with relay.api() as api:
        for ident, name, events, _ in HOOKS:
            form = {"id": ident, "account_id": ACCOUNT, "name": name, "url": f"{url}?for={ident}", "secret": "test"}
            more = FULL if ident == "sub_crm" else {}
            async with api.post("/api/v1/subscriptions", json={**form, "events": list(events), **more}) as said:
                assert said.status == 201, await said.text()
        reason = {"reason": "Invoices are written anew until Monday"}
        async with api.post("/api/v1/subscriptions/sub_paused/pause", json=reason) as said:
            assert said.status == 200, await said.text()


async def history(relay: Console, now_ms: int, **how: int) -> int:
    """The results topic holds a day; how many records."""
    made = results(now_ms, **how)
    pairs = [(str(one["lead_id"]).encode(), orjson.dumps(one)) for one in made]
    await relay.produce(pairs, topic=f"{relay.prefix}.results")
    return len(made)
