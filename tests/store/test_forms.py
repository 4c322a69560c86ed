"""What a person wrote of a subscription: what is taken, in which spelling, and which rule refuses the rest."""

import base64
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay.config import Config
from relay.errors import Invalid
from relay.model import EVENT_TYPES, Signature, Tls
from relay.store.forms import (
    MAX_HEADER_BYTES,
    MAX_NAME_CHARACTERS,
    MAX_REASON_CHARACTERS,
    MAX_SECRET_BYTES,
    account_id,
    event_type,
    is_short,
    read_form,
    read_secret,
    reason,
)
from relay.store.sound import MAX_BOTS, MAX_HEADERS, MAX_ID_BYTES, RESERVED_HEADERS

CONFIG = Config(timeout_s=15.0)
FIELDS = (
    *("id", "account_id", "bot_ids", "name", "url", "events", "filter", "signatures", "headers", "timeout_s"),
    *("tls", "record_response", "rate_per_s", "max_in_flight", "order"),
)
FAMILY = "\N{FAMILY}"  # one character, four bytes
BOTH = (Signature.ARTIBOT_SHA1, Signature.STANDARD_WEBHOOKS)


def read(**said: object) -> dict[str, Any]:
    return read_form(said, config=CONFIG)


def refusals(**said: object) -> list[str]:
    """What is told of it, each as `field: rule (given: value)`."""
    with pytest.raises(Invalid) as caught:
        read(**said)
    return [str(problem) for problem in caught.value.problems]


def refusal(**said: object) -> str:
    (one,) = refusals(**said)
    return one


def test_aliases_that_multiply_are_refused_and_not_written_out() -> None:
    """A dozen lines of YAML that are 10**12 words as text: of whatever field, only a head is cited."""
    bomb: object = "x"
    for _ in range(12):
        bomb = [bomb] * 10

    assert len(FIELDS) == len(told := refusals(**dict.fromkeys(FIELDS, bomb)))
    assert all(300 > len(one) for one in told)


def test_a_list_of_urls_is_not_shown() -> None:
    """Their paths are credentials as well."""
    assert "url: must be text" == refusal(url=["https://crm.example/t0ken"])


# what is taken


