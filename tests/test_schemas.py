"""The schemas, their examples and the table of nulls, each against the code that makes or reads what they describe."""

import asyncio
import itertools
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import __version__
from relay.access.codec import decode_token, encode_token
from relay.access.forms import made as made_token
from relay.access.register import audited as audited_tokens
from relay.access.tokens import hashed, new_id, prefix
from relay.access.values import Scope, Token
from relay.clock import ManualClock
from relay.errors import Malformed
from relay.model import (
    ACTIONS,
    EVENT_TYPES,
    Answer,
    Deferred,
    Delivered,
    Delivery,
    DeliveryId,
    Dropped,
    EndedBy,
    Event,
    Failure,
    GaveUp,
    Outgoing,
    Reason,
    Reply,
    Retry,
    State,
    Subscription,
    SubscriptionId,
    Trigger,
    Verdict,
)
from relay.pipeline.decode import SKIPPED, read_event
from relay.pipeline.match import Endpoint, delivery_id, endpoint, unknown
from relay.pipeline.notice import Kind, notice
from relay.pipeline.produce import Produce, Ticket
from relay.pipeline.results import Attempt, outgoing, rfc3339
from relay.pipeline.room import Room
from relay.pipeline.schedule import Schedule
from relay.pipeline.settle import admit, settle
from relay.pipeline.sign import OpenedSecret, Signer, sign
from relay.store.audited import audited
from relay.store.edits import Changes, Edit
from relay.store.entry import Action, AuditEntry, encode_entry
from relay.topics import Topics
from tests.builders import some_notices

SCHEMAS = Path(__file__).parents[1] / "schemas"
MAX_BYTES = 1 << 20
SCHEDULE = Schedule((5, 30, 120, 600, 1800, 7200, 21_600, 43_200, 86_400), (5, 30, 120), max_age_s=3600)
LAST_ATTEMPT = 10
READ_MS = 1_559_948_980_912  # when the example's record was written, and read
VERDICTS = ("delivered", "retry", "gave_up", "deferred", "dropped")


@cache
def schema(name: str) -> Any:  # noqa: ANN401  JSON
    return json.loads((SCHEMAS / f"{name}.v1.json").read_text("utf-8"))


@cache
def validator(name: str) -> jsonschema_rs.Validator:
    return jsonschema_rs.validator_for(schema(name))


def example(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SCHEMAS / "examples" / f"{name}.json").read_text("utf-8"))
    return found


def a_record(value: Mapping[str, Any]) -> Any:  # noqa: ANN401  a Record
    return SimpleNamespace(
        topic="leads.events", partition=3, offset=1042, timestamp=READ_MS, value=orjson.dumps(value), headers=()
    )


def read(value: Mapping[str, Any]) -> Event:
    event = read_event(a_record(value), max_bytes=MAX_BYTES)
    assert isinstance(event, Event)
    return event


def an_endpoint(**fields: Any) -> Endpoint:  # noqa: ANN401  a Subscription's own
    plain: dict[str, Any] = {
        "account_id": "cd0015d4-63b7-42b7-bd19-fecbe1f781ba",
        "created_at": "2019-05-01T09:00:00.000Z",
    }
    plain |= {"url": "https://crm.example.com/hooks/t0ken", "events": EVENT_TYPES, "version": 4}
    subscription = Subscription(id=SubscriptionId("sub_crm"), name="CRM", **plain | fields)
    signer = Signer([OpenedSecret(value=b"test")], subscription.signatures)
    return endpoint(subscription, signer=signer, headers={"authorization": "Bearer t0ken"})


def a_delivery(event: Event, to: Endpoint, **fields: Any) -> Delivery:  # noqa: ANN401  a Delivery's own
    trigger: Trigger = fields.get("trigger", Trigger.EVENT)
    again = trigger in (Trigger.REDELIVERY, Trigger.REPLAY)
    return Delivery(
        id=delivery_id(event, to.subscription.id, namespace="", timestamp_ms=READ_MS),
        event=replace(event, source=None) if trigger is Trigger.TEST else event,
        subscription_id=to.subscription.id,
        account_id=to.subscription.account_id,
        incarnation=to.subscription.created_at,
        matched_ms=READ_MS,
        **{"run_id": "run_1" if again else None} | fields,
    )


