"""The console on a real Kafka, with a worker beside it: what its callers make happens, and what happened is shown."""

import asyncio
import hmac
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from relay.receiver import Received, Receiver
from tests.api.driver import Console, hook
from tests.kafka.driver import SECRET, Relay, an_event, until

pytestmark = pytest.mark.kafka


@pytest.fixture
def relay(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Relay]:
    with Relay(kafka, prefix, tmp_path) as one:
        yield one


def beside(relay: Relay, folder: Path) -> Console:
    folder.mkdir()
    return Console(folder, relay.bootstrap, relay.prefix, RELAY_HOLD_DELAYS="1s,2s", RELAY_RETRY_DELAYS="1s,2s")


async def newest(console: Console, count: int, **fields: object) -> list[dict[str, Any]]:
    """So many deliveries that have these fields."""
    found: list[dict[str, Any]] = []

    async def there() -> bool:
        found[:] = [
            one
            for one in (await console.get("/api/v1/deliveries?limit=200")).json["items"]
            if fields.items() <= one.items()
        ]
        return len(found) >= count

    await until(there)
    return found


async def test_what_is_asked_of_the_console_is_done_by_workers(relay: Relay, tmp_path: Path) -> None:
    """A webhook, events, what was sent, a test, a redelivery, a replay; and the proof that nothing is missing."""
    received: list[Received] = []
    receiver = Receiver(secret=SECRET.encode(), on_request=received.append)
    url = f"http://127.0.0.1:{await receiver.start()}/hook"
    await relay.prepare()
    with beside(relay, tmp_path / "console") as console:
        console.start()
        await console.ready()
        made = await console.post("/api/v1/subscriptions", hook(id="sub_1", url=url, secret=SECRET))
        assert made.status == 201, made.body
        relay.worker()
        await relay.emit([an_event(f"lead_{number}") for number in range(5)])
        first = await newest(console, 5, state="delivered")

        detail = (await console.get(f"/api/v1/deliveries/{first[0]['id']}")).json
        where = f"/api/v1/deliveries/{first[0]['id']}/attempts/{detail['attempts'][0]['attempt_id']}/sent"
        reader = await console.make_token("read", "acct-1")
        whole, cut = (await console.get(where)).json, (await console.get(where, token=reader)).json
        tried = (await console.post("/api/v1/subscriptions/sub_1/test", {"event_type": "lead.updated"})).json
        await newest(console, 1, id=tried["delivery_id"], state="delivered")
        again = (await console.post("/api/v1/redeliveries", {"deliveries": [first[0]["id"], "dlv_none"]})).json
        await newest(console, 1, id=first[0]["id"], trigger="redelivery", state="delivered")
        wish = {"subscription_id": "sub_1", "since": "2020-01-01T00:00:00Z"}
        preview = (await console.post("/api/v1/replays/preview", wish)).json
        run = (await console.post("/api/v1/replays", wish)).json
        await newest(console, 5, run_id=run["id"], state="delivered")

        async def proved() -> bool:
            last = (await console.get("/api/v1/reconciliation")).json["last"]
            await console.post(
                "/api/v1/reconciliation", {"since": "2020-01-01T00:00:00Z"}
            )  # 409 while one is under way
            totals = last["report"]["totals"] if last else {}
            return bool(last and last["report"]["ok"]) and totals["delivered"] == totals["matches"] == 5

        await until(proved)
    await receiver.stop()

    assert orjson.dumps(an_event(first[0]["lead_id"])).decode() == whole["body"] == cut["body"]
    signature = "sha1=" + hmac.digest(SECRET.encode(), whole["body"].encode(), "sha1").hex()
    assert (signature, signature[:8]) == tuple(one["headers"]["x-artibot-signature"][:45] for one in (whole, cut))
    assert (url, True) == (whole["url"], cut["url"] != url)
    assert [(True, None), (False, "there is no such delivery")] == [
        (one["sent"], one["why"]) for one in again["deliveries"]
    ]
    assert 5 == preview["matched"] == preview["to_send"]
    assert all(one.verified for one in received)
    assert 5 + 1 + 1 + 5 == len(received)


async def test_two_consoles_lose_no_edit_and_see_each_others(relay: Relay, tmp_path: Path) -> None:
    """Of edits of the same form one is made; a token that one revokes lets nobody in at the other."""
    await relay.prepare()
    with beside(relay, tmp_path / "one") as one, beside(relay, tmp_path / "two") as two:
        one.start()
        await one.ready()
        two.token = one.token
        two.start()
        await two.ready()
        tag = (await one.post("/api/v1/subscriptions", hook(id="sub_1"))).headers["etag"]

        async def both_have_it() -> bool:
            return (await two.get("/api/v1/subscriptions/sub_1")).status == 200

        await until(both_have_it)
        edits = [
            each.call("PATCH", "/api/v1/subscriptions/sub_1", {"name": name}, If_Match=tag)
            for each, name in ((one, "One"), (two, "Two"))
        ]
        answers = await asyncio.gather(*edits)
        token = await one.make_token("read")
        ident = (await one.get("/api/v1/tokens")).json["items"][0]["id"]

        async def let_in(status: int) -> bool:
            return (await two.get("/api/v1/subscriptions", token=token)).status == status

        await until(lambda: let_in(200))
        await one.call("DELETE", f"/api/v1/tokens/{ident}")
        await until(lambda: let_in(401))

    assert [200, 412] == sorted(answer.status for answer in answers)
