"""What callers of a console find: what they wrote, what was written, and what goes wrong, in words."""

import asyncio
import signal
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from aiohttp import ClientResponse, ClientSession

from relay.console.pages.visit import FORM
from relay.embedded import EmbeddedBroker
from tests.api.driver import OPERATIONS, Console, hook, produced, told
from tests.contracts.postgresql import Server
from tests.kafka.driver import an_event, until
from tests.store.history.results import NOON_MS, a_result

HOOKS = "/api/v1/subscriptions"


async def test_what_was_written_is_read_at_once(console: Console) -> None:
    """Made, changed, paused, resumed, rotated, deleted: each call finds what the one before has left."""
    made = (await console.post(HOOKS, hook(id="written", secret="a-secret-of-16-bytes"))).json
    changed = (await console.call("PATCH", f"{HOOKS}/written", {"name": "Renamed"})).json
    paused = (await console.post(f"{HOOKS}/written/pause", {"reason": "for now"})).json
    listed = (await console.get(f"{HOOKS}?text=renamed&state=paused")).json["items"]
    resumed = (await console.post(f"{HOOKS}/written/resume")).json
    rotated = (await console.post(f"{HOOKS}/written/rotate", {"expire_in": "1h"})).json
    gone = await console.call("DELETE", f"{HOOKS}/written")
    missing = await console.get(f"{HOOKS}/written")

    assert made["secret"] is None  # it was given, and is shown to nobody
    assert ("Hook", "Renamed") == (made["subscription"]["name"], changed["name"])
    assert ("paused", "for now") == (paused["state"], paused["state_reason"])
    assert [paused] == listed
    assert "active" == resumed["state"]
    assert rotated["secret"].startswith("whsec_")
    assert 2 == len(rotated["subscription"]["secrets"])
    assert (204, 404) == (gone.status, missing.status)
    assert "application/problem+json" == missing.headers["content-type"]


async def test_of_two_who_edit_at_once_one_is_told_to_look_again(console: Console) -> None:
    """Both had seen the same form; and a form of a webhook that was deleted and made anew is another."""
    tag = (await console.post(HOOKS, hook(id="both"))).headers["etag"]

    edits = [console.call("PATCH", f"{HOOKS}/both", {"name": name}, If_Match=tag) for name in ("One", "Two")]
    statuses = sorted([one.status for one in await asyncio.gather(*edits)])
    await console.call("DELETE", f"{HOOKS}/both")
    await console.post(HOOKS, hook(id="both"))
    anew = await console.call("DELETE", f"{HOOKS}/both", If_Match=tag)

    assert [200, 412] == statuses
    assert 412 == anew.status


async def test_a_call_that_is_made_again_is_answered_again_and_not_done_again(console: Console) -> None:
    """The same key and body; another body is refused, and of two at once the second waits to be told."""
    first = await console.post(HOOKS, hook(name="Once"), Idempotency_Key="k-1")
    again = await console.post(HOOKS, hook(name="Once"), Idempotency_Key="k-1")
    other = await console.post(HOOKS, hook(name="Other"), Idempotency_Key="k-1")
    unfit = await console.post(HOOKS, hook(), Idempotency_Key="with space")
    both = await asyncio.gather(*[console.post(HOOKS, hook(name="Both"), Idempotency_Key="k-2") for _ in range(2)])
    wrong = [await console.post(HOOKS, hook(name=name), Idempotency_Key="k-3") for name in ("", "Mended")]

    assert (201, 201, 422, 400) == (first.status, again.status, other.status, unfit.status)
    assert first.json == again.json  # its generated secret too
    assert ("true", None) == (again.headers["idempotency-replayed"], first.headers.get("idempotency-replayed"))
    assert [201, 409] == sorted(one.status for one in both)
    assert [422, 201] == [one.status for one in wrong]  # what came to nothing may be tried again
    names = [one["name"] for one in (await console.get(f"{HOOKS}?limit=200")).json["items"]]
    assert (1, 1, 1) == tuple(names.count(name) for name in ("Once", "Both", "Mended"))


async def test_every_call_that_takes_a_key_looks_at_it(console: Console) -> None:
    """As schemas/openapi.yaml has them: a key that can be none is refused before anything is done."""
    key = {"$ref": "#/components/parameters/IdempotencyKey"}
    taking = {path: method for method, path, operation in OPERATIONS.values() if key in operation.get("parameters", ())}

    for path, method in taking.items():
        answer = await console.call(method, path.replace("{id}", "sub_1"), {}, Idempotency_Key="with space")
        assert (path, 400) == (path, answer.status)

    assert len(taking) >= 6


