import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay import settings
from relay.settings import GIB, KIB, MIB, within

KEY = bytes(range(32))
IN_BASE64 = base64.b64encode(KEY).decode()


@given(
    st.integers(min_value=0, max_value=10**12), st.sampled_from([("B", 1), ("KiB", KIB), ("MiB", MIB), ("GiB", GIB)])
)
def test_a_size_is_its_number_times_its_unit(number: int, unit: tuple[str, int]) -> None:
    """With one space between or none; alone it is bytes."""
    word, factor = unit

    assert number * factor == settings.size(f"{number}{word}") == settings.size(f"{number} {word}")
    assert number == settings.size(str(number))


@pytest.mark.parametrize("text", ["", "MiB", "1MB", "1mib", "1 M", "1.5MiB", "-1", "1  MiB", "0x10", "1_000", "٤"])
def test_a_size_in_no_such_unit_is_refused(text: str) -> None:
    """MB and M mean different things to different people."""
    with pytest.raises(ValueError, match="as in 4096, 4KiB or 64MiB"):
        settings.size(text)


@given(st.integers(min_value=0, max_value=10**9), st.integers(min_value=0, max_value=10**9), st.integers(0, 10**9))
def test_a_bounded_number_is_read_exactly_when_it_lies_within(low: int, high: int, number: int) -> None:
    """Both bounds are included."""
    read = within(settings.whole, str(low), str(high), "of a reason")

    if low <= number <= high:
        assert number == read(str(number))
    else:
        with pytest.raises(ValueError, match=f"must be from {low} to {high}: of a reason"):
            read(str(number))


@pytest.mark.parametrize("text", ["", "1.0", "-1", "+1", "1e3", "0x1", "1_0", "true", "٤"])
def test_a_whole_number_is_digits_and_nothing_else(text: str) -> None:
    """What int() would let pass is refused."""
    with pytest.raises(ValueError, match="whole number"):
        settings.whole(text)


@pytest.mark.parametrize("text", ["", "30s", "-1", "1e3", "inf", "nan", ".5", "5.", "1,5"])
def test_plain_seconds_have_no_unit(text: str) -> None:
    """The unit is in the setting's name."""
    with pytest.raises(ValueError, match="plain number of seconds"):
        settings.seconds(text)


@given(st.decimals(min_value=0, max_value=10**6, places=3))
def test_plain_seconds_may_have_decimals(number: object) -> None:
    """To the millisecond and beyond."""
    assert float(str(number)) == settings.seconds(f"{number:f}")


@pytest.mark.parametrize("text", ["", "80%", "-1", "1e-1", "inf", "nan", ".8", "1.", "0,8", "4/5"])
def test_a_share_is_a_plain_number(text: str) -> None:
    """A percentage would be a hundred times as much."""
    assert (0.8, 1.0) == (settings.share("0.8"), settings.share("1"))
    with pytest.raises(ValueError, match="must be a plain number"):
        settings.share(text)


def test_delays_keep_the_order_they_were_given_in() -> None:
    """Two of one length are one more attempt, in the same topic."""
    assert settings.schedule("5s, 30s,30s ,2h") == (5, 30, 30, 7200)


def test_hold_delays_are_sorted_and_distinct() -> None:
    """They are looked up by length."""
    assert settings.holds("1h,5s,60s,1m") == (5, 60, 3600)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("30s,5s", "must not shrink"),
        ("0s", "0s: must be from 1s to 7d"),
        ("169h", "169h: must be from 1s to 7d"),
        ("5s,,30s", "an empty entry: "),
        ("5", "5: must be a whole number and a unit"),
        (",".join(["5s"] * 51), "1 to 50 delays, not 51"),
    ],
)
def test_a_schedule_that_breaks_a_rule_is_refused(text: str, rule: str) -> None:
    """Each rule has its words."""
    with pytest.raises(ValueError, match=rule):
        settings.schedule(text)


def test_the_longest_schedule_allowed_is_read() -> None:
    """50 delays of up to a week."""
    assert (*[5] * 49, 604_800) == settings.schedule(",".join([*["5s"] * 49, "7d"]))


def test_every_entry_of_a_list_that_is_wrong_is_told() -> None:
    """One run shows them all."""
    with pytest.raises(ValueError, match=r"x: .*; 8d: .*") as broken:
        settings.delays("x,5s,8d")

    assert "5s: " not in str(broken.value)


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("1", True), ("yes", True), ("false", False), ("0", False), ("no", False)]
)
def test_a_flag_is_one_of_six_words(text: str, value: bool) -> None:  # noqa: FBT001  the expectation
    """Three for each."""
    assert value is settings.flag(text)


@pytest.mark.parametrize("text", ["", "True", "on", "y", "2", "enabled"])
def test_no_other_word_is_taken_for_a_flag(text: str) -> None:
    """Neither for true nor, worse, for false."""
    with pytest.raises(ValueError, match="must be true or 1 or yes or false or 0 or no"):
        settings.flag(text)


@pytest.mark.parametrize("text", ["", ".", "..", "a b", "a/b", "ä", "a" * 10, "a\n"])
def test_a_topic_is_named_as_kafka_allows(text: str) -> None:
    """The broker would refuse it later, and less clearly."""
    with pytest.raises(ValueError, match="must be 1 to 9 of a-z"):
        settings.name(9, "Kafka's rule")(text)


@pytest.mark.parametrize("text", ["a", "...", "A.b_c-9", "a" * 9])
def test_a_name_within_the_rule_is_kept_as_it_is(text: str) -> None:
    """Nothing is folded."""
    assert text == settings.name(9, "Kafka's rule")(text)