def told(
    delivery: Delivery,
    to: Endpoint | None,
    verdict: Verdict,
    reply: Reply | None = None,
    *,
    started_ms: int = READ_MS,
) -> dict[str, Any]:
    """The result, as it is read from its topic; there was an attempt when there is a reply."""
    request = None
    if reply is not None:
        assert to is not None
        assert to.signer is not None
        url, own = to.subscription.url, to.headers
        request = sign(delivery, url=url, signer=to.signer, own_headers=own, timeout_s=15, now_ms=started_ms)
    attempt = Attempt(
        id="att_9f86d081884c7d659a2feaa0c55ad015",
        started_ms=started_ms,
        elapsed_ms=143 if request else 0,
        queued_ms=8,
        request=request,
        reply=reply,
    )
    first = outgoing(delivery, verdict, attempt, to, topics=Topics("relay"), worker="relay-0")[0]
    assert first.value is not None
    result: dict[str, Any] = orjson.loads(first.value)
    return result


# the schemas themselves


def described(node: Any, path: str = "") -> Iterator[tuple[str, str | None]]:  # noqa: ANN401  JSON
    """Every field that a schema has properties for, with its description."""
    for name, inner in node.get("properties", {}).items():
        yield f"{path}{name}", inner.get("description")
        yield from described(inner, f"{path}{name}.")
    if isinstance(node.get("additionalProperties"), dict):
        yield from described(node["additionalProperties"], f"{path}*.")


@pytest.mark.parametrize("name", ["event", "result", "notice", "progress", "token", "audit"])
def test_a_schema_is_one_of_its_draft_and_describes_every_field(name: str) -> None:
    """2020-12; a description is a sentence or more."""
    jsonschema_rs.meta.validate(schema(name))

    assert schema(name)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert [] == [path for path, text in described(schema(name)) if not (text and text.endswith("."))]


def test_the_lists_in_the_schemas_are_the_models() -> None:
    """Closed lists: one more on either side would be a surprise to who reads the topic."""
    fields = schema("result")["properties"]

    assert {reason.value for reason in Reason} == set(fields["reason"]["enum"])
    assert {*(ended.value for ended in EndedBy), None} == set(fields["ended_by"]["enum"])
    assert {trigger.value for trigger in Trigger} == set(fields["trigger"]["enum"])
    assert {one.name for one in (Delivered, Retry, GaveUp, Deferred, Dropped)} == set(fields["verdict"]["enum"])
    assert list(EVENT_TYPES) == fields["event_type"]["enum"]
    assert {kind.value for kind in Kind} == set(schema("notice")["properties"]["kind"]["enum"])
    assert list(ACTIONS) == schema("event")["properties"]["action"]["enum"]
    assert list(Action) == schema("audit")["properties"]["action"]["enum"]
    assert list(Scope) == schema("token")["properties"]["scope"]["enum"]


# events


@pytest.mark.parametrize("action", ACTIONS)
def test_an_example_event_validates_and_is_read(action: str) -> None:
    """Its body is JSON-equal to it, and everything that relay looks for is found."""
    value = example(f"event.{action}")

    event = read(value)

    validator("event").validate(value)
    assert value == orjson.loads(event.body)
    assert (f"lead.{action}", value["resource_id"]) == (event.type, event.lead_id)
    assert None not in (event.bot_id, event.resource_version, event.time, event.time_raw)


def without(value: dict[str, Any], *path: str) -> dict[str, Any]:
    head, *rest = path
    return {
        name: without(inner, *rest) if name == head and rest else inner
        for name, inner in value.items()
        if name != head or rest
    }


def filled(value: dict[str, Any], one: object, *path: str) -> dict[str, Any]:
    head, *rest = path
    return value | {head: filled(value[head], one, *rest) if rest else one}


@pytest.mark.parametrize("path", [("resource",), ("action",), ("resource_id",), ("lead",), ("lead", "account_id")])
def test_a_required_field_is_required_by_the_schema_and_by_relay(path: tuple[str, ...]) -> None:
    """Absent, or of another type: neither takes it."""
    bare = without(example("event.updated"), *path)
    mistyped: tuple[Any, ...] = (None, 7, [], {})
    spoiled = [bare, *(filled(bare, one, *path) for one in mistyped)]

    for one in spoiled:
        assert not validator("event").is_valid(one)
        with pytest.raises(Malformed):
            read(one)


@pytest.mark.parametrize("spoiled", [{"resource": "visit"}, {"action": "deleted"}])
def test_an_event_that_is_not_of_the_schema_but_well_formed_is_skipped(spoiled: dict[str, str]) -> None:
    """Other resources and actions may share the topic."""
    value = example("event.updated") | spoiled

    assert not validator("event").is_valid(value)
    assert SKIPPED is read_event(a_record(value), max_bytes=MAX_BYTES)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)  # a lone surrogate is no UTF-8
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
OPTIONAL = ("meta", "data", "time_stamp", "resource_version", "unheard_of")
LEAD = ("id", "bot_id", "version", "data", "unheard_of")


