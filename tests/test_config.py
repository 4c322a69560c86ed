import base64
import dataclasses
from pathlib import Path

import pytest

from relay.config import TABLE, Config, load
from relay.errors import ConfigProblem, Problem
from relay.networks import Proxy, allowance

KEY = bytes(range(32))
IN_BASE64 = base64.b64encode(KEY).decode()
RING = f"k1:{IN_BASE64}"

# Section 11 of the design, then what its section 10 and the guard left to be named: others write tools against these.
NAMES = """
KAFKA_BOOTSTRAP_SERVERS KAFKA_SECURITY_PROTOCOL KAFKA_SASL_MECHANISM KAFKA_SASL_USERNAME KAFKA_SASL_PASSWORD_FILE
KAFKA_SASL_TOKEN_FILE KAFKA_SASL_TOKEN_COMMAND KAFKA_CA_FILE KAFKA_CERT_FILE KAFKA_KEY_FILE
EVENTS_TOPICS TOPIC_PREFIX GROUP START NAMESPACE INSTANCE_ID ON_STOP
BUFFER_BYTES IN_FLIGHT CONNECT_TIMEOUT_S TIMEOUT_S RETRY_DELAYS HOLD_DELAYS MAX_AGE MALFORMED_LIMIT RETENTION
DISABLE_AFTER MAX_SUBSCRIPTIONS_PER_ACCOUNT DRAIN_S REBALANCE_DRAIN_S COMMIT_INTERVAL_S RESPONSE_BYTES MAX_EVENT_BYTES
ALLOW_HTTP ALLOW_NETWORKS EGRESS_PROXY TLS_DIR SECRET_KEYS SECRET_KEYS_FILE METRICS_ADDRESS CONSOLE_ADDRESS
DATABASE_URL LOG_FORMAT LOG_LEVEL
LANE_IN_FLIGHT LANE_QUEUE LANE_WAIT_S BREAKER_SHARE BREAKER_ATTEMPTS BREAKER_WINDOW_S BREAKER_COOLDOWN_S
ALLOW_METADATA HISTORY_RETENTION HISTORY_BYTES WORKER_ADDRESSES
TRUSTED_PROXIES TRUSTED_USER_HEADER TRUSTED_USER_SCOPE NOTICES_URL NOTICES_SECRET_FILE
""".split()  # noqa: SIM905  40 lines of quotes would say no more


def read(**variables: str) -> Config:
    """Of variables without their prefix."""
    return Config.read({f"RELAY_{name}": value for name, value in variables.items()})


def problems(**variables: str) -> list[Problem]:
    with pytest.raises(ConfigProblem) as refused:
        read(**variables)
    return list(refused.value.problems)


def test_every_name_of_the_contract_is_known_and_no_other() -> None:
    """From the start, also those that this version refuses."""
    assert sorted(f"RELAY_{name}" for name in NAMES) == sorted(line.variable for line in TABLE.values())


