"""A subscription and the bytes of its record: there and back, against the schema, and what is refused."""

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.config import Config
from relay.errors import Invalid, Malformed
from relay.model import EVENT_TYPES, Sealed, Secret, Signature, State, Subscription, SubscriptionId, Tls
from relay.pipeline.results import rfc3339
from relay.store.codec import MAX_RECORD_BYTES, alike, decode, encode, shown, stored
from relay.store.edits import Stored, Unreadable
from relay.store.forms import MAX_HEADER_BYTES, read_form
from relay.store.keyring import NONCE_BYTES, KeyRing
from relay.store.limits import LEAST_RATE_PER_S, LEAST_TIMEOUT_S, MOST_IN_FLIGHT, MOST_RATE_PER_S
from relay.store.sealing import made
from relay.store.sound import ID, MAX_BOTS, MAX_HEADERS, MAX_ID_BYTES, MAX_SECRETS, is_reserved
from relay.store.subscriptions import fold
from tests.builders import NOON_MS, Fetched, a_record, a_subscription

SCHEMAS = Path(__file__).parents[2] / "schemas"
SCHEMA = json.loads((SCHEMAS / "subscription.v1.json").read_text("utf-8"))
VALIDATOR = jsonschema_rs.validator_for(SCHEMA)
EXAMPLES = sorted((SCHEMAS / "examples").glob("subscription.*.json"))
LEAST_SEALED_BYTES = NONCE_BYTES + 16  # nonce and tag
LATEST_MS = 253_402_300_799_999  # the last of the year 9999

texts = st.text(st.characters(codec="utf-8"), max_size=20)
some = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
names = st.text("abcXYZ .é", max_size=6)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
times = st.integers(1, LATEST_MS)
header_names = st.from_regex(r"[!#$%&'*+.^_`|~0-9a-z-]{1,100}", fullmatch=True).filter(lambda one: not is_reserved(one))
references = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
sealed = st.builds(Sealed, some, st.binary(min_size=LEAST_SEALED_BYTES, max_size=80))
conditions = st.one_of(
    scalars | texts,
    st.lists(scalars, min_size=1, max_size=3).map(lambda among: {"$in": among}),
    st.booleans().map(lambda there: {"$not": {"$exist": there}}),
)
subscriptions = st.builds(
    Subscription,
    id=st.from_regex(ID, fullmatch=True).map(SubscriptionId),
    account_id=some,
    name=some,
    url=st.sampled_from(["https://crm.example/", "http://[::1]:8080/caf%C3%A9?key=%22"]),
    events=st.sets(st.sampled_from(EVENT_TYPES), min_size=1).map(lambda of: tuple(e for e in EVENT_TYPES if e in of)),
    bot_ids=st.lists(some, unique=True, max_size=3).map(tuple),
    filter=st.none() | st.dictionaries(names, conditions, max_size=3),
    secrets=st.lists(
        st.builds(Secret, sealed=sealed, active_ms=st.just(0) | times, expires_ms=st.none() | times),
        min_size=1,
        max_size=3,
    ).map(tuple),
    signatures=st.sets(st.sampled_from(Signature), min_size=1)
    .filter(lambda of: not of >= {Signature.ARTIBOT_SHA1, Signature.ARTIBOT_URL})
    .map(lambda of: tuple(s for s in Signature if s in of)),
    headers=st.dictionaries(header_names, sealed, max_size=3),
    tls=st.none() | st.builds(Tls, client_cert=references, ca=st.none() | references),
    timeout_s=st.none() | st.floats(0.1, 120),
    rate_per_s=st.none() | st.floats(LEAST_RATE_PER_S, MOST_RATE_PER_S),
    max_in_flight=st.none() | st.integers(1, MOST_IN_FLIGHT),
    record_response=st.booleans(),
    state=st.sampled_from(State),
    state_reason=st.none() | texts,
    updated_by=texts,
    created_at=times.map(rfc3339),
    updated_at=times.map(rfc3339),
    state_at=times.map(rfc3339),
    version=st.integers(1, 2**63 - 1),
)


