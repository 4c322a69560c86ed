"""
Whoever is bound to one account can see and change nothing of another's; nobody who is not known can do anything at all.

Call by call, from the list of operations in schemas/openapi.yaml: one that is missing here fails.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
import pytest
from aiohttp import ClientSession

from tests.api.driver import OPERATIONS, Console, hook, produced, run, told
from tests.store.history.results import NOON_MS, a_result

SINCE = "2019-06-01T00:00:00Z"
# What is there of the one account, and must be in no answer that the other gets.
MARKS = ("acct-theirs", "Theirs", "theirs.example", "lead_theirs", "theirs-reason")


class Call(NamedTuple):
    """What another account's holder of a token asks for, and what may come of it."""

    status: int
    query: str = ""
    body: Any = None
    path: dict[str, str] = {}  # noqa: RUF012  never changed


class Theirs(NamedTuple):
    """What there is."""

    subscription: str
    delivery: str
    attempt: str
    run: str
    letter: tuple[int, int]
    token: str
    mine: str  # a token of an admin who is bound to another account
    reader: str  # of one who may only read, bound to theirs


def calls(there: Theirs) -> dict[str, Call]:
    """By operation: it is asked for what is another's, by its id where it has one."""
    id_, one = {"id": there.subscription}, there.subscription
    letter = {"partition": str(there.letter[0]), "offset": str(there.letter[1])}
    return {
        "listSubscriptions": Call(200, query="?account=acct-theirs"),
        "createSubscription": Call(422, body=hook(account_id="acct-theirs")),
        "getSubscription": Call(404, path=id_),
        "updateSubscription": Call(404, path=id_, body={"name": "Mine"}),
        "deleteSubscription": Call(404, path=id_),
        "pauseSubscription": Call(404, path=id_),
        "resumeSubscription": Call(404, path=id_),
        "rotateSecret": Call(404, path=id_),
        "testSubscription": Call(404, path=id_),
        "tryFilter": Call(200, body={"filter": {}}),
        "listDeliveries": Call(200, query=f"?subscription={one}"),
        "exportDeliveriesCsv": Call(200, query=f"?subscription={one}"),
        "exportDeliveriesNdjson": Call(200, query="?lead=lead_theirs"),
        "getDelivery": Call(404, path={"id": there.delivery}),
        "getSent": Call(404, path={"id": there.delivery, "attempt": there.attempt}),
        "getOverview": Call(200, query=f"?subscription={one}&since={SINCE}&until=2019-06-08T00:00:00Z"),
        "getSparklines": Call(200, query=f"?subscriptions={one}&since={SINCE}"),
        "getAge": Call(200),
        "streamResults": Call(200),
        "redeliver": Call(404, body={"deliveries": [there.delivery]}),
        "listRuns": Call(200),
        "getRun": Call(404, path={"id": there.run}),
        "cancelRun": Call(404, path={"id": there.run}),
        "previewReplay": Call(404, body={"subscription_id": one, "since": SINCE}),
        "startReplay": Call(404, body={"subscription_id": one, "since": SINCE}),
        "listLanes": Call(200, query=f"?subscription={one}"),
        "reconcile": Call(403, body={"since": SINCE}),
        "getReconciliation": Call(403),
        "eraseLead": Call(403, body={"lead_id": "lead_theirs"}),
        "listNotices": Call(200),
        "listAudit": Call(200),
        "listTokens": Call(200),
        "createToken": Call(403, body={"name": "x", "scope": "read", "account_id": "acct-theirs"}),
        "revokeToken": Call(404, path={"id": there.token}),
        "listDeadLetters": Call(200),
        "getDeadLetter": Call(404, path=letter),
        "requeue": Call(202, body={"letters": [{name: int(value) for name, value in letter.items()}]}),
    }


@pytest.fixture(scope="module")
def there(console: Console) -> Theirs:
    """One account with something of everything."""
    return run(_made(console))  # type: ignore[no-any-return]


async def _made(console: Console) -> Theirs:
    form = hook(id="sub_of_them", account_id="acct-theirs", name="Theirs", url="http://theirs.example/hook")
    assert (await console.post("/api/v1/subscriptions", form)).status == 201
    fields: dict[str, Any] = {
        "subscription_id": "sub_of_them",
        "subscription_account_id": "acct-theirs",
        "account_id": "acct-theirs",
    }
    result = a_result(1, lead_id="lead_theirs", url="http://theirs.example/…", at_ms=NOON_MS, **fields)
    await told(console, result)
    replay = await console.post("/api/v1/replays", {"subscription_id": "sub_of_them", "since": SINCE})
    assert replay.status == 202, replay.body
    (letter,) = await produced(
        console,
        "dead-letters",
        (b"lead_theirs", b'{"resource_id": "lead_theirs"}'),
        relay_delivery_id="dlv_theirs",
        relay_subscription_id="sub_of_them",
        relay_account_id="acct-theirs",
        relay_reason="theirs-reason",
    )
    token = (await console.get("/api/v1/tokens")).json["items"][0]["id"]
    return Theirs(
        subscription="sub_of_them",
        delivery=result["delivery_id"],
        attempt=result["attempt_id"],
        run=replay.json["id"],
        letter=letter,
        token=token,
        mine=await console.make_token("admin", "acct-mine"),
        reader=await console.make_token("read", "acct-theirs"),
    )