def test_nothing_set_is_a_configuration() -> None:
    """`relay sign` needs none; the defaults are those of the contract."""
    config = Config.read({})

    assert Config() == config
    assert (
        config.kafka_bootstrap_servers,
        config.events_topics,
        config.topic_prefix,
        config.group,
        config.start,
    ) == ("", ("leads.events",), "relay", "relay", "latest")
    assert (
        config.buffer_bytes,
        config.in_flight,
        config.connect_timeout_s,
        config.timeout_s,
    ) == (67_108_864, 512, 5, 15)
    assert config.retry_delays == (5, 30, 120, 600, 1800, 7200, 21_600, 43_200, 86_400)
    assert config.hold_delays == (5, 30, 120, 600, 3600, 21_600, 86_400)
    assert (
        config.max_age_s,
        config.disable_after_s,
        config.malformed_limit,
        config.max_subscriptions_per_account,
    ) == (259_200, 432_000, 500, 100)
    assert (config.lane_in_flight, config.lane_queue, config.lane_wait_s) == (8, 1000, 5)
    assert (
        config.breaker_share,
        config.breaker_attempts,
        config.breaker_window_s,
        config.breaker_cooldown_s,
    ) == (0.8, 20, 30, 30)
    assert (
        config.drain_s,
        config.rebalance_drain_s,
        config.commit_interval_s,
        config.response_bytes,
        config.max_event_bytes,
    ) == (30, 3, 1, 4096, 1_048_576)
    assert (config.metrics_address, config.console_address) == (("127.0.0.1", 9464), ("127.0.0.1", 8080))
    assert (
        config.database_url,
        config.history_retention_s,
        config.history_bytes,
        config.log_format,
        config.log_level,
    ) == ("sqlite+aiosqlite:///relay.db", 2_592_000, None, None, "info")
    assert (
        config.allow_http,
        config.allow_networks,
        config.allow_metadata,
        config.egress_proxy,
        config.instance_id,
        config.on_stop,
        config.namespace,
    ) == (False, (), False, None, None, "leave", "")


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "a:9092, b:9092", "kafka_bootstrap_servers", "a:9092,b:9092"),
        ("KAFKA_SECURITY_PROTOCOL", "SSL", "kafka_security_protocol", "SSL"),
        ("EVENTS_TOPICS", "leads.events,more.events", "events_topics", ("leads.events", "more.events")),
        ("TOPIC_PREFIX", "blue", "topic_prefix", "blue"),
        ("GROUP", "team:relay", "group", "team:relay"),
        ("START", "earliest", "start", "earliest"),
        ("START", "2026-01-31T08:00:00.250Z", "start", 1_769_846_400_250),
        ("NAMESPACE", "eu-1", "namespace", "eu-1"),
        ("INSTANCE_ID", "relay-0", "instance_id", "relay-0"),
        ("BUFFER_BYTES", "1 GiB", "buffer_bytes", 1_073_741_824),
        ("IN_FLIGHT", "10000", "in_flight", 10_000),
        ("CONNECT_TIMEOUT_S", "0.5", "connect_timeout_s", 0.5),
        ("TIMEOUT_S", "3", "timeout_s", 3.0),
        ("RETRY_DELAYS", "1s,2s,3s", "retry_delays", (1, 2, 3)),
        ("HOLD_DELAYS", "1h,5s", "hold_delays", (5, 3600)),
        ("MAX_AGE", "5d", "max_age_s", 432_000),
        ("MALFORMED_LIMIT", "0", "malformed_limit", 0),
        ("MAX_SUBSCRIPTIONS_PER_ACCOUNT", "1", "max_subscriptions_per_account", 1),
        ("LANE_IN_FLIGHT", "1000", "lane_in_flight", 1000),
        ("LANE_QUEUE", "1", "lane_queue", 1),
        ("LANE_WAIT_S", "0.1", "lane_wait_s", 0.1),
        ("BREAKER_SHARE", "1", "breaker_share", 1.0),
        ("BREAKER_ATTEMPTS", "10000", "breaker_attempts", 10_000),
        ("BREAKER_WINDOW_S", "600", "breaker_window_s", 600.0),
        ("BREAKER_COOLDOWN_S", "1", "breaker_cooldown_s", 1.0),
        ("DRAIN_S", "0", "drain_s", 0.0),
        ("REBALANCE_DRAIN_S", "30", "rebalance_drain_s", 30.0),
        ("COMMIT_INTERVAL_S", "0.1", "commit_interval_s", 0.1),
        ("RESPONSE_BYTES", "64KiB", "response_bytes", 65_536),
        ("MAX_EVENT_BYTES", "16MiB", "max_event_bytes", 16_777_216),
        ("ALLOW_HTTP", "yes", "allow_http", True),
        ("ALLOW_NETWORKS", "127.0.0.0/8,::1@a", "allow_networks", (allowance("127.0.0.0/8"), allowance("::1@a"))),
        ("ALLOW_METADATA", "true", "allow_metadata", True),
        ("EGRESS_PROXY", "http://proxy:3128", "egress_proxy", Proxy("proxy", 3128)),
        ("SECRET_KEYS", RING, "secret_keys", (("k1", KEY),)),
        ("METRICS_ADDRESS", "[::1]:0", "metrics_address", ("::1", 0)),
        ("CONSOLE_ADDRESS", "0.0.0.0:80", "console_address", ("0.0.0.0", 80)),
        ("DATABASE_URL", "postgresql+asyncpg://db/relay", "database_url", "postgresql+asyncpg://db/relay"),
        ("HISTORY_RETENTION", "90d", "history_retention_s", 7_776_000),
        ("HISTORY_BYTES", "20GiB", "history_bytes", 21_474_836_480),
        ("LOG_FORMAT", "json", "log_format", "json"),
        ("LOG_LEVEL", "debug", "log_level", "debug"),
    ],
)
def test_a_setting_is_read_into_its_field_and_no_other(name: str, text: str, field: str, value: object) -> None:
    """The rest stays as it was."""
    config = read(**{name: text})

    assert value == getattr(config, field)
    assert Config() == dataclasses.replace(config, **{field: getattr(Config(), field)})


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "kafka", "host:port"),
        ("KAFKA_SECURITY_PROTOCOL", "plaintext", "PLAINTEXT or SSL or SASL_PLAINTEXT or SASL_SSL"),
        ("KAFKA_SASL_MECHANISM", "GSSAPI", "PLAIN or SCRAM-SHA-256 or SCRAM-SHA-512 or OAUTHBEARER"),
        ("KAFKA_SASL_USERNAME", "my user", "visible"),
        ("EVENTS_TOPICS", "leads events", "1 to 249 of"),
        ("TOPIC_PREFIX", "a" * 231, "1 to 230 of"),
        ("GROUP", "my group", "visible"),
        ("START", "2026-01-31T08:00:00", "zone"),
        ("NAMESPACE", "eu west", "visible"),
        ("INSTANCE_ID", "a" * 241, "1 to 240 of"),
        ("ON_STOP", "wait", "leave or stay"),
        ("BUFFER_BYTES", "17GiB", "from 2KiB to 16GiB"),
        ("IN_FLIGHT", "0", "from 1 to 10000"),
        ("IN_FLIGHT", "10001", "from 1 to 10000"),
        ("CONNECT_TIMEOUT_S", "0", "from 0.1 to 60"),
        ("TIMEOUT_S", "121", "from 0.1 to 120"),
        ("RETRY_DELAYS", "5m,5s", "must not shrink"),
        ("HOLD_DELAYS", "8d", "from 1s to 7d"),
        ("MAX_AGE", "31d", "from 1s to 30d"),
        ("MALFORMED_LIMIT", "1001", "from 0 to 1000"),
        ("MAX_SUBSCRIPTIONS_PER_ACCOUNT", "0", "from 1 to 100000"),
        ("LANE_IN_FLIGHT", "0", "from 1 to 1000"),
        ("LANE_IN_FLIGHT", "1001", "from 1 to 1000"),
        ("LANE_QUEUE", "0", "from 1 to 100000"),
        ("LANE_QUEUE", "100001", "from 1 to 100000"),
        ("LANE_WAIT_S", "0", "from 0.1 to 30"),
        ("LANE_WAIT_S", "30.1", "from 0.1 to 30"),
        ("BREAKER_SHARE", "0", "from 0.1 to 1"),
        ("BREAKER_SHARE", "80", "from 0.1 to 1"),
        ("BREAKER_SHARE", "80%", "as in 0.8"),
        ("BREAKER_ATTEMPTS", "0", "from 1 to 10000"),
        ("BREAKER_ATTEMPTS", "10001", "from 1 to 10000"),
        ("BREAKER_WINDOW_S", "0.9", "from 1 to 600"),
        ("BREAKER_WINDOW_S", "601", "from 1 to 600"),
        ("BREAKER_COOLDOWN_S", "0.9", "from 1 to 600"),
        ("BREAKER_COOLDOWN_S", "30s", "as in 30"),
        ("DRAIN_S", "601", "from 0 to 600"),
        ("REBALANCE_DRAIN_S", "31", "from 0 to 30"),
        ("COMMIT_INTERVAL_S", "0", "from 0.1 to 60"),
        ("RESPONSE_BYTES", "65537", "from 0 to 64KiB"),
        ("MAX_EVENT_BYTES", "17MiB", "from 1KiB to 16MiB"),
        ("ALLOW_HTTP", "True", "true or 1"),
        ("ALLOW_NETWORKS", "10.0.0.1/8", "without host bits"),
        ("ALLOW_NETWORKS", "10.0.0.0/8@", "must name an account"),
        ("ALLOW_METADATA", "all", "true or 1"),
        ("METRICS_ADDRESS", "9464", "host:port"),
        ("CONSOLE_ADDRESS", "localhost", "host:port"),
        ("DISABLE_AFTER", "59m", "from 1h to 30d"),
        ("DISABLE_AFTER", "5", "a whole number and a unit"),
        ("LOG_FORMAT", "xml", "console or json"),
        ("LOG_LEVEL", "loud", "debug or info or warning or error"),
    ],
)
def test_a_value_outside_its_rule_is_told_with_variable_rule_and_value(name: str, text: str, rule: str) -> None:
    """A setting is never bent into its bounds."""
    (problem,) = problems(**{name: text})

    assert f"RELAY_{name}" == problem.field
    assert rule in problem.rule
    assert problem.value.startswith(text[:200])