@pytest.mark.parametrize(
    ("field", "written", "value"),
    [
        ("id", "a", "a"),
        ("id", "A1_-" * 16, "A1_-" * 16),
        ("account_id", "*", "*"),
        ("account_id", FAMILY * (MAX_ID_BYTES // 4), FAMILY * (MAX_ID_BYTES // 4)),
        ("bot_ids", [], ()),
        ("bot_ids", "", ()),
        ("bot_ids", "bot_1, bot_2,,bot_1", ("bot_1", "bot_2")),
        ("bot_ids", ["a,b", "c"], ("a,b", "c")),
        ("name", "N" * MAX_NAME_CHARACTERS, "N" * MAX_NAME_CHARACTERS),
        ("name", "Zoë’s CRM", "Zoë’s CRM"),
        ("url", "HTTPS://CRM.example:443/a b".replace(" ", "%20"), "https://crm.example/a%20b"),
        ("events", "*", EVENT_TYPES),
        ("events", ["*", "lead.updated"], EVENT_TYPES),
        ("events", "lead.completed,lead.created,lead.completed", ("lead.created", "lead.completed")),
        ("events", "LeadUpdated, lead:created", ("lead.created", "lead.updated")),
        ("tls", None, None),
        ("tls", "null", None),
        ("tls", '{"client_cert": "crm.eu-1", "ca": "corp"}', Tls(client_cert="crm.eu-1", ca="corp")),
        ("tls", {"ca": "corp"}, Tls(ca="corp")),
        ("filter", None, None),
        ("filter", "null", None),
        ("filter", {}, {}),
        ("filter", '{"lead": {"status": {"$gt": 1}}}', {"lead": {"status": {"$gt": 1}}}),
        ("filter", {"lead.status": True}, {"lead.status": True}),
        ("signatures", "standard-webhooks, artibot-sha1", BOTH),
        ("signatures", ["standard-webhooks"], (Signature.STANDARD_WEBHOOKS,)),
        ("signatures", "artibot-url,sha256", (Signature.SHA256, Signature.ARTIBOT_URL)),
        ("headers", {}, {}),
        ("headers", {"X-Team": " sales \t", "authorization": ""}, {"x-team": "sales", "authorization": ""}),
        ("headers", {"x-tab": "a\tb ~!"}, {"x-tab": "a\tb ~!"}),
        ("headers", {"x": "v" * MAX_HEADER_BYTES}, {"x": "v" * MAX_HEADER_BYTES}),
        ("headers", {"h" * 100: "1"}, {"h" * 100: "1"}),
        ("timeout_s", None, None),
        ("timeout_s", 0.1, 0.1),
        ("timeout_s", 15, 15.0),
        ("timeout_s", "2.5", 2.5),
        ("rate_per_s", None, None),
        ("rate_per_s", "null", None),
        ("rate_per_s", 10, 10.0),
        ("max_in_flight", None, None),
        ("max_in_flight", "null", None),
        ("max_in_flight", "4", 4),
        ("record_response", False, False),
    ],
)
def test_a_field_is_read_into_its_one_spelling(field: str, written: object, value: object) -> None:
    """The options of a command and the values of a file alike."""
    assert {field: value} == read(**{field: written})


def test_what_was_not_said_is_not_there() -> None:
    """So it keeps its value, or its default."""
    assert {} == read()


@pytest.mark.parametrize("action", ["created", "updated", "completed"])
def test_an_event_may_be_written_as_the_seed_wrote_it(action: str) -> None:
    """And is canonical from then on."""
    written = [f"Lead{action.title()}", f"lead:{action}", f"lead.{action}", f" LEAD.{action} "]

    assert {f"lead.{action}"} == {event_type(one) for one in written}


def test_what_is_not_built_may_be_said_to_be_absent() -> None:
    """As `get` shows it; anything else is refused, not read past."""
    assert {} == read(order="none")
    assert "this version does not do that: leave it out" in refusal(order="lead")


# what is refused

BYTES = f"has 1 to {MAX_ID_BYTES} bytes"
ID_RULE = "must be 1 to 64 of A-Z a-z 0-9 _ -, the first a letter or digit"
NAME_RULE = f"must be 1 to {MAX_NAME_CHARACTERS} printable characters"
LIST_RULE = f"must be a list of at most {MAX_BOTS}"
TIMEOUT_RULE = "must be from 0.1 to 15 seconds (RELAY_TIMEOUT_S)"
TLS_RULE = 'must be {"client_cert": name, "ca": name}'
RATE_RULE = "must be from 0.1 to 10000 requests a second, or null for no limit"
MOST_RULE = "must be a whole number from 1 to 10000, or null for no limit"
VALUE_RULE = f"must be at most {MAX_HEADER_BYTES} printable ASCII characters"


def each(field: str, rule: str, *written: object) -> list[tuple[str, object, str]]:
    return [(field, one, rule) for one in written]


REFUSED = [
    *each("id", ID_RULE, "", "_a", "-a", "a b", "a\n", "é", "a/b", "a" * 65),
    *each("account_id", BYTES, "", "a" * (MAX_ID_BYTES + 1), FAMILY * 65, "\ud800"),
    *each("account_id", "must be printable", "acc\n1", "acc\0", "acc\u202e1"),
    *each("bot_ids", BYTES, [""], ["b" * (MAX_ID_BYTES + 1)], ["\ud800"]),
    *each("bot_ids", "must be printable", ["bot\x1b[31m"], ["bot\n1"], ["bot\x9b1"]),
    *each("bot_ids", LIST_RULE, None, 7, {"bot_1": 1}, ["b"] * (MAX_BOTS + 1), ",".join(["b"] * (MAX_BOTS + 1))),
    *each("name", NAME_RULE, "", "n" * (MAX_NAME_CHARACTERS + 1), "a\nb", "a\x1b[31m", "\ud800"),
    *each("url", "must be a URL that begins with https://", "ftp://crm.example/", "http://crm.example/"),
    *each("url", "must have no white space, control characters or backslashes", "https://crm.example/\r\nx: y"),
    *each("url", "must have no user or password", "https://ann:pass@crm.example/"),
    *each("events", f"lead.lost is no event: {', '.join(EVENT_TYPES)}, or * for all", "lead.lost", ["*", "lead.lost"]),
    *each("events", "names no event", "", [], ","),
    *each("events", LIST_RULE, {"lead.created": True}),
    *each("filter", "must be JSON", "{"),
    *each("filter", "must be a JSON object, or null for none", "[]", "1", [], 1, True),
    *each("signatures", "must name at least one", "", []),
    *each("signatures", "this version speaks artibot-sha1, standard-webhooks, sha256", "artibot-sha1,sha512", ["v1"]),
    *each("signatures", "stand in the same header: name one of them", "artibot-url,artibot-sha1", list(Signature)),
    *each("headers", f"must be at most {MAX_HEADERS} names", None, [], "x: y", {f"x-{n}": "" for n in range(51)}),
    *each("headers", "names a header twice", {"X-Team": "a", "x-team": "b"}),
    *each("headers", "is no name of a header", {"": ""}, {"a b": ""}, {"a:": ""}, {"é": ""}, {"(a)": ""}),
    *each("headers", "is no name of a header", {"h" * 101: ""}),
    *each("headers", f"the value of x {VALUE_RULE}", {"x": "v" * (MAX_HEADER_BYTES + 1)}),
    *each("headers", f"the value of x {VALUE_RULE}", {"x": "é"}, {"x": "\0"}, {"x": "\x7f"}, {"x": "a\x0bb"}),
    *each("headers", "must be text", {7: "v"}, {"x": 7}, {"x": None}),
    *each("tls", "must be JSON", "crm", "{", ""),
    *each("tls", TLS_RULE, "[]", "{}", {"client_cert": None}, {"ca": ""}, {"ca": "a" * 65}, {"cert": "a"}, 7, True),
    *each("tls", TLS_RULE, *({"ca": name} for name in ("../a", "a/b", "/a", ".a", "a\0", "a\n", "a b", "a@1", "é", 7))),
    *each("timeout_s", TIMEOUT_RULE, 0, 0.09, 15.1, -1, 10**400, float("nan"), float("-inf")),
    *each("timeout_s", TIMEOUT_RULE, "", "5s", "nan", "inf", [], {}, True),
    *each("rate_per_s", RATE_RULE, 0, "0", -1, 0.0999, "10000.1", "10/s", float("nan"), "nan", True),
    *each("max_in_flight", MOST_RULE, 0, "0", -1, "10001", 4.0, "4.0", "four", float("nan"), True),
    *each("record_response", "must be true or false", None, 0, 1, "true", ""),
    *(each(field, "must be text", 7, None)[0] for field in ("id", "account_id", "name", "url")),
    *(each(field, "must be text", [7])[0] for field in ("bot_ids", "events", "signatures")),
]


@pytest.mark.parametrize(("field", "written", "rule"), REFUSED, ids=[f"{one[0]}-{n}" for n, one in enumerate(REFUSED)])
def test_what_breaks_a_rule_is_told_with_its_field(field: str, written: object, rule: str) -> None:
    """One problem, of that field."""
    one = refusal(**{field: written})

    assert one.startswith(f"{field}: ")
    assert rule in one


def test_an_account_alone_is_read_by_the_same_rule() -> None:
    """`relay send` names one, and has no form around it."""
    assert "acct-1" == account_id("acct-1")
    for wrong in ("", "a" * (MAX_ID_BYTES + 1)):
        with pytest.raises(ValueError, match="an account id has 1 to 256 bytes"):
            account_id(wrong)


def test_a_reason_is_one_line_that_a_terminal_can_show() -> None:
    """It is stored, and shown to whoever wonders."""
    longest = "r" * MAX_REASON_CHARACTERS

    assert ["they move house", longest] == [reason("they move house"), reason(longest)]
    for wrong in ("", longest + "r", "a\nb", "\x1b[31m", "\x9b1m", "\ud800"):
        with pytest.raises(ValueError, match="must be 1 to 1000 printable characters"):
            reason(wrong)


@pytest.mark.parametrize("name", ["headers", "Url"])
def test_a_filter_tells_all_that_is_wrong_with_it_by_its_place(name: str) -> None:
    """Its problems are among the others, each under its own path."""
    told = refusals(filter={"lead": {name: {"$regex": "a"}, "b": {"$in": []}}})

    assert [f"filter.lead.{name}.$regex", "filter.lead.b.$in"] == [one.split(": ")[0] for one in told]


def test_all_problems_are_told_at_once() -> None:
    """In the order in which the fields were said; the right ones among them are not."""
    told = refusals(
        id="-",
        name="",
        url="nowhere",
        events="lead.lost",
        timeout_s=99,
        rate_per_s=0,
        max_in_flight=0,
        evnts="*",
        account_id="acc_1",
        order="lead",
    )

    fields = ["id", "name", "url", "events", "timeout_s", "rate_per_s", "max_in_flight", "evnts", "order"]
    assert fields == [one.split(": ")[0] for one in told]


@pytest.mark.parametrize(("written", "meant"), [("evnts", "events"), ("bots", "bot_ids"), ("timeout", "timeout_s")])
def test_a_field_that_there_is_not_is_refused_with_the_nearest(written: str, meant: str) -> None:
    """A misspelt field is never read past."""
    assert f"{written}: is no field of a subscription: {meant}?" == refusal(**{written: "x"})


@pytest.mark.parametrize("name", ["zzz", "secrets", "version", "created_at"])
def test_what_is_relays_own_to_write_is_no_field_of_a_form(name: str) -> None:
    """Nor is what nobody ever heard of."""
    assert refusal(**{name: "x"}).startswith(f"{name}: is no field of a subscription")


def test_a_field_that_is_no_text_is_refused_as_any_other() -> None:
    """YAML has numbers for keys."""
    said: Any = {7: "x"}

    with pytest.raises(Invalid, match="7: is no field of a subscription"):
        read_form(said, config=CONFIG)


@pytest.mark.parametrize("name", sorted(RESERVED_HEADERS | {"relay-anything", "webhook-id", "webhook-signature"}))
@pytest.mark.parametrize("spelled", [str.lower, str.upper, str.title])
def test_a_header_that_relay_sets_is_never_a_subscriptions(name: str, spelled: Any) -> None:  # noqa: ANN401
    """However it is spelled."""
    assert f"headers: {name} is relay's own to set" == refusal(headers={spelled(name): "v"})


def test_every_header_of_a_request_is_reserved() -> None:
    """DESIGN.md section 7 has the list, and what frames a request is none of a customer's business either."""
    own = {"content-type", "user-agent", "accept-encoding", "x-artibot-signature", "webhook-id", "webhook-timestamp"}
    own |= {"webhook-signature", "relay-event", "relay-attempt", "relay-trigger", "host", "content-length"}

    assert all("relay's own" in refusal(headers={name: "v"}) for name in own | {"transfer-encoding", "connection"})


@given(
    st.text("abc \t", max_size=3),
    st.sampled_from(["\r\n", "\n", "\r", "\0", "\x0b", "\x0c", "\x85", "\u2028", "\u010d"]),
    st.text("abc: \t", max_size=8),
    st.booleans(),
)
@example("a", "\r\n", "x-relay-forged: 1", False)
@example("a", "\n", "", False)
@example("", "\r\n", "", True)
def test_no_header_can_be_made_to_hold_another(before: str, ends: str, after: str, in_name: bool) -> None:  # noqa: FBT001
    """Whatever anybody takes for the end of a line, in a name or a value, at its end too; č cut to a byte is one."""
    text = before + ends + after

    one = refusal(headers={f"x{text}": "v"} if in_name else {"x-team": text})

    assert "is no name of a header" in one if in_name else VALUE_RULE in one


def test_no_problem_shows_a_headers_value_or_a_urls_path() -> None:
    """Both carry credentials; a whole file of them is refused and cites none."""
    t0ken = "s3cr3t-t0ken"

    told = refusals(
        headers={"authorization": f"Bearer {t0ken}\n"},
        tls={"ca": f"-----BEGIN {t0ken}"},
        url=f"https://crm.example/{t0ken}?key={t0ken}#top",
        name="",
    )

    assert 4 == len(told)
    assert t0ken not in "".join(told)


def test_a_value_is_shown_on_one_line_and_not_at_length() -> None:
    """Nothing in it that a terminal would obey."""
    one = refusal(name="\x1b[31m" + "n" * 5000)

    assert one.isprintable()
    assert 300 > len(one)


@pytest.mark.parametrize("allowed", [True, False])
def test_plain_http_is_the_operators_to_allow(allowed: bool) -> None:  # noqa: FBT001
    """RELAY_ALLOW_HTTP, and nothing that a subscription says."""
    said = {"url": "http://crm.example/"}

    if allowed:
        assert said == read_form(said, config=Config(allow_http=True))
    else:
        with pytest.raises(Invalid, match="RELAY_ALLOW_HTTP"):
            read_form(said, config=Config())


def test_the_longest_timeout_is_the_operators() -> None:
    """RELAY_TIMEOUT_S bounds a subscription's own."""
    assert {"timeout_s": 60.0} == read_form({"timeout_s": 60}, config=Config(timeout_s=60.0))
    assert "to 15 seconds (RELAY_TIMEOUT_S)" in refusal(timeout_s=60)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), json_like, max_size=6))