@given(
    st.dictionaries(st.sampled_from(OPTIONAL), JSON),
    st.dictionaries(st.sampled_from(LEAD), JSON),
    TEXT.filter(bool),
)
def test_what_has_the_required_fields_is_read_whatever_else_it_holds(
    more: dict[str, Any], lead: dict[str, Any], any_id: str
) -> None:
    """So everything that the schema takes is, and the body is JSON-equal to it."""
    required = {"resource": "lead", "action": "created", "resource_id": any_id}

    value = more | {"lead": lead | {"account_id": any_id}} | required

    assert value == orjson.loads(read(value).body)


# results


@dataclass(frozen=True)
class Told:
    """What happened in an example of a result."""

    verdict: Verdict
    reply: Reply | None = None
    after_s: int = 0  # since the event was read
    attempt: int = 1
    deferrals: int = 0
    gone: bool = False  # there is no such subscription any more


BUSY = Answer(
    status=503,
    headers=(("content-type", "application/json"), ("retry-after", "20"), ("set-cookie", "session=1")),
    body=b'{"error":"busy"}',
)
EXAMPLES = {
    "delivered": Told(Delivered(), Answer(status=200, headers=(("content-type", "text/plain"),), body=b"ok")),
    "retry": Told(Retry(30, Reason.STATUS), BUSY, after_s=5, attempt=2),
    "gave_up": Told(GaveUp(EndedBy.EXHAUSTED, Reason.TIMEOUT), Failure(Reason.TIMEOUT), 160_955, attempt=LAST_ATTEMPT),
    "deferred": Told(Deferred(30, Reason.SUBSCRIPTION_PAUSED), after_s=5, deferrals=1),
    "dropped": Told(Dropped(Reason.SUBSCRIPTION_DELETED), after_s=5, attempt=2, gone=True),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_result_validates_and_is_what_relay_makes(name: str) -> None:
    """Of the example event; only relay's own version differs from release to release."""
    case, to = EXAMPLES[name], an_endpoint()
    delivery = a_delivery(read(example("event.updated")), to, attempt=case.attempt, deferrals=case.deferrals)
    wanted = example(f"result.{name}") | {"relay_version": __version__}
    if wanted["request_headers"]:
        wanted["request_headers"]["user-agent"] = f"relay/{__version__}"

    now_ms = READ_MS + case.after_s * 1000
    result = told(delivery, None if case.gone else to, case.verdict, case.reply, started_ms=now_ms)

    validator("result").validate(wanted)
    assert wanted == result
    assert list(schema("result")["properties"]) == list(result)


def replies() -> Iterator[Reply]:
    """One of each kind: the table of DESIGN.md section 7."""
    for status in (200, 204, 301, 410, 429, 500, 503):
        yield Answer(status=status, headers=())
        yield Answer(status=status, headers=(("a", "1"), ("retry-after", "20")), body=b"\xff\xfe", truncated=True)
    for reason in ("timeout", "connect", "dns", "tls", "protocol", "proxy", "blocked_address", "invalid_url"):
        yield Failure(Reason(reason))


def events() -> tuple[Event, Event]:
    """One with everything, one with nothing but what is required."""
    bare = {"resource": "lead", "action": "created", "resource_id": "lead-1", "lead": {"account_id": "a"}}
    return read(example("event.completed")), read(bare)


def results() -> Iterator[dict[str, Any]]:
    """Every trigger with every way to every verdict, through the functions that decide."""
    for event, trigger, attempt in itertools.product(events(), Trigger, (1, LAST_ATTEMPT)):
        for reply, recorded in itertools.product(replies(), (True, False)):
            to = an_endpoint(record_response=recorded)
            delivery = a_delivery(event, to, trigger=trigger, attempt=attempt)
            yield told(delivery, to, settle(delivery, reply, schedule=SCHEDULE, now_ms=READ_MS), reply)
        delivery = a_delivery(event, an_endpoint(), trigger=trigger, attempt=attempt)
        for now, age_s in itertools.product(unwell(), (0, SCHEDULE.max_age_s + 1)):
            verdict = admit(delivery, now, schedule=SCHEDULE, now_ms=READ_MS + age_s * 1000)
            assert verdict is not None
            yield told(delivery, now, verdict)


def unwell() -> Iterable[Endpoint | None]:
    """What may stand under a subscription's id when nothing is sent."""
    anew = an_endpoint(created_at="2020-01-01T00:00:00.000Z", account_id="another")
    unreadable = replace(an_endpoint(), signer=None)
    return (
        *(None, anew, an_endpoint(state=State.DISABLED), an_endpoint(state=State.PAUSED)),
        *(unreadable, unknown(SubscriptionId("sub_crm"))),
    )


def nullness(results: Iterable[dict[str, Any]], by: str) -> dict[str, dict[str, str]]:
    """By field and value of `by`: set, null or either."""
    seen: dict[str, dict[str, set[bool]]] = defaultdict(lambda: defaultdict(set))
    for result in results:
        for field, value in result.items():
            seen[field][result[by]].add(value is None)
    names = {(True,): "null", (False,): "set", (False, True): "either"}
    return {field: {one: names[tuple(sorted(nulls))] for one, nulls in row.items()} for field, row in seen.items()}


def table(*columns: str) -> dict[str, dict[str, str]]:
    """The table in schemas/README.md that has these columns: field -> column -> cell."""
    lines = iter((SCHEMAS / "README.md").read_text("utf-8").splitlines())
    next(line for line in lines if line.startswith(f"| field | {' | '.join(columns)} |"))
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in itertools.takewhile(bool, lines)][1:]
    return {field.strip("`"): dict(zip(columns, cells, strict=False)) for field, *cells in rows}