def test_the_url_of_notices_is_read_as_subscriptions_urls_are_and_never_shown() -> None:
    """Its path may be a credential; http:// is allowed where it is for everybody."""
    secret = {"NOTICES_SECRET_FILE": "/secret"}

    (fragment,) = problems(NOTICES_URL="https://ops.example/t0ken#x", **secret)
    (http,) = problems(NOTICES_URL="http://ops.example/t0ken", **secret)

    assert ("RELAY_NOTICES_URL", "RELAY_NOTICES_URL") == (fragment.field, http.field)
    assert "no fragment" in fragment.rule
    assert "RELAY_ALLOW_HTTP" in http.rule
    assert "t0ken" not in f"{fragment} {http}"
    config = read(NOTICES_URL="HTTP://Ops.Example/t0ken", ALLOW_HTTP="true", **secret)
    assert "http://ops.example/t0ken" == config.notices_url
    assert "t0ken" not in repr(config)


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("0s", 0), ("0d", 0), ("1h", 3_600), ("30d", 2_592_000)])
def test_nothing_is_waited_for_for_ever_unless_somebody_says_never(text: str, seconds: int) -> None:
    """0, with a unit or without."""
    assert seconds == read(DISABLE_AFTER=text).disable_after_s


def test_settings_of_kafka_that_contradict_each_other_are_told() -> None:
    """By the rules of `security`; but not while one of them is itself wrong."""
    password = {"KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SASL_USERNAME": "relay"}
    complete = read(KAFKA_SECURITY_PROTOCOL="SASL_SSL", KAFKA_SASL_PASSWORD_FILE="/password", **password)

    assert ["RELAY_KAFKA_SASL_MECHANISM", "RELAY_KAFKA_SASL_USERNAME"] == [one.field for one in problems(**password)]
    assert ["RELAY_KAFKA_SECURITY_PROTOCOL"] == [
        one.field for one in problems(KAFKA_SECURITY_PROTOCOL="TLS", **password)
    ]
    assert (complete.kafka_sasl_mechanism, complete.kafka_sasl_username) == ("PLAIN", "relay")
    assert complete.kafka_sasl_password_file == "/password"


