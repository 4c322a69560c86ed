"""
Whatever is written to a topic that relay reads, by whomever, has a verdict: tables of what was thought of.

What was not thought of is the fuzzer's (tests/fuzz). That a worker goes on and says so: tests/kafka/test_hostile.py.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest

from relay.config import Config
from relay.errors import Invalid, Malformed
from relay.model import Event, Sealed, Secret, SubscriptionId
from relay.pipeline.decode import SKIPPED, Skipped, delivery_headers, read_delivery, read_event
from relay.pipeline.filters import MAX_ELEMENTS, compile_filter
from relay.pipeline.match import Index, endpoint
from relay.pipeline.results import dead_letter
from relay.pipeline.sign import OpenedSecret, Signer, sign
from relay.pipeline.wire import _head
from relay.store.catalogue import opened, opens_any
from relay.store.codec import MAX_RECORD_BYTES, encode, stored
from relay.store.edits import Unreadable
from relay.store.forms import read_form
from relay.store.keyring import CannotOpen, KeyRing
from relay.store.sound import MAX_SECRETS
from relay.store.subscriptions import fold
from relay.topics import Topics
from tests.builders import NOON_MS, a_delivery, a_record, a_subscription, a_value, an_event

MIB = 1024 * 1024
SOON_S = 2  # for the slowest of them on a busy machine; most take a thousandth
READ = "read"
SKIP = "skipped"
LINES = "\r\nx-forged: 1\r\n\r\n"


def holding(text: str | bytes) -> bytes:
    """An ordinary event that also says `"x":`, and then exactly this."""
    raw = text.encode() if isinstance(text, str) else text
    return orjson.dumps(a_value())[:-1] + b',"x":' + raw + b"}"


def sized(size: int) -> bytes:
    """An event of exactly so many bytes."""
    return holding('"' + "x" * (size - len(holding('""'))) + '"')


EVENTS: dict[str, tuple[bytes, str]] = {
    # depth
    "64 levels": (holding("[" * 63 + "]" * 63), READ),
    "65 levels": (holding("[" * 64 + "]" * 64), "nested deeper than 64"),
    "65 levels of objects": (holding('{"a":' * 64 + "1" + "}" * 64), "nested deeper than 64"),
    "a thousand levels": (holding("[" * 1_000 + "]" * 1_000), "nested deeper than 64"),
    "half a million levels": (holding("[" * 500_000 + "]" * 500_000), "not JSON"),
    "levels that never close": (holding("[" * 1_000_000), "not JSON"),
    "levels under a key that comes again": (holding("[" * 900 + "]" * 900 + ',"x":1'), READ),
    "brackets in a text": (holding('"' + "[{" * 1_000 + '"'), READ),
    # numbers
    "beyond 64 bits": (holding("18446744073709551616"), "an integer beyond 64 bits"),
    "below 64 bits": (holding("-9223372036854775809"), "an integer beyond 64 bits"),
    "three hundred digits": (holding("9" * 300), "an integer beyond 64 bits"),
    "a million digits": (holding("9" * 1_000_000), "not JSON"),
    "a million digits behind a point": (holding("0." + "9" * 1_000_000), READ),
    "no double": (holding("1e999"), "not JSON"),
    "an exponent of a million digits": (holding("1e" + "9" * 1_000_000), "not JSON"),
    "an exponent that comes to nothing": (holding("1e-" + "9" * 1_000_000), READ),
    "not a number": (holding("NaN"), "not JSON"),
    "infinity": (holding("-Infinity"), "not JSON"),
    "leading zeros": (holding("007"), "not JSON"),
    # names
    "an account twice": (holding('1,"lead":{"account_id":"acc_1","account_id":"acc_2"}'), READ),
    "50,000 names, all the same": (holding("{" + ",".join(['"a":1'] * 50_000) + "}"), READ),
    "50,000 names": (holding("{" + ",".join(f'"{n}":1' for n in range(50_000)) + "}"), READ),
    "a prototype": (holding('{"__proto__":{"a":1},"constructor":{"prototype":{}}}'), READ),
    "an action of a prototype": (orjson.dumps(a_value(action="__proto__")), SKIP),
    # text
    "half a surrogate pair": (holding('"\\ud800"'), "not JSON"),
    "the pair the wrong way round": (holding('"\\udc00\\ud800"'), "not JSON"),
    "half a surrogate pair as a name": (holding('{"\\ud800":1}'), "not JSON"),
    "a surrogate in UTF-8": (holding(b'"\xed\xa0\x80"'), "not JSON"),
    "an overlong form": (holding(b'"\xc0\x80"'), "not JSON"),
    "NUL, written out": (holding('"a\\u0000b"'), READ),
    "NUL, as it is": (holding(b'"a\0b"'), "not JSON"),
    "NUL behind": (orjson.dumps(a_value()) + b"\0", "not JSON"),
    "NUL alone": (b"\0", "not JSON"),
    "a byte order mark": (b"\xef\xbb\xbf" + orjson.dumps(a_value()), "not JSON"),
    "UTF-16": (json.dumps(a_value()).encode("utf-16"), "not JSON"),
    "gzip": (b"\x1f\x8b\x08\0\0\0\0\0\0\x03", "not JSON"),
    # size
    "1 MiB": (sized(MIB), READ),
    "1 MiB and a byte": (sized(MIB + 1), "over 1048576 bytes"),
    "1 MiB of white space": (b" " * MIB, "not JSON"),
    "small, and large once it is written out": (
        holding("[" + ",".join(["1e15"] * 200_000) + "]"),
        "serialised it is over",
    ),
    "8 MiB": (b"[" * 8 * MIB, "over 1048576 bytes"),
    # ids and types that want to be something else
    "lines in an id": (orjson.dumps(a_value(resource_id=f"lead{LINES}")), READ),
    "lines in an account": (orjson.dumps(a_value(lead={"account_id": f"acc{LINES}"})), READ),
    "lines in an action": (orjson.dumps(a_value(action=f"updated{LINES}")), SKIP),
    "lines in a resource": (orjson.dumps(a_value(resource=f"lead{LINES}")), SKIP),
    "an id of 256 bytes": (orjson.dumps(a_value(resource_id="é" * 128)), READ),
    "an id of 257 bytes": (
        orjson.dumps(a_value(resource_id="é" * 128 + "a")),
        "resource_id must be a string of 1 to 256",
    ),
    "an id that is none": (orjson.dumps(a_value(resource_id={"$ne": None})), "resource_id must be a string"),
    "everybody's account": (orjson.dumps(a_value(lead={"account_id": "*"})), READ),
    "a time of a million": (orjson.dumps(a_value(time_stamp="1" * 1_000_000)), READ),
    "a time beyond the calendar": (orjson.dumps(a_value(time_stamp="9999-12-31T23:59:59-23:59")), READ),
}


def verdict(raw: bytes) -> tuple[str, Event | Skipped | None]:
    try:
        outcome = read_event(a_record(raw), max_bytes=MIB)
    except Malformed as malformed:
        return str(malformed), None
    return (SKIP if outcome is SKIPPED else READ), outcome


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_has_its_verdict_and_soon(name: str) -> None:
    """Read, skipped, or malformed with a reason that fits a header."""
    raw, expected = EVENTS[name]
    began = time.perf_counter()

    told, _ = verdict(raw)

    assert told.startswith(expected)
    assert len(told) < 300
    assert time.perf_counter() - began < SOON_S


@pytest.mark.parametrize("name", [name for name, (_, told) in EVENTS.items() if told not in (READ, SKIP)])
def test_what_is_malformed_fits_the_dead_letters(name: str) -> None:
    """Whole, or as its beginning with the rest told; never more than the broker takes."""
    raw, _ = EVENTS[name]
    config = Config()

    letter = dead_letter(
        a_record(raw), verdict(raw)[0], topics=Topics("relay"), max_bytes=config.max_message_bytes - 8192
    )

    size = (
        len(letter.value or b"") + len(letter.key or b"") + sum(len(key) + len(value) for key, value in letter.headers)
    )
    assert size < config.max_message_bytes
    assert (letter.value == raw) is ("relay-full-bytes" not in dict(letter.headers))


@pytest.mark.parametrize("name", [name for name, (_, told) in EVENTS.items() if told == READ])
def test_what_an_event_says_begins_no_line_of_a_request(name: str) -> None:
    """Ids and values are in the body, which is JSON; headers hold what relay itself makes."""
    event = verdict(EVENTS[name][0])[1]
    assert isinstance(event, Event)
    signer = Signer([OpenedSecret(value=b"secret")], a_subscription().signatures)

    request = sign(
        a_delivery(event=event), url="https://a.example/", signer=signer, own_headers={}, timeout_s=1, now_ms=NOON_MS
    )
    head = _head("POST / HTTP/1.1\r\nhost: a.example\r\n", request)

    assert b"forged" not in head
    assert head.count(b"\r\n") == len(request.headers) + 4
    assert request.body == event.body


# Deliveries: whoever can write to a delivery topic


def a_letter(**changes: bytes | None) -> Any:  # noqa: ANN401  a header may be null, which the types do not say
    """The headers of an ordinary delivery, these of them changed."""
    changed = {f"relay-{key}".replace("_", "-"): value for key, value in changes.items()}
    return tuple((dict(delivery_headers(a_delivery())) | changed).items())


DELIVERIES: dict[str, tuple[Mapping[str, bytes | None], str]] = {
    "lines in its id": ({"delivery_id": f"dlv_1{LINES}".encode()}, "relay-delivery-id is none"),
    "a dot in its id": ({"delivery_id": b"dlv_1.1614265330"}, "relay-delivery-id is none"),  # it is signed between dots
    "no id": ({"delivery_id": None}, "header relay-delivery-id is missing"),
    "an id without end": ({"delivery_id": b"a" * 1_000_000}, "a header of over 1024 bytes"),
    "another account's event": ({"account_id": b"acc_2"}, "a delivery of one account's event to another's"),
    "nobody's account": ({"account_id": b""}, "a delivery of one account's event to another's"),
    "attempt 0": ({"attempt": b"0"}, "'0' is not a whole number from 1"),
    "a negative attempt": ({"attempt": b"-1"}, "'-1' is not a whole number"),
    "an attempt of a million digits": ({"attempt": b"9" * 1_000_000}, "a header of over 1024 bytes"),
    "a trigger that is none": ({"trigger": b"__proto__"}, "'__proto__' is not a valid Trigger"),
    "a source that is none": ({"source": b"///"}, "is not a whole number"),
    "bytes for text": ({"subscription_id": b"\xff\xfe"}, "can't decode byte"),
}


@pytest.mark.parametrize("name", DELIVERIES)
def test_a_delivery_that_relay_did_not_write_is_malformed(name: str) -> None:
    """Its reason fits a header; what it would have sent is never sent."""
    changes, expected = DELIVERIES[name]

    with pytest.raises(Malformed) as caught:
        read_delivery(a_record(an_event().body, headers=a_letter(**changes)), max_bytes=MIB)

    assert expected in str(caught.value)
    assert len(str(caught.value)) < 4096


def test_a_delivery_of_an_operators_own_subscription_may_be_of_any_account() -> None:
    """`*` excepted."""
    record = a_record(an_event().body, headers=a_letter(account_id=b"*"))

    assert "*" == read_delivery(record, max_bytes=MIB).account_id


# Filters: whoever may register a webhook


def nested(depth: int, step: str) -> dict[str, Any]:
    """Deeper than anything that recurses could follow."""
    inner: Any = 1
    for _ in range(depth):
        inner = {step: inner} if step != "$and" else {"$and": [inner]}
    assert isinstance(inner, dict)
    return inner


FILTERS: dict[str, tuple[Any, str]] = {
    "9 levels": (nested(9, "a"), "nests at most 8 deep"),
    "a hundred thousand levels": (nested(100_000, "a"), "nests at most 8 deep"),
    "a hundred thousand negations": (nested(100_000, "$not"), "nests at most 8 deep"),
    "a hundred thousand conjunctions": (nested(100_000, "$and"), "nests at most 8 deep"),
    "101 conditions": ({"a": {"$or": [{"$gt": n} for n in range(101)]}}, "holds at most 100 conditions"),
    "101 objects in one": ({"a": {"$in": [{}] * 101}}, "holds at most 100 conditions"),
    "conditions without end": ({"a": {"$or": [1] * 1_000_000}}, "takes at most 8192 bytes"),
    "a text of a million": ({"a": {"$contains": "x" * 1_000_000}}, "takes at most 8192 bytes"),
    "a name of a million": ({"a" * 1_000_000: 1}, "takes at most 8192 bytes"),
    "a path of a thousand": ({"a." * 1_000 + "a": 1}, READ),
    "a regular expression": ({"a": {"$regex": "(a+)+$"}}, "is no operator"),
    "code": ({"$where": "while(1){}"}, "is no operator"),
    "an operator of another case": ({"a": {"$EQ": 1}}, "did you mean $eq?"),
    "an operator behind a dot": ({"a.$gt": 1}, "has an operator after a dot"),
    "operators beside names": ({"a": {"$gt": 1, "b": 2}}, "has operators and names in one object"),
    "a prototype": ({"__proto__": {"a": 1}}, READ),
    "not a number": ({"a": float("nan")}, "must be JSON"),
    "half a surrogate pair": ({"a": "\ud800"}, "must be JSON"),
    "beyond 64 bits": ({"a": 2**64}, "must be JSON"),
    "a list": ([1], "must be an object"),
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_has_its_verdict_and_soon(name: str) -> None:
    """Compiled, or refused with what is wrong, cut to a line."""
    written, expected = FILTERS[name]
    began = time.perf_counter()

    try:
        compile_filter(written)
        told = READ
    except Invalid as invalid:
        told = str(invalid)

    assert expected in told
    assert max(map(len, told.splitlines())) < 300
    assert time.perf_counter() - began < SOON_S


def test_the_most_that_a_filter_may_ask_of_the_most_that_an_event_may_hold_is_answered_soon() -> None:
    """A hundred conditions, and half a million values: the loop that all others wait in is held for a moment only."""
    numbers = compile_filter({"a": {"$or": [{"$gt": n} for n in range(1, 101)]}})
    objects = compile_filter({"a": {"$in": [{"b": n} for n in range(1, 101)]}})
    flags = compile_filter({"a": {"$in": [True] * 1_600}})
    began = time.perf_counter()

    assert not numbers({"a": [0] * (MIB // 2)})
    assert not objects({"a": [{"b": 0}] * (MIB // 8)})
    assert not flags({"a": [False] * (MIB // 6)})
    assert time.perf_counter() - began < SOON_S / 4


def test_of_an_array_the_first_thousand_elements_count() -> None:
    """Negative operators are the opposite, there too."""
    within, beyond = [0] * (MAX_ELEMENTS - 1) + [7], [0] * MAX_ELEMENTS + [7]

    for written in ({"a": 7}, {"a": {"$in": [7]}}, {"a": {"$gte": 7}}):
        assert [True, False] == [compile_filter(written)({"a": array}) for array in (within, beyond)]
    assert [False, True] == [compile_filter({"a": {"$neq": 7}})({"a": array}) for array in (within, beyond)]
    assert compile_filter({"a": {"$eq": [0] * 1_500}})({"a": [0] * 1_500})  # whole is whole


# Subscriptions: whoever can write to their topic

SEALED = {"key_id": "2026", "data": "AAAA" * 10}
SECRET = SEALED | {"active_at": None, "expires_at": None}


def a_stored(**changes: object) -> bytes:
    ordinary = stored(a_subscription(secrets=(Secret(sealed=Sealed("2026", bytes(40))),)))
    return orjson.dumps(ordinary | changes)


RECORDS: dict[str, tuple[bytes | None, bytes, str]] = {
    "garbage": (b"sub_1", b"\xff\0garbage", "not JSON"),
    "nothing": (b"sub_1", b"", "not JSON"),
    "a list": (b"sub_1", b"[]", "not a JSON object"),
    "depth": (b"sub_1", b'{"a":' + b"[" * 500_000, "not JSON"),
    "depth in a field": (
        b"sub_1",
        a_stored()[:-1] + b',"filter":' + b'{"a":' * 900 + b"1" + b"}" * 901,
        "filter cannot be read",
    ),
    "megabytes": (b"sub_1", a_stored().ljust(MAX_RECORD_BYTES + 1), "over 1048576 bytes"),
    "an event": (b"lead_1", orjson.dumps(a_value()), "id is missing"),
    "another schema": (b"sub_1", b'{"type":"record","name":"Subscription","fields":[]}', "id is missing"),
    "no key": (None, a_stored(), "its key is not its id"),
    "another's key": (b"sub_2", a_stored(), "its key is not its id"),
    "a key that is no text": (b"\xff", a_stored(), "its key is not its id"),
    "lines in its id": (f"a{LINES}".encode(), a_stored(id=f"a{LINES}"), "id cannot be read"),
    "a path for an id": (b"../a", a_stored(id="../a"), "id cannot be read"),
    "an id without end": (b"a" * 500_000, a_stored(id="a" * 500_000), "id cannot be read"),
    "no account": (b"sub_1", a_stored(account_id=""), "account_id cannot be read"),
    "an account without end": (b"sub_1", a_stored(account_id="a" * 257), "account_id cannot be read"),
    "a thousand and one bots": (b"sub_1", a_stored(bot_ids=["b"] * 1001), "bot_ids cannot be read"),
    "lines in its URL": (b"sub_1", a_stored(url=f"https://a.example/{LINES}"), "url cannot be read"),
    "a file for a URL": (b"sub_1", a_stored(url="file:///etc/passwd"), "url cannot be read"),
    "a URL without end": (b"sub_1", a_stored(url="https://a.example/" + "a" * 100_000), "url cannot be read"),
    "an event twice": (b"sub_1", a_stored(events=["lead.created"] * 2), "events cannot be read"),
    "lines in an event": (b"sub_1", a_stored(events=[f"lead.created{LINES}"]), "events cannot be read"),
    "a filter of code": (b"sub_1", a_stored(filter={"$where": "1"}), "filter cannot be read"),
    "secrets without end": (b"sub_1", a_stored(secrets=[SECRET] * (MAX_SECRETS + 1)), "secrets cannot be read"),
    "a key's id without end": (b"sub_1", a_stored(secrets=[SECRET | {"key_id": "k" * 65}]), "secrets cannot be read"),
    "a secret in the clear": (b"sub_1", a_stored(secrets=["hunter2"]), "secrets cannot be read"),
    "no signature": (b"sub_1", a_stored(signatures=[]), "signatures cannot be read"),
    "lines in a header": (b"sub_1", a_stored(headers={f"x{LINES}": SEALED}), "headers cannot be read"),
    "a header that frames": (b"sub_1", a_stored(headers={"content-length": SEALED}), "headers cannot be read"),
    "another host": (b"sub_1", a_stored(headers={"host": SEALED}), "headers cannot be read"),
    "chunks": (b"sub_1", a_stored(headers={"transfer-encoding": SEALED}), "headers cannot be read"),
    "one of relay's headers": (b"sub_1", a_stored(headers={"webhook-id": SEALED}), "headers cannot be read"),
    "headers without end": (
        b"sub_1",
        a_stored(headers={f"x-{n}": SEALED for n in range(51)}),
        "headers cannot be read",
    ),
    "a way out of a folder": (b"sub_1", a_stored(tls={"client_cert": "../../etc"}), "tls cannot be read"),
    "a certificate itself": (b"sub_1", a_stored(tls={"ca": "-----BEGIN CERTIFICATE-----"}), "tls cannot be read"),
    "no time at all": (b"sub_1", a_stored(timeout_s=0), "timeout_s cannot be read"),
    "time that runs back": (b"sub_1", a_stored(timeout_s=-1e300), "timeout_s cannot be read"),
    "a rate of none": (b"sub_1", a_stored(rate_per_s=0), "rate_per_s cannot be read"),
    "no incarnation": (b"sub_1", a_stored(created_at=""), "created_at cannot be read"),  # it would be everybody's
    "lines in its incarnation": (b"sub_1", a_stored(created_at=f"2019{LINES}"), "created_at cannot be read"),
    "an incarnation in other digits": (
        b"sub_1",
        a_stored(created_at="٢٠١٩-06-01T08:00:00.000Z"),
        "created_at cannot be read",
    ),
    "no version": (b"sub_1", a_stored(version=0), "version cannot be read"),
    "a version that has no next": (b"sub_1", a_stored(version=2**64 - 1), "version cannot be read"),
    "an order that is not kept": (b"sub_1", a_stored(order="lead"), "order: this version does not do that"),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_of_somebody_else_is_told_as_unreadable_and_soon(name: str) -> None:
    """With a reason that cites nothing of it; what was there before it under that key stays known."""
    key, value, expected = RECORDS[name]
    before = a_subscription()
    began = time.perf_counter()

    folded = fold([a_record(encode(before), key=b"sub_1"), a_record(value, key=key)], {})

    [told] = [one for one in folded.values() if isinstance(one, Unreadable)]
    assert expected == told.why or (expected == "not JSON" and told.why.startswith(expected))
    assert before in (folded[SubscriptionId("sub_1")], told.last)
    assert len(told.why) < 300
    assert time.perf_counter() - began < SOON_S


def test_the_last_of_a_name_that_comes_twice_counts_there_too() -> None:
    """As in an event: whoever checks the first and uses the last is not us."""
    twice = a_stored()[:-1] + b',"account_id":"acc_2"}'

    [one] = fold([a_record(twice, key=b"sub_1")], {}).values()

    assert not isinstance(one, Unreadable)
    assert "acc_2" == one.account_id


def test_whatever_is_sealed_in_a_record_either_opens_or_cannot_be_used() -> None:
    """Bytes that are no text of a header, a secret that is none: sealed by the right key, and by nobody's form."""
    keys = KeyRing([("2026", bytes(32))])

    def sealed(plain: bytes, header: str | None = None) -> Sealed:
        return keys.seal(plain, account_id="acc_1", subscription_id="sub_1", header=header)

    right = a_subscription(secrets=(Secret(sealed=sealed(b"secret")),), headers={"x-a": sealed("é".encode(), "x-a")})

    assert {"x-a": "é"} == opened(right, keys).headers
    for wrong in (
        replace(right, headers={"x-a": sealed(b"\xff", "x-a")}),
        replace(right, headers={"x-a": right.secrets[0].sealed}),  # it would go out to the URL of whoever wrote that
        replace(right, headers={"x-b": right.headers["x-a"]}),
        replace(right, secrets=(Secret(sealed=right.headers["x-a"]),)),
        replace(right, secrets=(Secret(sealed=sealed(b"whsec_?")),)),
        replace(right, secrets=()),
        replace(right, account_id="acc_2"),
    ):
        with pytest.raises(CannotOpen):
            opened(wrong, keys)