def test_the_table_of_nulls_says_what_relay_does() -> None:
    """By verdict or by trigger, cell by cell; a field in neither table is never null."""
    made = list(results())
    by_verdict, by_trigger = nullness(made, "verdict"), nullness(made, "trigger")
    verdicts, triggers = table(*VERDICTS), table(*(trigger.value for trigger in Trigger))

    assert verdicts == {field: by_verdict[field] for field in verdicts}
    assert triggers == {field: by_trigger[field] for field in triggers}
    assert {field for field, row in by_verdict.items() if {*row.values()} != {"set"}} == {*verdicts, *triggers}


def test_every_result_validates_and_no_field_may_be_left_out_or_added() -> None:
    """All verdicts, triggers and replies."""
    valid = validator("result").is_valid

    for result in results():
        validator("result").validate(result)
        assert not valid(result | {"more": None})
        assert not any(valid({name: result[name] for name in result if name != left}) for left in result)


TOKENS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=12) | st.just("set-cookie")
VALUES = st.binary(max_size=40).map(lambda raw: raw.decode("utf-8", "surrogateescape"))  # as they come from aiohttp
ANSWERS = st.builds(
    Answer,
    status=st.integers(100, 999),
    headers=st.lists(st.tuples(TOKENS, VALUES), max_size=8).map(tuple),
    body=st.binary(max_size=60),
    truncated=st.booleans(),
)
FAILURES = st.builds(Failure, st.sampled_from(Reason))


@given(
    trigger=st.sampled_from(Trigger),
    reply=ANSWERS | FAILURES,
    attempt=st.integers(1, LAST_ATTEMPT + 1),
    deferrals=st.integers(0, 1000),
    recorded=st.booleans(),
)
def test_whatever_a_receiver_answers_the_result_validates(
    *, trigger: Trigger, reply: Reply, attempt: int, deferrals: int, recorded: bool
) -> None:
    """Any status, any header, any bytes."""
    to = an_endpoint(record_response=recorded)
    delivery = a_delivery(events()[0], to, trigger=trigger, attempt=attempt, deferrals=deferrals)

    result = told(delivery, to, settle(delivery, reply, schedule=SCHEDULE, now_ms=READ_MS), reply)

    validator("result").validate(result)


@pytest.mark.parametrize(
    ("of", "spoil"),
    [
        ("delivered", {"reason": "status"}),
        ("delivered", {"status": 302}),
        ("delivered", {"ended_by": "exhausted"}),
        ("delivered", {"next_attempt_at": "2019-06-07T23:09:40.912Z"}),
        ("delivered", {"run_id": "run_1"}),
        ("delivered", {"trigger": "test"}),
        ("delivered", {"started_at": "2019-06-07T23:09:40Z"}),
        ("delivered", {"request_headers": {"Relay-Attempt": "1"}}),
        ("retry", {"next_attempt_at": None}),
        ("retry", {"attempt": 0}),
        ("gave_up", {"ended_by": None}),
        ("deferred", {"status": 200}),
        ("dropped", {"reason": "bored"}),
        ("dropped", {"response_body_encoding": "base64"}),
    ],
)
def test_a_result_that_contradicts_itself_is_refused(of: str, spoil: dict[str, Any]) -> None:
    """The schema knows which fields belong to which verdict and trigger."""
    assert not validator("result").is_valid(example(f"result.{of}") | spoil)