def a_stored(**overrides: object) -> dict[str, Any]:
    """An ordinary one as JSON, sealed; these fields in place of its own."""
    ours = Sealed("2026", bytes(LEAST_SEALED_BYTES))
    secret = Secret(sealed=ours, active_ms=NOON_MS, expires_ms=NOON_MS + 1)
    return stored(a_subscription(secrets=(secret,), headers={"x-team": ours})) | overrides


def read(value: object, key: bytes | None = b"sub_1") -> Subscription:
    return decode(key, orjson.dumps(value))


def refusal(value: object, key: bytes | None = b"sub_1") -> str:
    with pytest.raises(Malformed) as caught:
        read(value, key)
    return str(caught.value)


# there and back


@given(subscriptions)
def test_what_is_stored_is_read_as_it_was(subscription: Subscription) -> None:
    """And written again it is the same bytes."""
    value = encode(subscription)

    again = decode(subscription.id.encode(), value)

    assert subscription == again
    assert value == encode(again)


@given(subscriptions)
def test_what_people_see_of_one_is_all_of_it_but_what_is_sealed(subscription: Subscription) -> None:
    """Of a secret when it holds, of a header its name; neither a sealed byte nor the key's id."""
    whole, seen = stored(subscription), shown(subscription)

    assert [name for name in whole if whole[name] != seen[name]] == [
        name for name in ("secrets", "headers") if whole[name]
    ]
    assert {"active_at", "expires_at"} == set().union(*seen["secrets"])
    assert dict.fromkeys(subscription.headers, "***") == seen["headers"]


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("HTTPS://CRM.example:443", "https://crm.example/"),
        ("https://crm.example/a/../b/%2e/é", "https://crm.example/b/%C3%A9"),
        ("http://bücher.example./", "http://xn--bcher-kva.example/"),
    ],
)
def test_a_url_that_somebody_else_wrote_has_the_one_spelling_too(written: str, url: str) -> None:
    """So that what is shown, signed and sent is the same, whoever writes to the topic."""
    assert url == read(a_stored(url=written)).url


@pytest.mark.parametrize("written", ["https://me:pw@crm.example/", "https://127.1/", "https://crm.example:25/"])
def test_a_url_that_could_not_be_written_is_read_as_it_is(written: str) -> None:
    """It is refused at each call, as what it is, and `relay check` tells of it: both can be seen by its owner."""
    assert written == read(a_stored(url=written)).url


def test_times_are_written_to_the_millisecond_and_read_in_any_zone() -> None:
    """RFC 3339; a secret without a beginning is active from the first."""
    secret = {"key_id": "2026", "data": "AAAA", "active_at": None, "expires_at": "2019-06-07T14:00:00.007+02:00"}

    one = read(a_stored(secrets=[secret])).secrets[0]

    assert (0, NOON_MS + 7) == (one.active_ms, one.expires_ms)
    assert "2019-06-07T12:00:00.007Z" == stored(a_subscription(secrets=(one,)))["secrets"][0]["expires_at"]


def test_a_field_that_a_later_version_added_is_read_past() -> None:
    """Within version 1 a field may be added; what this version must not ignore is refused by name."""
    assert read(a_stored()) == read(a_stored(unheard_of=1))


@pytest.mark.parametrize("missing", [("tls",), ("rate_per_s",), ("tls", "rate_per_s", "max_in_flight", "order")])
def test_fields_that_not_every_writer_knows_may_be_missing(missing: tuple[str, ...]) -> None:
    """As if they were null, or `none`: without limits, in no order."""
    bare = {name: value for name, value in a_stored().items() if name not in missing}

    assert read(a_stored()) == read(bare)
    assert (None, None) == (read(bare).rate_per_s, read(bare).max_in_flight)


@pytest.mark.parametrize(("rate", "most"), [(0.1, 1), (10, 4), (2.5, 10_000), (10_000, None), (None, 1)])
def test_limits_are_read_within_their_bounds(rate: float | None, most: int | None) -> None:
    """A whole number of requests a second is one too, and is written as a decimal."""
    limited = read(a_stored(rate_per_s=rate, max_in_flight=most))

    assert (rate, most) == (limited.rate_per_s, limited.max_in_flight)
    assert type(limited.rate_per_s) in (float, type(None))
    assert limited == decode(b"sub_1", encode(limited))