def test_every_operation_is_called_here(there: Theirs) -> None:
    """Whoever adds one says here what another account's may do with it."""
    assert OPERATIONS.keys() == calls(there).keys()


def each(there: Theirs) -> Iterator[tuple[str, str, str, Call, str]]:
    for name, call in calls(there).items():
        method, path, operation = OPERATIONS[name]
        where = path.format(**call.path) + call.query
        yield name, method, where, call, operation["description"]


async def test_whoever_has_no_token_is_told_so_and_nothing_else(console: Console, there: Theirs) -> None:
    """By every operation: without a token, and with one that was made up."""
    for name, method, path, call, _ in each(there):
        for token in (None, "rly_" + "x" * 43):
            answer = await console.call(method, path, call.body, token=token)

            assert (name, answer.status) == (name, 401)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.json["status"] == 401


async def test_whoever_may_read_writes_nothing(console: Console, there: Theirs) -> None:
    """Every operation that takes another scope, on what is their own."""
    before = await everything(console, there)
    asked = 0
    for name, method, path, call, says in each(there):
        if "scope `read`" not in says:
            answer = await console.call(method, path, call.body, token=there.reader)
            asked += 1

            assert (name, answer.status) == (name, 403)

    assert asked >= 15
    assert before == await everything(console, there)


async def test_another_accounts_is_neither_seen_nor_changed(console: Console, there: Theirs) -> None:
    """Nothing that the other has is in any answer, but what was said in the call itself; and it stays as it was."""
    before = await everything(console, there)

    for name, method, path, call, _ in each(there):
        if name == "streamResults":
            continue  # it does not end: below
        answer = await console.call(method, path, call.body, token=there.mine)

        assert (name, answer.status) == (name, call.status), answer.body
        said = path + orjson.dumps(call.body).decode()
        shown = [mark for mark in MARKS if mark in answer.body.decode() and mark not in said]
        assert (name, shown) == (name, [])
        if name.startswith(("list", "export")):
            assert there.delivery not in answer.body.decode()
            owned = name in ("listTokens", "listAudit") or answer.headers["content-type"] != "application/json"
            assert owned or answer.json["items"] == [], name
        if name == "requeue":
            assert [one["sent"] for one in answer.json["letters"]] == [False]

    assert before == await everything(console, there)


async def test_a_stream_shows_what_is_ones_own(console: Console, there: Theirs) -> None:
    """Of two results that are written, theirs first, the one is shown."""
    theirs: dict[str, Any] = {"subscription_account_id": "acct-theirs", "lead_id": "lead_theirs"}
    headers = {"Authorization": f"Bearer {there.mine}"}
    async with (
        ClientSession() as session,
        session.get(f"http://{console.address}/api/v1/stream", headers=headers) as response,
    ):
        seen = b""
        number = 100
        while b"event: result" not in seen:
            number += 2
            await told(console, a_result(number, **theirs), a_result(number + 1, subscription_account_id="acct-mine"))
            seen += await response.content.read(4096)

    assert b"acct-mine" in seen
    assert b"theirs" not in seen


async def test_which_worker_it_was_is_nobodys_but_an_operators(console: Console, there: Theirs) -> None:
    """Of their own deliveries too: its name is that of a machine and a process."""
    path = f"/api/v1/deliveries/{there.delivery}"
    operators, customers = [(await console.get(path, token=one)).json for one in (console.token, there.reader)]

    assert operators["attempts"][0].pop("worker")
    assert operators["attempts"] == customers["attempts"]


async def test_a_url_is_whole_for_whoever_may_write(console: Console, there: Theirs) -> None:
    """Its path may be all that its receiver asks for: below that it is neither shown nor searched."""
    writer = await console.make_token("write", "acct-theirs")

    async def shown(token: str) -> tuple[str, int]:
        one = (await console.get(f"/api/v1/subscriptions/{there.subscription}", token=token)).json
        found = (await console.get("/api/v1/subscriptions?text=example/hook", token=token)).json
        page = (await console.get(f"/subscriptions/{there.subscription}", token=token)).body.decode()
        assert ("theirs.example/hook" in page) == one["url"].endswith("/hook")
        return one["url"], len(found["items"])

    assert ("http://theirs.example/…", 0) == await shown(there.reader)
    assert ("http://theirs.example/hook", 1) == await shown(writer)


async def everything(console: Console, there: Theirs) -> dict[str, Any]:
    """All that there is, as the first admin sees it."""
    paths = (f"subscriptions/{there.subscription}", "tokens", "runs", "dead-letters", f"deliveries/{there.delivery}")
    found = {path: (await console.get(f"/api/v1/{path}")).json for path in paths}
    for one in (found[f"deliveries/{there.delivery}"], *found["runs"]["items"]):
        for name in ("age", "updated_at", "positions", "read", "state", "worker"):  # which go on by themselves
            one.pop(name, None)
    found["tokens"]["items"] = [
        one for one in found["tokens"]["items"] if "of acct" in one["name"] or one["name"] == "first"
    ]
    return found
