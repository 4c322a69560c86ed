import json
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.errors import Malformed
from relay.model import ACTIONS, Delivery, DeliveryId, Event, Headers, Source, SubscriptionId, Trigger
from relay.pipeline.decode import SKIPPED, Skipped, delivery_headers, normalised_time, read_delivery, read_event
from tests.builders import a_delivery, a_machine_in, a_record, a_value, an_event

PLENTY = 1 << 20
FRAME = b"\x00\x00\x00\x00\x07"  # Confluent's: 0x00 and the id of a schema

texts = st.text(st.characters(codec="utf-8"))
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(texts, values, max_size=6)
beyond = st.integers(min_value=2**64) | st.integers(max_value=-(2**63) - 1)


def read(value: bytes | dict[str, Any] | None, headers: Headers = ()) -> Event | Skipped:
    return read_event(a_record(value, headers=headers), max_bytes=PLENTY)


def event_of(value: bytes | dict[str, Any]) -> Event:
    event = read(value)
    assert isinstance(event, Event)
    return event


def holding(text: str) -> bytes:
    """An event as it is written that says `"x":`, then exactly this text."""
    return json.dumps(a_value()).encode()[:-1] + b', "x":' + text.encode() + b"}"


def nested(depth: int, inward: str = "[") -> bytes:
    """An event so deep, counting itself; of lists or, with `{"a":` for one step inward, of objects."""
    core, outward = ("", "]") if inward == "[" else ("0", "}")
    return holding(inward * (depth - 1) + core + outward * (depth - 1))


def said(raw: bytes) -> str:
    """What JSON says, exactly: order, and that 1, 1.0 and true differ, show in it."""
    return repr(json.loads(raw))


@given(objects, st.booleans())
def test_the_body_says_what_the_platform_said(extra: dict[str, Any], escaped: bool) -> None:  # noqa: FBT001
    """Whatever fields it has, in their order, with 64-bit integers and doubles as they were, escaped or not."""
    raw = json.dumps({**extra, **a_value(data=extra)}, ensure_ascii=escaped, indent=1).encode()

    event = event_of(raw)

    assert said(raw) == said(event.body)
    assert sha256(event.body).hexdigest() == event.body_sha256


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("9223372036854775808", "9223372036854775808"),
        ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("1.0", "1.0"),
        ("1E19", "1e19"),
        ("-0.0", "-0.0"),
        ("0.1000000000000000055511151231257827", "0.1"),
        ("12345678901234567890.5", "12345678901234567000.0"),
        ("1e-400", "0.0"),
        ('"\\ud83d\\ude00 \\u0000"', '"😀 \\u0000"'),
    ],
)
def test_what_is_a_64_bit_integer_or_a_double_is_kept(written: str, kept: str) -> None:
    """However many digits it was written with."""
    assert json.loads(kept) == json.loads(event_of(holding(written)).body)["x"]


def test_of_duplicate_keys_the_last_wins() -> None:
    """At the place of the first, as parsers have it."""
    assert event_of(holding('{"a":1,"b":2,"a":3}')).body.endswith(b'"x":{"a":3,"b":2}}')


def test_the_body_is_compact() -> None:
    """Spaces between tokens, and around the whole, are not sent."""
    assert event_of(b" " + json.dumps(a_value(), indent=4).encode() + b"\n") == event_of(a_value())


@given(beyond, st.sampled_from(["{}", "[{}]", '{{"y":[0,{}]}}', '{{"a":{},"a":1}}', '[1.5,{},"9"]']))
@example(2**64, "{}")
@example(-(2**63) - 1, "{}")
@example(10**308, "{}")  # as a double it would still be finite
def test_an_integer_beyond_64_bits_is_malformed(integer: int, where: str) -> None:
    """Wherever it stands: as a double it would say something else."""
    with pytest.raises(Malformed, match="beyond 64 bits"):
        read(holding(where.format(integer)))