async def test_what_is_wrong_is_told_field_by_field(console: Console) -> None:
    """All of it at once, and no URL's path among it."""
    form = {
        "name": "",
        "url": "ftp://x/secret-path",
        "events": "lead.updated",
        "filter": {"a": {"$no": 1}},
        "nmae": "x",
    }
    answer = await console.post(HOOKS, form)

    assert 422 == answer.status
    fields = {one["field"] for one in answer.json["problems"]}
    assert {"name", "url", "events", "filter.a.$no", "nmae", "account_id"} == fields
    assert "secret-path" not in answer.body.decode()


async def test_whatever_is_sent_has_an_answer(console: Console) -> None:
    """No JSON, no object, too deep, too large, of another kind; cursors, ids and queries that were made up."""
    deep = b"[" * 70 + b"]" * 70
    bodies = {b"{": 400, b"[]": 400, b'{"filter": %s}' % deep: 400, b"\xff": 400, b"x" * (2 << 20): 413}
    for body, status in bodies.items():
        assert (body[:10], status) == (body[:10], (await console.post(HOOKS, body)).status)
    assert 415 == (await console.post(HOOKS, b"{}", Content_Type="text/plain")).status
    queries = {
        f"{HOOKS}?cursor=made-up": 422,
        f"{HOOKS}?limit=0": 422,
        f"{HOOKS}?limit=10&limit=10": 422,
        f"{HOOKS}?lmit=10": 422,
        f"{HOOKS}/%00": 404,
        f"{HOOKS}/..%2F..%2Fetc": 404,
        "/api/v1/deliveries?cursor=made-up": 422,
        "/api/v1/deliveries?status=nine": 422,
        "/api/v1/deliveries?status=503": 422,  # row by row: it needs a time range
        "/api/v1/deliveries?since=yesterday": 422,
        "/api/v1/deliveries?lead=%00": 422,
        "/api/v1/deliveries/dlv_none": 404,
        "/api/v1/dead-letters?cursor=made-up": 422,
        "/api/v1/dead-letters/999/0": 404,
        "/api/v1/dead-letters/a/b": 422,
        "/api/v1/audit?cursor=made-up": 422,
        "/api/v1/runs/run_none": 404,
        "/api/v2/deliveries": 404,
    }
    for path, status in queries.items():
        assert (path, status) == (path, (await console.get(path)).status)
    assert 405 == (await console.call("PUT", HOOKS, {})).status


async def test_results_are_shown_as_they_are_also_a_newer_relays(console: Console) -> None:
    """With how old all of it is; and exported as CSV, in which no cell is a formula, and as NDJSON."""
    lead = f'=HYPERLINK("http://x","{uuid.uuid4()}")'
    newer = a_result(900, verdict="teleported", lead_id=lead, beam={"from": "here"})
    await told(console, newer, a_result(901, delivery=900, lead_id=lead, at_ms=NOON_MS + 1, verdict="delivered"))
    ident = newer["delivery_id"]

    shown = (await console.get(f"/api/v1/deliveries/{ident}")).json
    listed = (await console.call("GET", "/api/v1/deliveries?state=delivered&limit=200")).json
    csv = (await console.get("/api/v1/deliveries.csv")).body.decode()
    ndjson = [orjson.loads(line) for line in (await console.get("/api/v1/deliveries.ndjson")).body.splitlines()]

    assert newer == shown["attempts"][0]
    assert ident in [one["id"] for one in listed["items"]]
    assert shown["age"]["behind_s"] < 60
    assert "\"'=HYPERLINK(" in csv
    assert lead in [one["lead_id"] for one in ndjson]


async def test_a_filter_is_tried_on_a_recent_event_of_the_log(console: Console) -> None:
    """One that a delivery was made of lately; and on one that is given."""
    event = an_event("lead_recent")
    ((partition, offset),) = await produced(console, "events", (b"lead_recent", orjson.dumps(event)))
    where: dict[str, Any] = {"event_topic": f"{console.env['RELAY_TOPIC_PREFIX']}.events", "event_partition": partition}
    await told(console, a_result(950, lead_id="lead_recent", event_offset=offset, at_ms=NOON_MS + 10**9, **where))
    wanted = {"filter": {"lead.status": 0}}

    recent = (await console.post("/api/v1/filter-trials", wanted)).json
    given = (await console.post("/api/v1/filter-trials", wanted | {"event": {"lead": {"status": 1}}})).json

    assert recent == {"matches": True, "event": event, "source": f"{where['event_topic']}/{partition}/{offset}"}
    assert (False, None) == (given["matches"], given["source"])