def test_the_largest_that_forms_take_can_be_read_again() -> None:
    """Sealing makes headers a third longer, JSON makes quotes two."""
    said = {"account_id": '"' * MAX_ID_BYTES, "name": '"' * 200, "url": "https://crm.example/", "events": "*"}
    bots = [f"{n:04}".ljust(MAX_ID_BYTES, '"') for n in range(MAX_BOTS)]
    headers = {f"{n:02}".ljust(100, "x"): "v" * MAX_HEADER_BYTES for n in range(MAX_HEADERS)}
    many = {"lead": {"data": {"value": {"$in": ["x" * 8000]}}}}
    values = read_form(said | {"bot_ids": bots, "headers": headers, "filter": many}, config=Config())
    largest = made(SubscriptionId("sub_1"), values, b"s" * 256, KeyRing([("k" * 64, bytes(32))]), by="", now_ms=NOON_MS)

    assert largest == decode(b"sub_1", encode(largest))


def test_what_could_not_be_read_again_is_not_written() -> None:
    """Refused where it is made, not found unreadable afterwards; the next thing to do is said."""
    fits = a_subscription(name="")
    room = MAX_RECORD_BYTES - len(encode(fits))

    assert MAX_RECORD_BYTES == len(encode(a_subscription(name="n" * room)))
    with pytest.raises(Invalid, match=r"subscription: takes at most 1048576 bytes: fewer .* \(given: 1048577 bytes\)"):
        encode(a_subscription(name="n" * (room + 1)))


@pytest.mark.parametrize(
    ("one", "other", "are"),
    [
        ({"a": 1, "b": [2]}, {"b": [2], "a": 1}, True),
        ({"a": True}, {"a": 1}, False),
        ({"a": [{"b": False}]}, {"a": [{"b": 0}]}, False),
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": None}, {}, False),
    ],
)
def test_alike_is_the_same_json(one: object, other: object, are: bool) -> None:  # noqa: FBT001
    """A boolean is no number, at any depth; the order of names says nothing."""
    assert are is alike(one, other)


# refused


def test_an_ordinary_one_is_read() -> None:
    """What follows is refused for what it says, not for anything else."""
    assert "sub_1" == read(a_stored()).id


@pytest.mark.parametrize("asked", ["lead", None])
def test_a_record_that_asks_for_what_is_not_built_is_refused(asked: object) -> None:
    """Never read past: its owner counts on it."""
    assert "order: this version does not do that" == refusal(a_stored(order=asked))


@pytest.mark.parametrize(
    "field", sorted(a_stored().keys() - {"tls", "rate_per_s", "max_in_flight", "order", "state_at"})
)
def test_a_record_without_a_field_is_refused_by_the_fields_name(field: str) -> None:
    """None has a default on the wire."""
    bare = {name: value for name, value in a_stored().items() if name != field}

    assert f"{field} is missing" == refusal(bare)


def test_a_record_of_an_older_writer_is_in_its_state_since_it_was_written() -> None:
    """It does not know the field, and leaves it out."""
    older = {name: value for name, value in a_stored(updated_at=rfc3339(NOON_MS)).items() if name != "state_at"}

    assert rfc3339(NOON_MS) == read(older).state_at


WRONG: dict[str, tuple[object, ...]] = {
    **{field: (None, 7, [], {}, True) for field in ("id", "account_id", "name", "url", "updated_by")},
    **{field: (None, 7, [], {}, True) for field in ("created_at", "updated_at", "state_at")},
    "bot_ids": (None, "bot_1", [7], [None], {}),
    "events": (None, "*", ["*"], ["lead.deleted"], ["LeadUpdated"], [7], [[]], {}),
    "filter": ("{}", [], 7, True, {"a": {}}, {"$regex": "a"}, {"a": {"$regex": "a"}}, {"$eq": 1}),
    "secrets": (None, {}, "test", ["test"], [{}], [None]),
    "signatures": (None, "artibot-sha1", ["sha512"], ["artibot-url", "artibot-sha1"], [], [7], [[]], [{}]),
    "headers": (None, [], "x: y", {"x": "y"}, {"x": {}}, {"x": None}, {"x": {"key_id": "2026"}}),
    "tls": (
        {},
        [],
        "crm",
        {"client_cert": None},
        {"ca": ""},
        {"ca": "../crm"},
        {"ca": "a/b"},
        {"ca": ".."},
        {"pem": "a"},
    ),
    "timeout_s": ("5", True, [], {}, 0, -1, 0.09),
    "rate_per_s": (0, 0.0, -1, 0.0999, 10_000.1, 1e300, 2**64 - 1, "10", "null", True, [], {}),
    "max_in_flight": (0, -1, 10_001, 2**64 - 1, 4.0, "4", "null", True, [], {}),
    "record_response": (None, 1, "true"),
    "state": (None, "", "ACTIVE", "gone", 1, [], {}),
    "state_reason": (7, [], False),
    "version": (None, "1", 1.0, True),
}