def test_a_ring_that_opens_what_is_of_no_use_is_no_strangers() -> None:
    """One record with a secret that has run out, or that is none, keeps no worker from its start."""
    keys, others = KeyRing([("2026", bytes(32))]), KeyRing([("2026", bytes(range(32)))])
    sealed = keys.seal(b"whsec_?", account_id="acc_1", subscription_id="sub_1")
    useless = a_subscription(secrets=(Secret(sealed=sealed, expires_ms=1),))

    with pytest.raises(CannotOpen):
        opened(useless, keys)
    assert [True, False] == [opens_any(useless, ring) for ring in (keys, others)]
    assert not opens_any(replace(useless, secrets=()), keys)


def test_an_index_survives_what_no_reader_lets_in() -> None:
    """The same event twice, put and taken away."""
    index = Index()
    twice = endpoint(a_subscription(events=("lead.created",) * 2), signer=None, headers={})

    index.put(twice)
    index.put(twice)
    index.remove(twice.subscription.id)

    assert 0 == len(index)


def test_more_secrets_than_a_request_may_be_signed_with_are_not_written() -> None:
    """What could not be read again; whoever rotates that often is told what to do."""
    many = a_subscription(secrets=(Secret(sealed=Sealed("2026", bytes(40))),) * (MAX_SECRETS + 1))

    with pytest.raises(Invalid, match=r"secrets: sign with at most 20 at once: wait .*\(given: 21\)"):
        encode(many)


# Names of people's own


@pytest.mark.parametrize("ends", ["\r\n", "\n", "\r", "\0", "\x85", "\u2028", "\x1b[31m"])
@pytest.mark.parametrize("field", ["id", "account_id", "name", "url", "events", "bot_ids"])
def test_what_a_person_types_holds_no_line(field: str, ends: str) -> None:
    """Nor what a terminal would obey; in no field, and no message shows it raw."""
    text = {"url": f"https://a.example/{ends}x", "events": f"lead.created{ends}x"}.get(field, f"a{ends}x: 1")

    with pytest.raises(Invalid) as caught:
        read_form({field: [text] if field == "bot_ids" else text}, config=Config())

    assert ends not in str(caught.value)