@pytest.mark.parametrize("text", ["", "a b", "a\nb", "ä", "a" * 10])
def test_visible_text_has_no_space_and_no_line(text: str) -> None:
    """So it can stand in a line of its own, or between spaces."""
    with pytest.raises(ValueError, match="must be 1 to 9 visible"):
        settings.visible(9, "a reason")(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.0.0.0:0", ("0.0.0.0", 0)), ("[::]:9464", ("::", 9464)), ("a_host.local:65535", ("a_host.local", 65_535))],
)
def test_an_address_is_a_host_and_a_port(text: str, value: tuple[str, int]) -> None:
    """IPv6 comes out of its brackets; port 0 means any."""
    assert value == settings.address(text)


@pytest.mark.parametrize(
    "text", ["", "9464", ":9464", "localhost", "host:", "host:65536", "host:-1", "::1:9464", "[::1]", "[x]:1", "a b:1"]
)
def test_an_address_that_could_mean_two_things_is_refused(text: str) -> None:
    """A host and a port, both said."""
    with pytest.raises(ValueError, match=r"host:port|'x'"):
        settings.address(text)


def test_brokers_are_handed_on_without_the_blanks() -> None:
    """As the Kafka client takes them."""
    assert settings.brokers("kafka-1:9092, [::1]:9093") == "kafka-1:9092,[::1]:9093"


@pytest.mark.parametrize(
    ("text", "rule"), [("kafka", "kafka: must be host:port"), ("kafka:0", "kafka:0: port 0 cannot")]
)
def test_a_broker_has_a_port_of_its_own(text: str, rule: str) -> None:
    """There is no default to fall back to."""
    with pytest.raises(ValueError, match=rule):
        settings.brokers(text)


@given(st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30)), st.integers(min_value=-14 * 60, max_value=14 * 60))  # noqa: DTZ001  the zone is drawn too
def test_a_start_is_the_same_moment_in_every_zone(local: datetime, offset_min: int) -> None:
    """In whole milliseconds since the epoch, rounded down."""
    moment = local.replace(tzinfo=timezone(timedelta(minutes=offset_min)))

    started = settings.start(moment.isoformat())

    assert isinstance(started, int)
    assert started == settings.start(moment.astimezone(UTC).isoformat())
    assert (
        timedelta(0)
        <= moment - datetime(1970, 1, 1, tzinfo=UTC) - timedelta(milliseconds=started)
        < timedelta(milliseconds=1)
    )


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("newest", "latest, earliest or a time"),
        ("1767225600000", "latest, earliest or a time"),
        ("2026-01-31T08:00:00", "a time with its zone"),
        ("2026-01-31", "a time with its zone"),
        ("1969-12-31T23:59:59Z", "of the years 1970 to 9999"),
    ],
)
def test_a_start_that_is_no_certain_moment_is_refused(text: str, rule: str) -> None:
    """A guess here would skip events, and nobody would see it."""
    with pytest.raises(ValueError, match=rule):
        settings.start(text)


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True), st.binary(min_size=32, max_size=32), min_size=1
    )
)
def test_a_key_ring_is_read_back_in_its_order(ring: dict[str, bytes]) -> None:
    """The newest first, whose key encrypts."""
    text = ",".join(f"{key_id}:{base64.b64encode(key).decode()}" for key_id, key in ring.items())

    assert tuple(ring.items()) == settings.key_ring(text + "\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        IN_BASE64,
        f":{IN_BASE64}",
        f"k 1:{IN_BASE64}",
        f"{'k' * 65}:{IN_BASE64}",
        f"k1:{IN_BASE64[:-4]}",
        f"k1:{IN_BASE64[:-1]}",
        f"k1:{IN_BASE64}AAAA",
        f"k1:{IN_BASE64}\x00",
        "k1:schlüssel",
        f"k1:{IN_BASE64},",
    ],
)
def test_a_key_that_is_not_32_bytes_under_an_id_is_refused(text: str) -> None:
    """The error tells where in the list it stands, and nothing that stood there."""
    with pytest.raises(ValueError, match=r"key \d must be `id:key`") as broken:
        settings.key_ring(text)

    assert IN_BASE64[:8] not in str(broken.value)


def test_two_keys_of_one_id_are_refused() -> None:
    """A stored secret names its key by the id alone."""
    with pytest.raises(ValueError, match="key 2 has the id of an earlier one"):
        settings.key_ring(f"k1:{IN_BASE64},k1:{base64.b64encode(bytes(32)).decode()}")


@pytest.mark.parametrize("text", ["postgres://db/relay", "postgresql://db/relay", "sqlite:///relay.db", "relay.db"])
def test_a_database_needs_a_driver_that_awaits(text: str) -> None:
    """Any other would stop the event loop."""
    with pytest.raises(ValueError, match="must begin with") as broken:
        settings.database(text)

    assert text not in str(broken.value)


def test_a_value_in_a_message_is_one_short_line() -> None:
    """It can neither break a log line nor colour a terminal."""
    assert settings.shown("a ü") == "a ü"
    assert settings.shown("a\nb\x1b[31m\udcff") == r"'a\nb\x1b[31m\udcff'"
    assert len(settings.shown("x" * 5000)) == 201


def test_an_entry_in_a_message_is_no_less_so() -> None:
    """Lists cite their entries in the rule."""
    with pytest.raises(ValueError, match="must be") as broken:
        settings.brokers("a:1,\x1b[31mred")

    assert str(broken.value).isprintable()


@pytest.mark.parametrize("text", ["127.0.0.1:9464", "[::1]:0", "[fe80::1]:65535", "metrics.example:1"])
def test_an_address_is_spelled_as_it_is_read(text: str) -> None:
    """IPv6 in brackets: without, nobody knows where its port begins."""
    assert text == settings.spelled(*settings.address(text))