@pytest.mark.parametrize(
    "variables",
    [
        {"BUFFER_BYTES": "2MiB"},
        {"RESPONSE_BYTES": "64KiB", "MAX_EVENT_BYTES": "368KiB"},
        {"ON_STOP": "stay", "INSTANCE_ID": "relay-0"},
        {"EVENTS_TOPICS": "relay.leads", "TOPIC_PREFIX": "relay"},
        {"EVENTS_TOPICS": "leads.events", "TOPIC_PREFIX": "leads"},
        {"TIMEOUT_S": "1", "CONNECT_TIMEOUT_S": "5"},
        {"TRUSTED_USER_HEADER": "X-User", "TRUSTED_PROXIES": "10.0.0.0/8"},
        {"TRUSTED_PROXIES": "10.0.0.0/8"},
    ],
)
def test_settings_at_the_edge_of_such_a_rule_are_taken(variables: dict[str, str]) -> None:
    """The total timeout bounds the connecting too, so those two need no rule."""
    read(**variables)


def test_a_largest_result_fits_the_largest_message() -> None:
    """The response at its bound, each byte six times, and 48 KiB of everything else."""
    config = read(RESPONSE_BYTES="64KiB", MAX_EVENT_BYTES="368KiB")

    assert config.response_bytes * 6 + 48 * 1024 <= config.max_message_bytes == (368 + 64) * 1024