# notices


@dataclass(frozen=True)
class Noticed:
    """What happened in an example of a notice."""

    reason: Reason | EndedBy | State
    status: int | None
    after_ms: int  # since it began
    since_ms: int = READ_MS
    versions: int = 0  # since it was called
    who: str = "relay-0"


NOTICES = {
    Kind.DISABLED: Noticed(EndedBy.GONE, 410, 150_000),
    Kind.RE_ENABLED: Noticed(State.ACTIVE, None, 31_729_050, since_ms=READ_MS + 150_038, versions=2, who="cli:ops"),
    Kind.FAILING: Noticed(Reason.TIMEOUT, None, 4_290_000),
    Kind.RECOVERED: Noticed(Reason.OK, 200, 11_490_000),
}


@pytest.mark.parametrize("kind", NOTICES)
def test_an_example_notice_validates_and_is_what_relay_makes(kind: Kind) -> None:
    """Only relay's own version differs from release to release."""
    case, called = NOTICES[kind], an_endpoint().subscription
    wanted = example(f"notice.{kind}") | {"relay_version": __version__}

    called = replace(called, version=called.version + case.versions)
    since, at = rfc3339(case.since_ms), rfc3339(case.since_ms + case.after_ms)
    made = notice(kind, called, since=since, at=at, reason=case.reason, status=case.status, worker=case.who)

    validator("notice").validate(wanted)
    assert wanted == orjson.loads(orjson.dumps(made))
    assert list(schema("notice")["properties"]) == list(made)


def noticed(*replies: Reply, every_s: float = 3600) -> list[dict[str, Any]]:
    """What is told where these came so far apart; whatever is to be disabled is."""
    sent: list[bytes] = []

    class Kept:
        def send(self, record: Outgoing, ticket: Ticket) -> None:
            assert isinstance(record.value, bytes)
            sent.append(record.value)
            ticket.acknowledged(0)

    clock = ManualClock(READ_MS)
    notices = some_notices(cast("Produce", Kept()), Room(limit_bytes=1), clock=clock, edit=all_of_it)

    async def told() -> None:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(notices.run())
            for number, reply in enumerate(replies):
                notices.hear(an_endpoint().subscription, DeliveryId(f"dlv_{number}"), reply)
                await clock.advance(every_s)
                for _ in range(20):
                    await asyncio.sleep(0)
            running.cancel()

    asyncio.run(told())
    return [orjson.loads(one) for one in sent]


async def all_of_it(edit: Edit) -> Changes:
    """The topic holds what was called."""
    called = an_endpoint().subscription
    return edit({called.id: called})


def test_every_notice_validates_and_no_field_may_be_left_out_or_added() -> None:
    """All kinds, after every reply that an endpoint may give."""
    gone, ok = Answer(status=410, headers=()), Answer(status=204, headers=())
    valid = validator("notice").is_valid
    seen: set[tuple[str, str]] = set()

    for reply in replies():
        days = noticed(*[reply] * 7, every_s=86_400)
        for one in noticed(reply, reply, ok) + noticed(gone, reply, gone, gone, ok) + days:
            validator("notice").validate(one)
            seen.add((one["kind"], one["reason"]))
            assert not valid(one | {"more": None})
            assert not any(valid({name: one[name] for name in one if name != left}) for left in one)

    reasons = schema("notice")["properties"]["reason"]["enum"]
    failing = {("failing", reason) for reason in reasons if reason not in {"gone", "failing", "ok", "active", "paused"}}
    assert {("disabled", "gone"), ("disabled", "failing"), ("recovered", "ok"), *failing} == seen