@given(beyond)
def test_digits_in_a_string_are_no_integer(integer: int) -> None:
    """Nor are those of a key, however many."""
    event = event_of(holding(f'{{"{integer}":"{integer}"}}'))

    assert {str(integer): str(integer)} == json.loads(event.body)["x"]


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "NaN", "Infinity", "-Infinity", "1" + "0" * 400, "9" * 5000, "01", "+1", "."]
)
def test_what_is_no_number_of_json_or_no_double_is_malformed(number: str) -> None:
    """Infinity cannot be said in JSON, so what would become it is not sent on."""
    with pytest.raises(Malformed, match="not JSON"):
        read(holding(number))


STEPS = ("[", '{"a":')


@pytest.mark.parametrize("inward", STEPS)
def test_64_levels_are_read(inward: str) -> None:
    """The event itself is the first."""
    assert isinstance(read(nested(64, inward)), Event)


@pytest.mark.parametrize("inward", STEPS)
@pytest.mark.parametrize("depth", [65, 500, 1000, 1024, 5_000, 100_000])
def test_more_than_64_levels_are_malformed(depth: int, inward: str) -> None:
    """However many more: no parser's own limit is a crash."""
    with pytest.raises(Malformed, match=r"deeper than 64|depth limit"):
        read(nested(depth, inward))


def test_a_deep_value_that_a_later_key_replaces_is_malformed_where_it_cannot_be_checked() -> None:
    """The second parser, asked because of the long number, goes no deeper than Python's own stack."""
    deep = "[" * 1000 + "]" * 1000

    with pytest.raises(Malformed, match="deeper than 64"):
        read(holding(f'{{"a":{deep},"a":1,"n":1234567890123456789}}'))


def test_brackets_in_strings_are_no_depth() -> None:
    """Nor are siblings."""
    event = event_of(holding(json.dumps(["[{" * 200] + [[]] * 200)))

    assert "[{" * 200 == json.loads(event.body)["x"][0]


@pytest.mark.parametrize("over", [0, 1])
def test_the_raw_size_is_held_against_the_limit(over: int) -> None:
    """Also where only spaces make it so large; exactly the limit is not over it."""
    raw = json.dumps(a_value()).encode()
    record = a_record(raw + b" " * over)

    if not over:
        assert isinstance(read_event(record, max_bytes=len(raw)), Event)
        return
    with pytest.raises(Malformed, match=f"^over {len(raw)} bytes"):
        read_event(record, max_bytes=len(raw))


def test_the_serialised_size_is_held_against_the_limit() -> None:
    """It can be the larger one, as where numbers are written short; exactly the limit is not over it."""
    raw = an_event().body[:-1] + b',"x":[1e15,1e15]}'
    body = event_of(raw).body
    assert len(raw) < len(body)

    with pytest.raises(Malformed, match=f"^serialised it is over {len(body) - 1} bytes"):
        read_event(a_record(raw), max_bytes=len(body) - 1)
    assert isinstance(read_event(a_record(raw), max_bytes=len(body)), Event)


def test_a_confluent_frame_is_stripped() -> None:
    """It is of the transport: the event is the same without it."""
    assert event_of(a_value()) == event_of(FRAME + json.dumps(a_value()).encode())


@pytest.mark.parametrize("raw", [FRAME[:1], FRAME[:4], FRAME, FRAME * 2, FRAME + FRAME + b"{}"])
def test_a_frame_without_json_is_malformed(raw: bytes) -> None:
    """Whole or cut short."""
    with pytest.raises(Malformed, match="not JSON"):
        read(raw)


def test_a_tombstone_is_skipped() -> None:
    """A null value says nothing about a lead."""
    assert read(None) is SKIPPED