def test_every_problem_is_told_at_once() -> None:
    """Of environment and file, unknown names, broken rules, contradictions and what is missing."""
    with pytest.raises(ConfigProblem) as refused:
        Config.read(
            {"RELAY_IN_FLIGHT": "0", "RELAY_GRUOP": "x", "RELAY_ON_STOP": "stay", "RELAY_SECRET_KEYS": "k1"},
            file={"drain_s": "30s", "colour": "blue"},
            needs=["kafka_bootstrap_servers", "events_topics", "secret_keys"],
        )

    fields = [problem.field for problem in refused.value.problems]
    assert fields == [
        "RELAY_GRUOP",
        "colour",
        "RELAY_IN_FLIGHT",
        "RELAY_DRAIN_S",
        "RELAY_SECRET_KEYS",
        "RELAY_KAFKA_BOOTSTRAP_SERVERS",
        "RELAY_ON_STOP",
    ]
    assert all(field in str(refused.value) for field in fields)
    assert refused.value.exit_code == 2


def test_a_contradiction_with_a_broken_value_is_not_told() -> None:
    """The value that was meant may not contradict anything."""
    (problem,) = problems(ON_STOP="stay", INSTANCE_ID="relay 0")

    assert problem.field == "RELAY_INSTANCE_ID"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SECRET_KEYS", "k1:c2VjcmV0-hunter2"),
        ("SECRET_KEYS", "hunter2"),
        ("SECRET_KEYS", "hunter2:AAAA,hunter2:AAAA"),
        ("SECRET_KEYS_FILE", "k1:hunter2"),
        ("DATABASE_URL", "postgres://relay:hunter2@db/relay"),
        ("EGRESS_PROXY", "socks5://relay:hunter2@proxy:3128"),
        ("KAFKA_SASL_PASSWORD_FILE", "hunter2"),
        ("KAFKA_SASL_TOKEN_FILE", "hunter2"),
        ("KAFKA_SASL_TOKEN_COMMAND", "get-token --secret 'hunter2"),
        ("KAFKA_KEY_FILE", "hunter2"),
        ("SECRET_KEY", "hunter2"),
    ],
)
def test_no_message_tells_a_secret(name: str, text: str) -> None:
    """Nor what was put by mistake where only the name of a file belongs, or under a misspelt name."""
    with pytest.raises(ConfigProblem) as refused:
        read(**{name: text})

    assert "hunter2" not in f"{refused.value} {refused.value!r} {refused.value.problems!r}"
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


def test_no_repr_tells_a_secret() -> None:
    """A configuration may be logged."""
    proxy = "http://relay:hunter2@proxy:3128"
    config = read(SECRET_KEYS=RING, DATABASE_URL="postgresql+asyncpg://relay:hunter2@db/relay", EGRESS_PROXY=proxy)

    assert "hunter2" not in repr(config)
    assert "proxy:3128" not in repr(config)
    assert base64.b64encode(b"relay:hunter2").decode() not in repr([config, config.egress_proxy])
    assert IN_BASE64 not in repr(config)
    assert repr(KEY) not in repr(config)
    assert "in_flight=512" in repr(config)


def test_the_delays_are_those_of_retry_and_hold_without_repeats() -> None:
    """Each has a topic; `.now` has its own and is not among them."""
    assert read(RETRY_DELAYS="5s,5s,30s", HOLD_DELAYS="1m,30s,1s").delays == (1, 5, 30, 60)


def test_what_a_command_needs_and_lacks_is_told_with_what_to_set() -> None:
    """All of it at once."""
    with pytest.raises(ConfigProblem) as refused:
        Config().require("kafka_bootstrap_servers", "events_topics", "secret_keys")

    assert [p.field for p in refused.value.problems] == ["RELAY_KAFKA_BOOTSTRAP_SERVERS", "RELAY_SECRET_KEYS"]
    assert "RELAY_KAFKA_BOOTSTRAP_SERVERS=kafka-1:9092" in str(refused.value)
    assert "openssl rand -base64 32" in str(refused.value)