def test_whatever_was_written_is_read_or_told_and_read_again_alike(said: dict[str, object]) -> None:
    """Nothing but Invalid is raised; what was read once is in the spelling that reading it again keeps."""
    try:
        values = read_form(said, config=CONFIG)
    except Invalid:
        return

    assert values == read_form(values, config=CONFIG)


# secrets


@pytest.mark.parametrize(
    ("raw", "secret"),
    [
        (b"test", b"test"),
        (b"test\n", b"test"),
        (b"test\r\n", b"test"),
        (b"test\n\n", b"test\n"),
        (b"test\r\n\r\n", b"test\r\n"),
        (b"test\r", b"test\r"),
        (b"test\r\r\n", b"test\r"),
        (b"test\n\r", b"test\n\r"),
        (b" test \t", b" test \t"),
        (b"\ntest", b"\ntest"),
        (b"\n\n", b"\n"),
        (b"\r", b"\r"),
        ("Zoë".encode(), "Zoë".encode()),
        (b"s" * MAX_SECRET_BYTES + b"\r\n", b"s" * MAX_SECRET_BYTES),
        (b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        (b"WHSEC_not base64", b"WHSEC_not base64"),
        (b"whsec", b"whsec"),
    ],
)
def test_a_secret_is_the_bytes_of_its_file_less_one_line_end(raw: bytes, secret: bytes) -> None:
    r"""One `\n` or `\r\n` at the end, exactly; every other byte signs."""
    assert secret == read_secret(raw)


@given(
    st.text(min_size=1, max_size=60).map(lambda text: text.encode(errors="replace")), st.sampled_from([b"\n", b"\r\n"])
)
def test_a_line_end_behind_a_secret_never_changes_it(secret: bytes, end: bytes) -> None:
    r"""Whatever the editor, unless the secret itself ends in `\r`, which `\n` would make a line's end of."""
    if secret.startswith(b"whsec_") or (secret.endswith(b"\r") and end == b"\n"):
        return

    assert secret == read_secret(secret + end)


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        *((one, "must have 1 to 256 bytes (given: 0 bytes)") for one in (b"", b"\n", b"\r\n")),
        (b"s" * 257, "must have 1 to 256 bytes (given: 257 bytes)"),
        ("é".encode() * 129, "must have 1 to 256 bytes (given: 258 bytes)"),
        (b"caf\xe9-t0ken", "must be UTF-8"),
        *(
            (b"whsec_" + one, "begins with whsec_, and what follows is no base64")
            for one in (b"", b"t0ken!", b"t0ken", b"dDBrZW4=\n\n", b"dDBr ZW4=", "t0kén".encode(), b"_-8=")
        ),
    ],
)
def test_what_could_not_sign_is_refused_and_not_cited(raw: bytes, rule: str) -> None:
    """The rule, the size at most."""
    with pytest.raises(Invalid) as caught:
        read_secret(raw)

    assert f"secret: {rule}" == str(caught.value)
    assert "t0k" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None  # an error of decoding cites all of it


@given(st.binary(max_size=400))
def test_any_bytes_are_a_secret_or_are_refused(raw: bytes) -> None:
    """Nothing but Invalid; what is taken fits, and can be printed where it was generated."""
    try:
        secret = read_secret(raw)
    except Invalid:
        return

    assert 1 <= len(secret) <= MAX_SECRET_BYTES
    assert secret.decode().encode() == secret


@given(st.binary(min_size=1, max_size=64))
def test_what_standard_webhooks_writes_is_taken(key: bytes) -> None:
    """`whsec_` and base64 of at least one byte."""
    secret = b"whsec_" + base64.b64encode(key)

    assert secret == read_secret(secret + b"\n")


def test_a_secret_under_16_bytes_is_warned_of() -> None:
    """It is taken: the seed's own is `test`."""
    assert [True, True, False] == [is_short(one) for one in (b"test", b"s" * 15, b"s" * 16)]
    assert [True, False] == [is_short(b"whsec_" + base64.b64encode(b"s" * size)) for size in (15, 16)]
