from datetime import UTC, date, datetime

import pytest

from relay.sources import text_of, unknown

VARIABLES = ("RELAY_GROUP", "RELAY_IN_FLIGHT", "RELAY_SECRET_KEYS", "RELAY_KAFKA_CA_FILE", "RELAY_METRICS_ADDRESS")


def names(environ: dict[str, str], file: dict[str, object] | None = None) -> list[str]:
    return [problem.field for problem in unknown(environ, file or {}, VARIABLES)]


@pytest.mark.parametrize("key", ["RELAY_GROUP", "group"])
def test_a_key_of_the_file_is_the_variable_or_its_short_form(key: str) -> None:
    """Both mean the same."""
    assert text_of("RELAY_GROUP", {}, {key: "blue"}) == "blue"


def test_the_environment_wins_over_the_file() -> None:
    """So that one deployment can differ from the common file."""
    assert text_of("RELAY_GROUP", {"RELAY_GROUP": "green"}, {"group": "blue"}) == "green"


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_value_is_as_good_as_none(empty: str) -> None:
    """Compose files and charts write what is not set in this way."""
    assert text_of("RELAY_GROUP", {"RELAY_GROUP": empty}, {"group": "blue"}) == "blue"
    assert text_of("RELAY_GROUP", {}, {"group": empty}) == ""


def test_a_key_that_stands_twice_in_the_file_is_refused() -> None:
    """Nobody could tell which one counts."""
    with pytest.raises(ValueError, match="twice"):
        text_of("RELAY_GROUP", {}, {"group": "blue", "RELAY_GROUP": "blue"})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (512, "512"),
        (0.5, "0.5"),
        (["5s", "30s"], "5s,30s"),
        ([1, True], "1,true"),
        (date(2026, 1, 31), "2026-01-31"),
        (datetime(2026, 1, 31, 8, tzinfo=UTC), "2026-01-31T08:00:00+00:00"),
    ],
)
def test_a_value_of_the_file_means_what_its_text_means_in_the_environment(value: object, text: str) -> None:
    """One set of rules reads both."""
    assert text == text_of("RELAY_GROUP", {}, {"group": value})


@pytest.mark.parametrize(("value", "rule"), [([], "an empty list"), ({"a": 1}, "a table"), ([{"a": 1}], "a table")])
def test_a_value_that_has_no_spelling_is_refused(value: object, rule: str) -> None:
    """With what to write instead."""
    with pytest.raises(ValueError, match=rule):
        text_of("RELAY_GROUP", {}, {"group": value})


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("RELAY_GROPU", "RELAY_GROUP"),
        ("RELAY_INFLIGHT", "RELAY_IN_FLIGHT"),
        ("RELAY_CA_FILE", "RELAY_KAFKA_CA_FILE"),
        ("RELAY_SECRET_KEY", "RELAY_SECRET_KEYS"),
        ("RELAY_group", "RELAY_GROUP"),
    ],
)
def test_a_misspelt_name_is_told_with_the_nearest(name: str, guess: str) -> None:
    """Its value is not: it may be a secret that was meant for the right name."""
    (problem,) = unknown({name: "k1:secret"}, {}, VARIABLES)

    assert (name, "") == (problem.field, problem.value)
    assert f"did you mean {guess}?" in problem.rule


def test_a_name_like_no_other_has_no_guess() -> None:
    """The common first letters make no likeness."""
    (problem,) = unknown({"RELAY_QQQ": "1"}, {}, VARIABLES)

    assert "did you mean" not in problem.rule


def test_unknown_keys_of_the_file_are_told_too() -> None:
    """Nothing but people writes into it, so nothing in it is passed over."""
    assert names(
        {}, {"gruop": "x", "RELAY_PORT": "x", "RELAY_TEST_X": "x", "Group": "x", "group": "x", "RELAY_GROUP": "x"}
    ) == ["gruop", "RELAY_PORT", "RELAY_TEST_X", "Group"]


@pytest.mark.parametrize(
    "name",
    [
        "RELAY",
        "RELAYS_GROUP",
        "PATH",
        "RELAY_TEST_KAFKA",
        "RELAY_PORT",
        "RELAY_PORT_9464_TCP",
        "RELAY_PORT_9464_TCP_ADDR",
        "RELAY_SERVICE_HOST",
        "RELAY_SERVICE_PORT_METRICS",
        "RELAY_CONSOLE_SERVICE_HOST",
        "RELAY_CONSOLE_SERVICE_PORT",
        "RELAY_CONSOLE_PORT",
        "RELAY_CONSOLE_PORT_8080_TCP_PROTO",
    ],
)
def test_what_others_put_into_the_environment_is_passed_over(name: str) -> None:
    """Kubernetes injects links for each service; one that is called relay must not stop the worker."""
    assert names({name: "tcp://10.0.0.1:9464"}) == []


@pytest.mark.parametrize("name", ["RELAY_", "RELAY_REPORT", "RELAY_TESTS", "RELAY_PORTAL", "RELAY_MICROSERVICE_X"])
def test_what_only_resembles_those_is_told(name: str) -> None:
    """The pattern takes whole words."""
    assert [name] == names({name: "x"})


def test_a_real_name_counts_as_itself_whatever_it_resembles() -> None:
    """A setting never becomes a service link."""
    assert [problem.field for problem in unknown({"RELAY_X_PORT": "1"}, {}, ["RELAY_X_PORT"])] == []
    assert text_of("RELAY_X_PORT", {"RELAY_X_PORT": "1"}, {}) == "1"