@pytest.mark.parametrize(
    "other",
    [
        {"resource": "bot"},
        {"action": "deleted"},
        {"resource": "Lead"},
        {"action": "UPDATED"},
        {"resource": "", "action": ""},
        {"resource": "bot", "lead": None, "resource_id": None},
    ],
)
def test_another_resource_or_action_is_skipped(other: dict[str, Any]) -> None:
    """Whatever else it holds; names are compared as they are written."""
    assert read(a_value(**other)) is SKIPPED


@pytest.mark.parametrize("action", ACTIONS)
def test_each_action_is_a_type(action: str) -> None:
    """`<resource>.<action>`."""
    assert f"lead.{action}" == event_of(a_value(action=action)).type


MISSING = object()
NO_ID: list[object] = [MISSING, None, "", 1, True, ["lead_1"], {"id": "lead_1"}, "x" * 257, "é" * 129]


@pytest.mark.parametrize(
    ("field", "wrong", "reason"),
    [
        *(("resource", wrong, "resource and action must be strings") for wrong in (MISSING, None, 1, ["lead"])),
        *(("action", wrong, "resource and action must be strings") for wrong in (MISSING, None, 1, ["updated"])),
        *(("lead", wrong, "lead must be an object") for wrong in (MISSING, None, "lead_1", [])),
        *(("resource_id", wrong, "resource_id must be a string of 1 to 256 bytes") for wrong in NO_ID),
    ],
)
def test_a_missing_or_mistyped_field_that_is_required_is_malformed(field: str, wrong: object, reason: str) -> None:
    """With a reason that names it."""
    value = a_value(**{field: wrong})
    if wrong is MISSING:
        del value[field]

    with pytest.raises(Malformed, match=f"^{reason}$"):
        read(value)


@pytest.mark.parametrize("wrong", NO_ID)
def test_a_missing_or_mistyped_account_is_malformed(wrong: object) -> None:
    """With a reason that names it and says where it stands."""
    value = a_value(lead={} if wrong is MISSING else {"account_id": wrong})

    with pytest.raises(Malformed, match=r"^lead\.account_id must be a string of 1 to 256 bytes$"):
        read(value)


@pytest.mark.parametrize("identity", ["a", "x" * 256, "é" * 128, " ", "\x00", "*", "/", "😀" * 64])
def test_any_string_of_1_to_256_bytes_is_an_id(identity: str) -> None:
    """Bytes as UTF-8 has them; nothing is trimmed."""
    event = event_of(a_value(resource_id=identity, lead={"account_id": identity}))

    assert (identity, identity) == (event.lead_id, event.account_id)


def test_what_is_not_required_may_be_missing() -> None:
    """The smallest event has four fields."""
    event = event_of({"resource": "lead", "action": "created", "resource_id": "lead_1", "lead": {"account_id": "a"}})

    assert (None, None, None, None) == (event.bot_id, event.resource_version, event.time, event.time_raw)


@pytest.mark.parametrize(
    "mistyped",
    [
        {"lead": {"account_id": "acc_1", "bot_id": 7}},
        {"resource_version": True},
        {"resource_version": "2"},
        {"time_stamp": 7},
    ],
)
def test_what_is_not_required_may_be_mistyped(mistyped: dict[str, Any]) -> None:
    """It is sent as it is; relay itself takes it for missing."""
    event = event_of(a_value(**mistyped))

    assert None in (event.bot_id, event.resource_version, event.time_raw)
    assert mistyped.items() <= json.loads(event.body).items()