async def test_what_people_did_is_in_the_audit_and_no_secret_is(console: Console) -> None:
    """Newest first, with who it was."""
    await console.post(HOOKS, hook(id="audited", secret="a-secret-nobody-may-see"))
    token = await console.make_token("write", "acct-1")
    await console.post(f"{HOOKS}/audited/test", {"event_type": "lead.created"}, token=token)

    audit = await console.get("/api/v1/audit?limit=3")

    actions = [one["action"] for one in audit.json["items"]]
    assert ["tested", "token.created", "subscription.created"] == actions
    assert audit.json["items"][0]["actor"].startswith("token:tok_")
    assert b"nobody-may-see" not in audit.body
    assert token.encode() not in audit.body


async def test_life_and_readiness_are_anybodys_and_figures_an_operators(console: Console) -> None:
    """And every answer has what tells a browser not to trust it further."""
    bound = await console.make_token("admin", "acct-1")

    statuses = [(await console.get(path, token=None)).status for path in ("/livez", "/readyz", "/metrics")]
    refused = (await console.get("/metrics", token=bound)).status
    figures = (await console.get("/metrics")).body.decode()

    assert [200, 200, 401] == statuses
    assert 403 == refused
    assert 'relay_console_requests_total{route="/readyz",status="200"} ' in figures
    assert "default-src 'none'" in (await console.get("/livez", token=None)).headers["content-security-policy"]


async def test_a_redelivery_of_which_nothing_is_sent_is_no_run(console: Console) -> None:
    """Nor is it in the audit; of each delivery it says why."""
    await console.post(HOOKS, hook(id="made-later"))
    await told(console, a_result(970, subscription_id="made-later"))
    ident = a_result(970)["delivery_id"]

    answer = (await console.post("/api/v1/redeliveries", {"deliveries": [ident]})).json
    newest = (await console.get("/api/v1/audit?limit=1")).json["items"][0]

    assert [] == answer["runs"]
    assert [(ident, False)] == [(one["id"], one["sent"]) for one in answer["deliveries"]]
    assert "made-later" == newest["subject"]
    assert "subscription.created" == newest["action"]


async def test_what_is_no_form_does_nothing_on_a_page(console: Console) -> None:
    """Not where nothing of it is read either: what relay sends to receivers is JSON."""
    for path in ("/replays/run_1/cancel", "/deliveries/dlv_1/redeliver", "/access/tok_1/revoke"):
        answers = [
            await console.call("POST", path, b"{}"),
            await console.call("POST", path),
            await console.call("POST", path, b"", Content_Type=FORM),
        ]

        assert [415, 415, 404] == [answer.status for answer in answers], path


async def test_a_stream_goes_on_where_it_was(console: Console) -> None:
    """By Last-Event-ID; where that is nobody's, it says that some were missed."""
    headers = {"Authorization": f"Bearer {console.token}"}
    where = f"http://{console.address}/api/v1/stream"
    async with ClientSession(headers=headers) as session:
        async with session.get(where) as response:
            seen = await read_until(console, response, b"event: result", first=1000)
        last = seen.partition(b"id: ")[2].partition(b"\n")[0].decode()
        await told(console, a_result(1990))
        async with session.get(where, headers={"Last-Event-ID": last}) as response:
            went_on = await read_until(console, response, a_result(1990)["attempt_id"].encode(), first=None)
        async with session.get(where, headers={"Last-Event-ID": "another-1"}) as response:
            unknown = await read_until(console, response, b"event: missed", first=None)

    assert b"event: missed" not in went_on
    assert b'data: {"count":null}' in unknown


async def read_until(console: Console, response: ClientResponse, wanted: bytes, *, first: int | None) -> bytes:
    """What came until this did; results are written meanwhile, for a reader begins where the log ends."""
    seen = b""
    while wanted not in seen:
        if first is not None:
            first += 1
            await told(console, a_result(first))
        seen += await response.content.read(4096)
    return seen


async def test_workers_that_say_nothing_are_told_to_operators_by_name(console: Console) -> None:
    """To whoever is bound to an account it is told that there may be more."""
    bound = await console.make_token("read", "acct-1")

    operators, customers = [
        (await console.get("/api/v1/lanes", token=token)).json["trouble"] for token in (console.token, bound)
    ]

    assert "127.0.0.1:1" in operators[0]
    assert ["some workers do not answer: there may be more"] == customers