@pytest.mark.parametrize(("field", "wrong"), [(field, one) for field, wrongs in WRONG.items() for one in wrongs])
def test_a_field_of_another_type_or_out_of_bounds_is_refused_by_its_name(field: str, wrong: object) -> None:
    """Nothing is coerced, nor bent; who paces by a rate divides by it."""
    assert f"{field} cannot be read" == refusal(a_stored(**{field: wrong}))


WRONG_PARTS: dict[str, tuple[object, ...]] = {
    "key_id": (None, 7, []),
    "data": (None, 7, "no base64!", "AAA", "é==="),
    "active_at": (7, "", "soon", "2019-06-07T12:00:00", "2019-06-07", "2019-13-07T12:00:00Z"),
    "expires_at": (0, "never", "2019-06-07T12:00:00", "9999-12-31T25:00:00Z", {}),
}


@pytest.mark.parametrize(("part", "wrong"), [(part, one) for part, wrongs in WRONG_PARTS.items() for one in wrongs])
def test_a_secret_that_is_not_whole_makes_the_record_unreadable(part: str, wrong: object) -> None:
    """A time without a zone is none: a secret must not expire by whose clock it was written."""
    secret = a_stored()["secrets"][0]

    assert "secrets cannot be read" == refusal(a_stored(secrets=[secret, secret | {part: wrong}]))


@pytest.mark.parametrize("key", [None, b"", b"sub_2", b"SUB_1", b"\xff"])
def test_a_record_under_another_key_is_refused(key: bytes | None) -> None:
    """Compaction goes by the key: under another it would never be replaced."""
    assert "its key is not its id" == refusal(a_stored(), key)


@pytest.mark.parametrize("value", [b"", b"{", b"\xff", b"NaN", b"[" * 2000, b'"\\ud800"', b"null", b"[]", b"7"])
def test_what_is_no_json_object_is_refused(value: bytes) -> None:
    """However deep it goes."""
    with pytest.raises(Malformed, match=r"^not (JSON|a JSON object)"):
        decode(b"sub_1", value)


def test_a_record_that_is_too_large_is_not_even_parsed() -> None:
    """One byte more than fits."""
    value = encode(a_subscription())

    assert a_subscription() == decode(b"sub_1", value.ljust(MAX_RECORD_BYTES))
    with pytest.raises(Malformed, match=f"over {MAX_RECORD_BYTES} bytes"):
        decode(b"sub_1", value.ljust(MAX_RECORD_BYTES + 1))


def test_no_refusal_cites_what_is_in_the_record() -> None:
    """A message goes to logs; what somebody stored in the clear by mistake stays out of them."""
    t0ken = "s3cr3t-t0ken"
    wrong: list[object] = [a_stored(**{field: {t0ken: t0ken}}) for field in WRONG if field != "filter"]
    wrong += [a_stored(secrets=[t0ken]), a_stored(filter={"a": {"$regex": t0ken}}), [t0ken]]
    wrong += [a_stored(headers={"x": t0ken}), a_stored(order=t0ken), a_stored(rate_per_s=t0ken)]

    told = [refusal(one) for one in wrong]
    with pytest.raises(Malformed) as caught:
        decode(b"sub_1", f'{{"secret": "{t0ken}'.encode())

    assert t0ken not in "".join([*told, str(caught.value)])


@given(st.none() | st.binary(max_size=10), st.binary(max_size=200) | values.map(orjson.dumps))
def test_any_bytes_are_a_subscription_or_malformed(key: bytes | None, value: bytes) -> None:
    """Nothing else is ever raised."""
    with pytest.raises(Malformed):  # no example is ever whole by chance
        decode(key, value)


