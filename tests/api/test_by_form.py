"""What whoever uses the pages finds, form by form, without a browser."""

from urllib.parse import urlencode

import orjson
import pytest
from aiohttp import web
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request
from aiokafka import AIOKafkaProducer

from relay.console.pages import visit
from relay.replay.letters import MAX_CURSOR, cursor_of
from relay.store.follow import PARTITION
from relay.topics import Topics
from tests.api.driver import Console, hook, produced
from tests.kafka.driver import until

FORM = "application/x-www-form-urlencoded"


async def test_an_edit_that_cannot_be_made_says_why(console: Console) -> None:
    """Not that somebody else was faster: nobody was."""
    made = (await console.post("/api/v1/subscriptions", hook(id="broken"))).json["subscription"]
    async with AIOKafkaProducer(bootstrap_servers=console.env["RELAY_KAFKA_BOOTSTRAP_SERVERS"]) as producer:
        topic = Topics(console.env["RELAY_TOPIC_PREFIX"]).subscriptions
        await producer.send_and_wait(topic, b"a newer relay's", key=b"broken", partition=PARTITION)

    async def unreadable() -> bool:
        return (await console.get("/api/v1/subscriptions/broken")).json["unreadable"] is not None

    await until(unreadable)
    form = {"version": made["version"], "name": "Hook", "url": made["url"], "events": "lead.updated"}
    form |= {"signatures": "sha256", "record_response": "1"}
    answer = await console.post("/subscriptions/broken/edit", urlencode(form).encode(), Content_Type=FORM)

    assert 409 == answer.status
    assert "cannot be read" in answer.body.decode()
    assert "meanwhile" not in answer.body.decode()


async def test_a_reconciliation_is_started_by_its_form_alone(console: Console) -> None:
    """A link starts nothing, whoever's page it stands on; and it is nobody's who is bound to an account."""
    bound = await console.make_token("admin", "acct-1")

    async def page() -> str:
        return (await console.get("/reconcile?since=1h")).body.decode()

    async def done() -> bool:
        return "What was found" in await page()

    before = await page()
    refused = await console.post("/reconcile", b"since=1h", token=bound, Content_Type=FORM)
    started = await console.post("/reconcile", b"since=1h", Content_Type=FORM, redirects=False)
    await until(done)

    assert "What was found" not in before
    assert "<progress" not in before
    assert (403, 303, "/reconcile") == (refused.status, started.status, started.headers["location"])


async def test_a_dead_letter_that_could_not_be_read_can_be_had_as_it_is(console: Console) -> None:
    """To be looked at with what reads it."""
    ((partition, offset),) = await produced(console, "dead-letters", (b"k", b"\x00no event"), relay_reason="x")

    answer = await console.get(f"/dead-letters/{partition}/{offset}/bytes")
    none = await console.get("/dead-letters/0/999999/bytes")

    assert (200, b"\x00no event") == (answer.status, answer.body)
    assert "application/octet-stream" == answer.headers["content-type"]
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert 404 == none.status


async def test_a_listing_of_any_number_of_partitions_goes_on(console: Console) -> None:
    """What asks for the next page is taken, as long as it may be written."""
    cursor = cursor_of(dict.fromkeys(range(3_000), 10**7))

    answers = [await console.get(f"{path}?cursor={cursor}") for path in ("/api/v1/dead-letters", "/dead-letters")]

    assert 48 * 1024 < len(cursor) <= MAX_CURSOR
    assert [200, 200] == [one.status for one in answers]


async def test_a_secret_that_is_refused_is_not_said_again(console: Console) -> None:
    """Whatever it was written as."""
    for secret in (["my-own-secret"], "my-own-secret" * 400):
        for path in ("/api/v1/subscriptions", "/api/v1/subscriptions/broken/rotate"):
            answer = await console.post(path, hook(secret=secret) if path.endswith("s") else {"secret": secret})

            assert 422 == answer.status
            assert "secret" in {one["field"] for one in orjson.loads(answer.body)["problems"]}
            assert b"my-own" not in answer.body


async def test_a_form_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a login's: nobody has to be known to send the beginning of one."""
    monkeypatch.setattr(visit, "BODY_S", 0)
    never = StreamReader(make_mocked_request("POST", "/").protocol, 1024)

    with pytest.raises(web.HTTPRequestTimeout):
        await visit.read_form(make_mocked_request("POST", "/login", payload=never))