async def test_sigterm_ends_streams_and_says_so(tmp_path: Path) -> None:
    """And the process is gone in a moment, with status 0."""
    with EmbeddedBroker() as broker, Console(tmp_path, broker.bootstrap, "t") as console:
        await console.make_topics()
        console.start()
        await console.ready()
        headers = {"Authorization": f"Bearer {console.token}"}
        async with (
            ClientSession(headers=headers) as session,
            session.get(f"http://{console.address}/api/v1/stream") as response,
        ):
            await response.content.readline()
            ended = asyncio.to_thread(console.end, signal.SIGTERM)
            status, rest = await asyncio.gather(ended, response.content.read())

    assert 0 == status
    assert b'event: dropped\ndata: {"detail":"the console ends"}' in rest


async def test_without_its_broker_it_shows_what_it_has(tmp_path: Path) -> None:
    """What needs the broker is refused with a time to try again; the history and what was read go on."""
    with Console(tmp_path, "", "t") as console:
        with EmbeddedBroker() as broker:
            console.env["RELAY_KAFKA_BOOTSTRAP_SERVERS"] = broker.bootstrap
            await console.make_topics()
            console.start()
            await console.ready()
            await console.post(HOOKS, hook(id="kept"))
            await told(console, a_result(1))

        refused = await console.post(HOOKS, hook())
        listed = await console.get(HOOKS)
        shown = await console.get("/api/v1/deliveries")

        assert 503 == refused.status
        assert int(refused.headers["retry-after"]) > 0
        assert ["kept"] == [one["id"] for one in listed.json["items"]]
        assert 1 == len(shown.json["items"])


async def test_without_its_database_it_says_so_and_goes_on_when_it_is_back(postgresql: Server, tmp_path: Path) -> None:
    """Calls of the history are refused meanwhile, and the others are not; afterwards nothing is missing."""
    name = f"c{uuid.uuid4().hex}"
    url = postgresql.database(name)
    with (
        EmbeddedBroker() as broker,
        Console(tmp_path, broker.bootstrap, "t", RELAY_DATABASE_URL=url) as console,
    ):
        await console.make_topics()
        console.start()
        await console.ready()
        await told(console, a_result(1))
        bound = await console.make_token("read", "acct-1")
        postgresql.end()
        try:
            refused = await console.get("/api/v1/deliveries")
            customers = await console.get("/api/v1/deliveries", token=bound)
            ready = await console.get("/readyz")
            age = await console.get("/api/v1/age")
            hooks = await console.get(HOOKS)
            await produced(console, "results", (b"lead_1", orjson.dumps(a_result(2))))
        finally:
            postgresql.begin()
        await told(console, a_result(2))

        assert (503, 503, 200, 200) == (refused.status, ready.status, age.status, hooks.status)
        assert "retry-after" in refused.headers
        assert name in refused.json["detail"]
        assert name.encode() not in customers.body + ready.body + age.body
        assert "does not answer" in age.json["trouble"]
        assert 2 == len((await console.get("/api/v1/deliveries")).json["items"])


async def test_a_database_that_is_dropped_under_it_is_made_anew(tmp_path: Path) -> None:
    """The file is gone; seconds later there is another, which says the same."""
    with EmbeddedBroker() as broker, Console(tmp_path, broker.bootstrap, "t") as console:
        await console.make_topics()
        console.start()
        await console.ready()
        results = [a_result(number, at_ms=NOON_MS + number) for number in range(20)]
        await told(console, *results)
        before = (await console.get("/api/v1/deliveries")).json["items"]

        for path in tmp_path.glob("history.db*"):  # noqa: ASYNC240  nothing else runs here
            path.unlink()
        await until(there(console, tmp_path / "history.db", before))


def there(console: Console, path: Path, before: list[Any]) -> Callable[[], Any]:
    async def same() -> bool:
        answer = await console.get("/api/v1/deliveries")
        made = path.exists()  # noqa: ASYNC240  one system call
        return made and answer.status == 200 and answer.json["items"] == before

    return same


async def test_what_it_cannot_start_with_is_told_before_it_starts(console: Console, tmp_path: Path) -> None:
    """An address that somebody else has, a history that would be gone with its process."""
    wrong = {
        "RELAY_CONSOLE_ADDRESS": (console.address, 2, "RELAY_CONSOLE_ADDRESS: cannot be listened on"),
        "RELAY_DATABASE_URL": ("sqlite+aiosqlite:///:memory:", 1, "RELAY_DATABASE_URL: a history in memory"),
    }
    for name, (value, status, why) in wrong.items():
        with Console(tmp_path, "127.0.0.1:1", "t", **{name: value}) as another:
            another.start()
            assert another.process is not None
            ended = await asyncio.to_thread(another.process.wait, 30)

        assert (name, status) == (name, ended), another.log()
        assert why in another.log()
        assert "Traceback" not in another.log()