def test_an_event_is_where_its_record_stands() -> None:
    """Topic, partition and offset; and what relay reads of it is what it says."""
    event = read_event(a_record(topic="leads.other", partition=3, offset=7), max_bytes=PLENTY)

    assert an_event(source=Source("leads.other", 3, 7)) == event


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON"),
        (b" ", "not JSON"),
        (b"{", "not JSON"),
        (b"{}{}", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),  # a byte order mark
        (b'{"a":"\xff"}', "not JSON"),
        (b'{"a":"\xc0\xaf"}', "not JSON"),  # an overlong form
        (b'{"a":"\xed\xa0\x80"}', "not JSON"),  # a surrogate as UTF-8 never has it
        (b'{"a":"\\ud800"}', "not JSON"),
        (b'{"a":"\\udc00\\ud800"}', "not JSON"),
        (b'{"\\ud800":1}', "not JSON"),
        ("{}".encode("utf-16"), "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b'{"a":1,}', "not JSON"),
        (b"null", "not a JSON object but NoneType"),
        (b"[]", "not a JSON object but list"),
        (b'"lead"', "not a JSON object but str"),
        (b"7", "not a JSON object but int"),
        (b"{}", "resource and action must be strings"),
    ],
)
def test_bytes_that_are_no_event_are_malformed(raw: bytes, reason: str) -> None:
    """With a short reason."""
    with pytest.raises(Malformed, match=f"^{reason}") as malformed:
        read(raw)

    assert len(str(malformed.value)) < 300