@pytest.mark.parametrize(
    ("of", "spoil"),
    [
        ("disabled", {"reason": "status"}),
        ("disabled", {"status": 404}),
        ("disabled", {"reason": "failing", "status": 200}),
        ("failing", {"reason": "failing"}),
        ("re-enabled", {"reason": "gone"}),
        ("re-enabled", {"reason": "disabled"}),
        ("re-enabled", {"status": 200}),
        ("failing", {"reason": "active"}),
        ("failing", {"reason": "ok"}),
        ("failing", {"reason": "gone"}),
        ("failing", {"reason": "status"}),
        ("failing", {"status": 503}),
        ("failing", {"reason": "status", "status": 204}),
        ("recovered", {"status": 500}),
        ("recovered", {"status": None}),
        ("recovered", {"since": None}),
        ("recovered", {"kind": "healthy"}),
    ],
)
def test_a_notice_that_contradicts_itself_is_refused(of: str, spoil: dict[str, Any]) -> None:
    """The schema knows which reason and status belong to which kind."""
    assert not validator("notice").is_valid(example(f"notice.{of}") | spoil)


# tokens and the audit

PORTAL = "rly_Zm9vYmFyYmF6cXV4cXV1eGNvcmdlZ3JhdWx0Z2FycGw"  # what the holder of the example shows


def a_token() -> Token:
    return made_token(
        token_id="tok_mfrggzdfmztwq2lk",
        hashed=hashed(PORTAL),
        prefix=prefix(PORTAL),
        name="Customer portal",
        scope="write",
        account=an_endpoint().subscription.account_id,
        expires_at="2019-09-06T01:09:40.912+02:00",
        by="cli:ops",
        now_ms=READ_MS,
    )


def test_an_example_token_validates_and_is_what_relay_makes() -> None:
    """Byte for byte; and no field may be left out or added."""
    wanted, valid = example("token"), validator("token").is_valid

    assert wanted == orjson.loads(encode_token(a_token()))
    assert a_token() == decode_token(wanted["id"].encode(), orjson.dumps(wanted))
    assert valid(wanted)
    assert valid(wanted | {"account_id": None, "expires_at": None, "id": new_id()})
    assert not valid(wanted | {"token": PORTAL})
    assert not any(valid({name: wanted[name] for name in wanted if name != left}) for left in wanted)


@pytest.mark.parametrize(
    "spoil",
    [{"scope": "root"}, {"hash": PORTAL}, {"prefix": PORTAL}, {"account_id": ""}, {"expires_at": "2019-09-05"}],
)
def test_a_token_that_could_mean_more_is_refused(spoil: dict[str, Any]) -> None:
    """By the schema, as relay reads none such."""
    assert not validator("token").is_valid(example("token") | spoil)


def entries(name: str) -> list[AuditEntry]:
    """Those of what the example tells of."""
    old, at = an_endpoint().subscription, rfc3339(READ_MS)
    new = replace(old, version=5, url="https://crm.example.com/other", events=("lead.updated",))
    who = "token:tok_mfrggzdfmztwq2lk (Customer portal)"
    match name:
        case "updated":
            return list(audited({old.id: old}, {old.id: new}, by=who, at=at))
        case "deleted":
            return list(audited({old.id: old}, {old.id: None}, by="cli:ops", at=at))
        case _:
            return audited_tokens({}, {a_token().id: a_token()}, by="cli:ops", at=at)


@pytest.mark.parametrize("name", ["updated", "deleted", "token"])
def test_an_example_entry_validates_and_is_what_relay_makes(name: str) -> None:
    """Only relay's own version differs from release to release."""
    wanted = example(f"audit.{name}") | {"relay_version": __version__}

    (made,) = entries(name)

    validator("audit").validate(wanted)
    assert wanted == orjson.loads(encode_entry(made))
    assert list(schema("audit")["properties"]) == list(orjson.loads(encode_entry(made)))
    assert not any(validator("audit").is_valid({key: wanted[key] for key in wanted if key != left}) for left in wanted)


# the documentation


def test_what_the_readme_points_to_exists_and_every_file_is_spoken_of() -> None:
    """Links lead somewhere; a vector that nobody names is not found."""
    text = (SCHEMAS / "README.md").read_text("utf-8")

    assert [] == [link for link in re.findall(r"\]\(([^)]+)\)", text) if not (SCHEMAS / link).exists()]
    assert [] == [one.name for one in [*SCHEMAS.glob("*.json"), *SCHEMAS.glob("vectors/*")] if one.name not in text]


def test_the_readmes_program_computes_the_id_of_the_vectors(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever copies it gets what relay sends."""
    text = (SCHEMAS / "README.md").read_text("utf-8")
    program = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))
    case = json.loads((SCHEMAS / "vectors" / "delivery_ids.json").read_text("utf-8"))[3]

    exec(program, dict(case))  # noqa: S102  our own documentation
    printed = capsys.readouterr().out.strip()

    assert case["delivery_id"] == printed