def test_a_command_that_has_what_it_needs_goes_on() -> None:
    """Nothing is raised."""
    read(KAFKA_BOOTSTRAP_SERVERS="kafka:9092", SECRET_KEYS=RING).require(
        "kafka_bootstrap_servers", "events_topics", "secret_keys"
    )


def test_the_file_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    """Keys are the names of the variables, or those in lower case without `RELAY_`."""
    path = tmp_path / "relay.toml"
    path.write_text(
        'group = "blue"\nRELAY_IN_FLIGHT = 64\nallow_http = true\nretry_delays = ["5s", "30s"]\ndrain_s = 0.5\n'
        'start = 2026-01-31T08:00:00Z\nmax_age = "48h"\nallow_networks = ["10.0.0.0/8"]\n'
    )

    config = load({"RELAY_GROUP": "green", "HOME": "/"}, path)

    assert (
        config.group,
        config.in_flight,
        config.allow_http,
        config.retry_delays,
        config.drain_s,
    ) == ("green", 64, True, (5, 30), 0.5)
    assert (1_769_846_400_000, 172_800, (allowance("10.0.0.0/8"),)) == (
        config.start,
        config.max_age_s,
        config.allow_networks,
    )


def test_without_a_file_the_environment_is_all() -> None:
    """None is looked for in any place."""
    assert Config.read({"RELAY_GROUP": "green"}) == load({"RELAY_GROUP": "green"}, None)


@pytest.mark.parametrize(
    ("content", "rule"), [(b"group = blue", "no TOML"), (b"\xff", "no TOML"), (None, "cannot be read: No such file")]
)
def test_a_file_that_cannot_be_read_is_told_beside_the_rest(tmp_path: Path, content: bytes | None, rule: str) -> None:
    """But not what is missing, for that may stand in the file."""
    path = tmp_path / "relay.toml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigProblem) as refused:
        load({"RELAY_IN_FLIGHT": "0"}, path, needs=["kafka_bootstrap_servers"])

    assert [str(path), "RELAY_IN_FLIGHT"] == [problem.field for problem in refused.value.problems]
    assert rule in str(refused.value)


def test_a_file_that_cannot_be_read_is_told_when_nothing_else_is_wrong(tmp_path: Path) -> None:
    """It is never taken for an empty one."""
    with pytest.raises(ConfigProblem, match="cannot be read"):
        load({}, tmp_path)


def test_the_keys_may_come_from_a_file_of_their_own(tmp_path: Path) -> None:
    """As secrets are mounted; a newline at its end is no part of them."""
    path = tmp_path / "keys"
    path.write_text(f"k2:{IN_BASE64},\nk1:{IN_BASE64}\n")

    config = load({"RELAY_SECRET_KEYS_FILE": str(path)}, None, needs=["secret_keys"])

    assert config.secret_keys == (("k2", KEY), ("k1", KEY))


@pytest.mark.parametrize(
    ("content", "rule"),
    [(None, "No such file"), (b"\xff", "not UTF-8"), (b"", "key 1 must be"), (b"k1:hunter2", "key 1 must be")],
)
def test_a_file_of_keys_that_holds_none_is_told_once(tmp_path: Path, content: bytes | None, rule: str) -> None:
    """Not a second time as keys that are missing."""
    path = tmp_path / "keys"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigProblem) as refused:
        load({"RELAY_SECRET_KEYS_FILE": str(path)}, None, needs=["secret_keys"])

    (problem,) = refused.value.problems
    assert (problem.field, problem.value) == ("RELAY_SECRET_KEYS_FILE", "***")
    assert rule in problem.rule


@pytest.mark.parametrize("ring", [RING, "k1:broken"])
def test_keys_from_two_places_are_refused(ring: str) -> None:
    """Also when one is in the environment and the other in the file: which one encrypts would be a guess."""
    with pytest.raises(ConfigProblem, match="RELAY_SECRET_KEYS_FILE: is set beside RELAY_SECRET_KEYS"):
        Config.read({"RELAY_SECRET_KEYS": ring}, file={"secret_keys_file": "/keys"}, read_text=lambda _path: RING)


def test_reading_alone_opens_no_file() -> None:
    """`read` is pure: whoever has files hands it a way to read them."""
    (problem,) = problems(SECRET_KEYS_FILE="/run/secrets/relay")

    assert "no files are read here" in problem.rule