spoilt = st.dictionaries(st.sampled_from([*a_stored(), "unheard_of"]), values, max_size=2)
halves = st.dictionaries(
    st.sampled_from([*WRONG_PARTS]), values | st.sampled_from(["0001-01-01T00:00:00+23:59", "24:00"])
)


@given(spoilt, halves, st.booleans())
@example({}, {"active_at": "0001-01-01T00:00:00+23:59"}, True)
@example({}, {"expires_at": "9999-12-31T23:59:59.999999-23:59"}, True)
@example({}, {"expires_at": "9999-12-31T23:59:59.9996Z"}, True)
@example({"filter": {"a": 2**64 - 1}}, {}, False)
@example({"timeout_s": 2**64 - 1}, {}, False)
def test_a_record_with_anything_anywhere_is_a_subscription_or_malformed(
    wrong: dict[str, Any],
    half: dict[str, Any],
    in_secret: bool,  # noqa: FBT001
) -> None:
    """Deeper than the fuzz of whole records gets: all of it right but for a field or two."""
    whole = a_stored(**wrong)
    if in_secret and "secrets" not in wrong:
        whole["secrets"] = [whole["secrets"][0] | half]
    elif "headers" not in wrong:
        whole["headers"] = {"x-team": half}

    try:
        subscription = read(whole)
    except Malformed:
        return

    assert subscription.id == "sub_1"
    stored(subscription)  # whoever lists it, edits it or seals it anew can say what was read


# the schema


def described(node: Any, path: str = "") -> Iterator[tuple[str, str | None]]:  # noqa: ANN401  JSON
    """Every field that a schema has properties for, in arrays and under any name too, with its description."""
    for name, inner in node.get("properties", {}).items():
        yield f"{path}{name}", inner.get("description")
        yield from described(inner, f"{path}{name}.")
    for below in ("items", "additionalProperties"):
        if isinstance(node.get(below), dict):
            yield from described(node[below], f"{path}*.")


def test_the_schema_is_one_of_its_draft_and_describes_every_field() -> None:
    """2020-12; a description is a sentence or more, those of the parts of secrets and headers too."""
    jsonschema_rs.meta.validate(SCHEMA)
    told = dict(described(SCHEMA))

    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert [] == [path for path, text in told.items() if not (text and text.endswith("."))]
    assert {*(f"secrets.*.{part}" for part in WRONG_PARTS), "headers.*.key_id", "headers.*.data"} <= told.keys()


def test_the_schema_has_the_fields_that_are_stored_in_their_order() -> None:
    """Each is required, and there are no others."""
    fields = list(stored(a_subscription()))

    assert fields == list(SCHEMA["properties"])
    assert fields == SCHEMA["required"]
    assert SCHEMA["additionalProperties"] is False


def test_the_lists_in_the_schema_are_the_models() -> None:
    """Closed lists, and the bounds of forms."""
    fields = SCHEMA["properties"]

    assert list(EVENT_TYPES) == fields["events"]["items"]["enum"]
    assert [one.value for one in Signature] == fields["signatures"]["items"]["enum"]
    assert [one.value for one in State] == fields["state"]["enum"]
    assert f"^{ID.pattern}$" == fields["id"]["pattern"]
    assert (MAX_BOTS, MAX_HEADERS) == (fields["bot_ids"]["maxItems"], fields["headers"]["maxProperties"])
    assert fields["secrets"]["maxItems"] == MAX_SECRETS
    assert fields["timeout_s"]["minimum"] == LEAST_TIMEOUT_S
    assert [(fields[name]["minimum"], fields[name]["maximum"]) for name in ("rate_per_s", "max_in_flight")] == [
        (LEAST_RATE_PER_S, MOST_RATE_PER_S),
        (1, MOST_IN_FLIGHT),
    ]