def test_a_traceparent_goes_with_its_event() -> None:
    """As the platform's header has it."""
    event = read(a_value(), (("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),))

    assert an_event(traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") == event


def test_a_traceparent_that_is_too_long_is_left_behind() -> None:
    """It goes into every record of its deliveries, and the broker refuses large ones."""
    assert an_event() == read(a_value(), (("traceparent", b"0" * 257),))


def test_of_a_time_that_is_none_the_beginning_is_kept() -> None:
    """It goes into every result, and the broker refuses large ones."""
    event = event_of(a_value(time_stamp="x" * 100_000))

    assert "x" * 64 == event.time_raw


def test_a_traceparent_that_cannot_be_read_costs_no_event() -> None:
    """It is another's header and optional: the event goes on without it."""
    assert an_event() == read(a_value(), (("traceparent", b"\xff"),))


# Bytes of which many come close to an event: one field is anything, and the whole may be framed, cut or followed.
near = st.builds(
    lambda field, value, frame, cut, rest: frame + json.dumps(a_value(**{field: value})).encode()[:cut] + rest,
    field=st.sampled_from(sorted(a_value())),
    value=values | objects.map(lambda lead: {"account_id": "acc_1"} | lead),
    frame=st.sampled_from([b"", b"", FRAME]),
    cut=st.none() | st.integers(0, 300),
    rest=st.just(b"") | st.binary(max_size=3),
)
headers = st.lists(st.tuples(st.sampled_from(["traceparent", "other"]), st.none() | st.binary(max_size=8)), max_size=3)


@given(st.none() | st.binary() | values.map(lambda value: json.dumps(value).encode()) | near, headers)
def test_every_record_is_an_event_skipped_or_malformed(value: bytes | None, headers: list[Any]) -> None:
    """And nothing else is ever raised: no bytes stop a partition."""
    with suppress(Malformed):
        outcome = read(value, tuple(headers))

        assert isinstance(outcome, Event) or outcome is SKIPPED


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("2019-06-07T23:09:40.8186038Z", "2019-06-07T23:09:40.818Z"),  # seven digits: cut, not rounded
        ("2019-06-07T23:09:40.9999999Z", "2019-06-07T23:09:40.999Z"),
        ("2019-06-07T23:05:17.034243", "2019-06-07T23:05:17.034Z"),  # without a zone it is UTC
        ("2019-06-07T23:09:40", "2019-06-07T23:09:40.000Z"),
        ("2019-06-07T23:09:40.5Z", "2019-06-07T23:09:40.500Z"),
        ("2019-06-07 23:09:40Z", "2019-06-07T23:09:40.000Z"),
        ("2019-06-07T23:09:40+02:00", "2019-06-07T21:09:40.000Z"),
        ("2019-06-07T23:09:40.25-05:30", "2019-06-08T04:39:40.250Z"),
        ("2019-12-31T23:59:59.999-00:01", "2020-01-01T00:00:59.999Z"),
        ("2020-02-29T00:00:00Z", "2020-02-29T00:00:00.000Z"),
        ("2019-02-29T00:00:00Z", None),  # no such day
        ("0001-01-01T00:00:00+01:00", None),  # before the first year
        ("9999-12-31T23:59:59-01:00", None),  # after the last
        ("2019-06-07T23:59:60Z", None),
        ("2019-06-07T23:09:40 GMT", None),
        ("1559948980", None),
        ("yesterday", None),
        ("", None),
        ("\x00", None),
    ],
)
def test_a_time_is_normalised_and_kept_as_it_was(written: str, time: str | None) -> None:
    """RFC 3339, UTC, milliseconds; what cannot be read is no reason to refuse the event."""
    event = event_of(a_value(time_stamp=written))

    assert (time, written) == (event.time, event.time_raw)


def test_a_time_without_a_zone_is_utc_wherever_relay_runs() -> None:
    """Never the zone of the machine."""
    with a_machine_in("Asia/Tokyo"):
        assert "2019-06-07T23:09:40.000Z" == normalised_time("2019-06-07T23:09:40")


@given(st.text() | st.datetimes(timezones=st.none() | st.timezones()).map(lambda moment: moment.isoformat()))
def test_a_normalised_time_is_its_own_normal_form(text: str) -> None:
    """Or None; never an error, whatever the text."""
    time = normalised_time(text)

    if time is not None:
        assert time == normalised_time(time)
        assert time.endswith("Z")
        assert 24 == len(time)


topics = st.from_regex(r"[A-Za-z0-9._-]{1,40}", fullmatch=True)
naturals = st.integers(0, 2**63 - 1)
events = st.builds(
    lambda extra, source, traceparent: replace(
        event_of({**extra, **a_value()}), source=source, traceparent=traceparent
    ),
    extra=objects,
    source=st.none() | st.builds(Source, topics, naturals, naturals),
    traceparent=st.none() | texts,
)
deliveries = st.builds(
    Delivery,
    id=st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True).map(DeliveryId),
    event=events,
    subscription_id=texts.map(SubscriptionId),
    account_id=st.sampled_from(["acc_1", "*"]),  # the event's, or everybody's
    incarnation=texts,
    matched_ms=naturals,
    attempt=st.integers(1, 2**63 - 1),
    deferrals=naturals,
    trigger=st.sampled_from(Trigger),
    run_id=st.none() | texts,
)


def written(delivery: Delivery, **changes: bytes | None) -> Any:  # noqa: ANN401
    """Its record on a delivery topic, with headers changed (`relay_attempt=b"7"`) as somebody else might have."""
    changed = {name.replace("_", "-"): value for name, value in changes.items()}
    there = dict(delivery_headers(delivery)) | changed
    return a_record(delivery.event.body, topic="relay.deliveries.30s", headers=tuple(there.items()))


@given(deliveries)
def test_a_delivery_is_read_back_as_it_was_written(delivery: Delivery) -> None:
    """All of it: the body byte for byte, everything else from the headers."""
    assert delivery == read_delivery(written(delivery), max_bytes=PLENTY)


def test_the_headers_of_a_delivery_are_the_contract() -> None:
    """Names and spelling, and no URL or secret among them; what is None has no header."""
    event = an_event(source=Source("leads.events", 3, 7), traceparent="00-aa-bb-01")
    delivery = a_delivery(event=event, attempt=2, deferrals=1, trigger=Trigger.REPLAY, run_id="run_1")

    assert {
        "relay-delivery-id": b"dlv_1",
        "relay-subscription-id": b"sub_1",
        "relay-attempt": b"2",
        "relay-deferrals": b"1",
        "relay-matched-ms": b"1559908800000",
        "relay-source": b"leads.events/3/7",
        "relay-event-type": b"lead.updated",
        "relay-account-id": b"acc_1",
        "relay-incarnation": b"2019-06-01T08:00:00.000Z",
        "relay-run-id": b"run_1",
        "relay-trigger": b"replay",
        "traceparent": b"00-aa-bb-01",
    } == dict(delivery_headers(delivery))
    bare = {name for name, _ in delivery_headers(a_delivery(event=an_event(source=None)))}
    assert not bare & {"relay-source", "relay-run-id", "traceparent"}


REQUIRED = (
    *("relay_delivery_id", "relay_subscription_id", "relay_account_id", "relay_incarnation"),
    *("relay_matched_ms", "relay_attempt", "relay_deferrals", "relay_trigger"),
)


@pytest.mark.parametrize("name", REQUIRED)
def test_a_delivery_without_one_of_its_headers_is_malformed(name: str) -> None:
    """A null header is as good as none; the reason names it."""
    with pytest.raises(Malformed, match=f"header {name.replace('_', '-')} is missing"):
        read_delivery(written(a_delivery(), **{name: None}), max_bytes=PLENTY)


def test_a_record_without_headers_is_no_delivery() -> None:
    """Though its value is an event."""
    with pytest.raises(Malformed, match="is missing"):
        read_delivery(a_record(), max_bytes=PLENTY)


NO_NUMBERS = (b"", b"-1", b"+1", b" 1", b"1_0", b"1.0", b"one", "١".encode(), b"1" * 20, b"9" * 5000, b"\xff")


@pytest.mark.parametrize("name", ["relay_matched_ms", "relay_attempt", "relay_deferrals"])
@pytest.mark.parametrize("wrong", NO_NUMBERS)
def test_a_number_that_relay_would_not_write_is_malformed(name: str, wrong: bytes) -> None:
    """Signs, spaces, other digits, too many: somebody else wrote it."""
    with pytest.raises(Malformed, match="not a delivery of relay's"):
        read_delivery(written(a_delivery(), **{name: wrong}), max_bytes=PLENTY)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("relay_attempt", b"0"),  # they count from 1
        ("relay_trigger", b"bogus"),
        ("relay_trigger", b"EVENT"),
        ("relay_source", b"leads.events"),
        ("relay_source", b"leads.events/0"),
        ("relay_source", b"leads.events/0/-1"),
        ("relay_source", b"leads.events//1"),
        *((name, b"\xff") for name in (*REQUIRED, "relay_source", "relay_run_id", "traceparent")),
    ],
)
def test_a_tampered_header_is_malformed(name: str, wrong: bytes) -> None:
    """Including what is not UTF-8, in any of them."""
    with pytest.raises(Malformed, match="not a delivery of relay's"):
        read_delivery(written(a_delivery(), **{name: wrong}), max_bytes=PLENTY)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (None, "without a body"),
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (FRAME + an_event().body, "has no frame"),
        (nested(65), "deeper than 64"),
        (holding(str(2**64)), "beyond 64 bits"),
        (an_event(a_value(resource_id="")).body, "resource_id"),
        (an_event(a_value(action="deleted")).body, "no event that relay sends"),
        (an_event().body + b" " * PLENTY, "over"),
    ],
)
def test_a_tampered_body_is_malformed(body: bytes | None, reason: str) -> None:
    """A body holds to the same rules as when it was an event."""
    record = replace(written(a_delivery()), value=body)

    with pytest.raises(Malformed, match=reason):
        read_delivery(record, max_bytes=PLENTY)


@given(
    st.sampled_from([name for name, _ in delivery_headers(a_delivery())]),
    st.none() | st.binary(max_size=30) | st.integers().map(lambda number: str(number).encode()),
    st.just(an_event().body) | near,
)
def test_every_record_is_a_delivery_or_malformed(name: str, value: bytes | None, body: bytes) -> None:
    """And nothing else is ever raised, whoever wrote it."""
    record = replace(written(a_delivery(), **{name: value}), value=body)

    with suppress(Malformed):
        delivery = read_delivery(record, max_bytes=PLENTY)

        assert body == delivery.event.body
        assert delivery.attempt >= 1