@given(subscriptions)
def test_every_subscription_as_it_is_stored_validates(subscription: Subscription) -> None:
    """Whatever it holds."""
    VALIDATOR.validate(orjson.loads(encode(subscription)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret": "test"},
        {"secrets": ["test"]},
        {"secrets": []},
        {"secrets": [{"key_id": "2026", "data": "test", "active_at": None, "expires_at": None}]},
        {"headers": {"authorization": "Bearer t0ken"}},
        {"headers": {"X-Team": {"key_id": "2026", "data": b64encode(bytes(LEAST_SEALED_BYTES)).decode()}}},
        {"order": "lead"},
        *({"tls": wrong} for wrong in ({}, {"ca": "../crm"}, {"ca": "-----BEGIN CERTIFICATE-----"}, {"pem": "a"})),
        *({"rate_per_s": wrong} for wrong in (0, -1, 0.0999, 10_000.1, "10", True)),
        *({"max_in_flight": wrong} for wrong in (0, -1, 10_001, 4.5, "4", True)),
        {"events": ["*"]},
        {"created_at": "2019-06-07T12:00:00Z"},
        {"version": 0},
    ],
)
def test_the_schema_refuses_what_is_never_stored(wrong: dict[str, Any]) -> None:
    """Secrets in the clear above all."""
    VALIDATOR.validate(a_stored())

    assert not VALIDATOR.is_valid(a_stored(**wrong))


def test_there_is_an_example_of_the_least_and_of_the_most() -> None:
    """Every field that may be empty or null is so in one, and in the other none."""
    full, minimal = (json.loads(path.read_text("utf-8")) for path in EXAMPLES)

    assert ["subscription.full.json", "subscription.minimal.json"] == [path.name for path in EXAMPLES]
    assert set() == {name for name, value in full.items() if value in (None, [], {})}
    empty = {"bot_ids", "filter", "headers", "tls", "timeout_s", "state_reason", "rate_per_s", "max_in_flight"}
    assert empty == {name for name, value in minimal.items() if value in (None, [], {})}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_validates_and_is_written_again_as_it_was_read(path: Path) -> None:
    """In the same order of fields, too."""
    value = json.loads(path.read_text("utf-8"))

    again = orjson.loads(encode(read(value, value["id"].encode())))

    VALIDATOR.validate(value)
    assert value == again
    assert list(value) == list(again)


# folded: what there is after some records

SUB_1 = SubscriptionId("sub_1")
keys = st.none() | st.binary(max_size=6) | st.sampled_from([b"sub_1", b"sub_2", b"\xff", b"", b"sub_\xc3"])
contents = (
    st.none() | st.binary(max_size=60) | st.sampled_from([encode(a_subscription()), encode(a_subscription(version=2))])
)


def folded(*values: bytes | None) -> dict[SubscriptionId, Stored]:
    return fold([a_record(value, key=b"sub_1") for value in values], {})


@given(st.lists(st.builds(a_record, contents, key=keys), max_size=12), st.integers(0, 12))
def test_any_records_fold_and_in_parts_as_at_once(records: list[Fetched], cut: int) -> None:
    """Nothing is ever raised; a worker that follows knows what one that reads anew would."""
    at_once = fold(records, {})

    assert at_once == fold(records[cut:], fold(records[:cut], {}))
    assert all(isinstance(one, Unreadable) or one.id == id_ for id_, one in at_once.items())


@given(st.dictionaries(st.sampled_from(list(a_stored())), values, max_size=2))
def test_a_record_that_is_nearly_right_folds_too(wrong: dict[str, Any]) -> None:
    """As a subscription or as one that cannot be read; it is never passed over."""
    assert {"sub_1"} == folded(orjson.dumps(a_stored(**wrong))).keys()


def test_the_newest_of_each_holds_and_null_deletes() -> None:
    """One that was deleted may be made anew."""
    first, second = a_subscription(), a_subscription(version=2)

    assert {SUB_1: second} == folded(encode(first), encode(second))
    assert {} == folded(encode(first), None)
    assert {SUB_1: second} == folded(encode(first), None, encode(second))


def test_one_that_cannot_be_read_goes_by_what_was_last_readable() -> None:
    """However often it was written wrong since; once it is deleted nothing is left of it."""
    first = a_subscription()
    lead = orjson.dumps(stored(first) | {"order": "lead"})

    assert {SUB_1: Unreadable("order: this version does not do that", first)} == folded(encode(first), b"{", lead)
    assert {SUB_1: Unreadable("order: this version does not do that", None)} == folded(encode(first), None, lead)
    assert {SUB_1: first} == folded(lead, encode(first))
