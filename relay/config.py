"""
The configuration (DESIGN.md section 11): environment and file in, one value out, or every problem at once.

`Config.read` is pure; `load` is its edge, which reads the files. The table is the class itself: each field has its
default and how it is read, with a rule and the reason for the rule. A variable is called as its field in upper case
behind `RELAY_`, and so is a key of the file, which may also be in lower case without `RELAY_`. The environment wins.
An empty value is as good as none: that is how compose files and charts write what is not set.
"""

import dataclasses
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, TypeVar

from relay import networks, security, settings, sources, together, urls
from relay import retention as kept
from relay.errors import ConfigProblem, Problem
from relay.settings import KIB, MIB, Reader, within
from relay.sources import Setting

T = TypeVar("T")

_DAY_S = 86_400
_ENVELOPE_BYTES = 64 * KIB  # what a record may hold besides the body: headers, or the other fields of a result


def setting(default: T, read: Reader[T], *, variable: str = "", secret: bool = False, example: str = "") -> T:
    """A line of the table."""
    line = Setting(read=read, variable=variable, secret=secret, example=example)
    return dataclasses.field(default=default, repr=not secret, metadata={"setting": line})


_FAILED_LONG = within(settings.duration, "1h", "30d", "an hour is when one is told to be failing; 0 is never")
_MAX_AGE = within(settings.duration, "1s", "30d", "results are kept for 30 d, and none would tell of it any more")
_HISTORY_RETENTION = within(settings.duration, "1h", "3650d", "as of topics: it may well outlive theirs")
_HISTORY_BYTES = within(settings.size, "16MiB", "1048576GiB", "less is no history, only its tables")
_TOPIC = settings.name(249, "Kafka's rule for topics")
_LOG_FORMAT: Reader[Literal["console", "json"]] = settings.one_of("console", "json")
_LOG_LEVEL: Reader[Literal["debug", "info", "warning", "error"]] = settings.one_of("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What an operator decides. Durations are seconds, sizes bytes; secrets are in no repr."""

    kafka_bootstrap_servers: str = setting("", settings.brokers, example="kafka-1:9092,kafka-2:9092")
    kafka_security_protocol: str = setting("PLAINTEXT", settings.one_of(*security.PROTOCOLS))
    kafka_sasl_mechanism: str | None = setting(None, settings.one_of(*security.MECHANISMS))
    kafka_sasl_username: str | None = setting(None, settings.visible(255, "nothing prepares other text for SASL"))
    kafka_sasl_password_file: str | None = setting(None, str, secret=True)  # some put the password itself here
    kafka_sasl_token_file: str | None = setting(None, str, secret=True)  # likewise, the token
    kafka_sasl_token_command: str | None = setting(None, settings.command, secret=True)  # may hold a client's secret
    kafka_ca_file: str | None = setting(None, str)
    kafka_cert_file: str | None = setting(None, str)
    kafka_key_file: str | None = setting(None, str, secret=True)  # likewise, the key

    events_topics: tuple[str, ...] = setting(("leads.events",), settings.listed(_TOPIC), example="leads.events")
    topic_prefix: str = setting("relay", settings.name(230, "Kafka allows 249 with `.deliveries.<delay>` behind it"))
    group: str = setting("relay", settings.visible(249, "people type it into Kafka's tools"))
    start: Literal["latest", "earliest"] | int = setting("latest", settings.start)  # a time: ms since the epoch
    namespace: str = setting("", settings.visible(249, "delivery ids hash it, lines apart from the rest"))
    instance_id: str | None = setting(None, settings.name(240, "Kafka allows 249, and --processes appends a number"))
    on_stop: Literal["leave", "stay"] = setting("leave", settings.one_of("leave", "stay"))

    buffer_bytes: int = setting(64 * MIB, within(settings.size, "2KiB", "16GiB", "beyond that, run more processes"))
    in_flight: int = setting(512, within(settings.whole, "1", "10000", "each is a socket, and those run out first"))
    connect_timeout_s: float = setting(5.0, within(settings.seconds, "0.1", "60", "SYNs go out again after 1, 3, 7 s"))
    timeout_s: float = setting(15.0, within(settings.seconds, "0.1", "120", "commits of its partition wait so long"))
    # 10 attempts in about 45 h
    retry_delays: tuple[int, ...] = setting((5, 30, 120, 600, 1800, 7200, 21_600, 43_200, 86_400), settings.schedule)
    hold_delays: tuple[int, ...] = setting((5, 30, 120, 600, 3600, 21_600, 86_400), settings.holds)
    max_age_s: int = setting(3 * _DAY_S, _MAX_AGE, variable="RELAY_MAX_AGE")
    retention: tuple[tuple[str, int], ...] = setting(kept.DEFAULT, kept.read)  # seconds, by kind of topic
    malformed_limit: int = setting(500, within(settings.whole, "0", "1000", "it is counted over the last 1000 records"))
    disable_after_s: int = setting(
        5 * _DAY_S, settings.or_zero(_FAILED_LONG), variable="RELAY_DISABLE_AFTER"
    )  # 0: never
    max_subscriptions_per_account: int = setting(100, within(settings.whole, "1", "100000", "an event goes to each"))

    # A lane is one subscription's, in one worker (DESIGN.md section 10)
    lane_in_flight: int = setting(
        8, within(settings.whole, "1", "1000", "a receiver meets so many before it has answered one")
    )
    lane_queue: int = setting(
        1000, within(settings.whole, "1", "100000", "what waits there keeps its place in RELAY_BUFFER_BYTES")
    )
    lane_wait_s: float = setting(
        5.0, within(settings.seconds, "0.1", "30", "commits of its partition wait for so long, the watchdog for 60 s")
    )
    breaker_share: float = setting(
        0.8, within(settings.share, "0.1", "1", "a receiver that fails some of the time keeps its traffic")
    )
    breaker_attempts: int = setting(
        20, within(settings.whole, "1", "10000", "fewer say little, and more a quiet receiver never gets")
    )
    breaker_window_s: float = setting(
        30.0, within(settings.seconds, "1", "600", "a receiver that starts again is away for some seconds")
    )
    breaker_cooldown_s: float = setting(
        30.0, within(settings.seconds, "1", "600", "a receiver that is well again waits for the next probe")
    )

    drain_s: float = setting(30.0, within(settings.seconds, "0", "600", "whoever stops a worker waits for it"))
    rebalance_drain_s: float = setting(3.0, within(settings.seconds, "0", "30", "all of the group waits for it"))
    commit_interval_s: float = setting(1.0, within(settings.seconds, "0.1", "60", "what settled since is sent again"))
    response_bytes: int = setting(
        4 * KIB, within(settings.size, "0", "64KiB", "escaped in JSON it is up to six times that")
    )
    max_event_bytes: int = setting(
        MIB, within(settings.size, "1KiB", "16MiB", "broker and consumers must take as much")
    )

    allow_http: bool = setting(False, settings.flag)
    allow_networks: tuple[networks.Allowance, ...] = setting((), settings.listed(networks.allowance))
    allow_metadata: bool = setting(False, settings.flag)  # needs a network of allow_networks round each, too
    egress_proxy: networks.Proxy | None = setting(None, networks.proxy, secret=True)  # noqa: RUF009  the default is None
    tls_dir: str | None = setting(None, str)  # certificates and authorities that subscriptions name (pipeline/tls.py)
    secret_keys: tuple[tuple[str, bytes], ...] = setting(
        (), settings.key_ring, secret=True, example="k1:$(openssl rand -base64 32), or RELAY_SECRET_KEYS_FILE"
    )
    secret_keys_file: str | None = setting(None, str, secret=True)  # some put the keys themselves here
    metrics_address: tuple[str, int] = setting(("127.0.0.1", 9464), settings.address)
    # whom to ask for lanes; none: whoever listens at metrics_address
    worker_addresses: tuple[tuple[str, int], ...] = setting((), settings.listed(settings.address))
    console_address: tuple[str, int] = setting(("127.0.0.1", 8080), settings.address)
    trusted_proxies: tuple[networks.Network, ...] = setting((), settings.listed(networks.network))  # of the console
    trusted_user_header: str | None = setting(None, networks.user_header)
    trusted_user_scope: str = setting("read", settings.one_of("read", "write", "admin"))
    notices_url: str | None = setting(None, urls.webhook, secret=True)  # its path may be a credential
    notices_secret_file: str | None = setting(None, str, secret=True)  # some put the secret itself here
    database_url: str = setting("sqlite+aiosqlite:///relay.db", settings.database, secret=True)  # may hold a password
    history_retention_s: int = setting(kept.MONTH_S, _HISTORY_RETENTION, variable="RELAY_HISTORY_RETENTION")
    history_bytes: int | None = setting(None, _HISTORY_BYTES)
    log_format: Literal["console", "json"] | None = setting(None, _LOG_FORMAT)  # None: by whether stderr is a terminal
    log_level: Literal["debug", "info", "warning", "error"] = setting("info", _LOG_LEVEL)

    @property
    def delays(self) -> tuple[int, ...]:
        """Of retry and hold, distinct, shortest first: each has a delivery topic. `.now` is not among them."""
        return tuple(sorted({*self.retry_delays, *self.hold_delays}))

    @property
    def max_message_bytes(self) -> int:
        """What the topics and the producer must take: an event and what a record says about it."""
        return self.max_event_bytes + _ENVELOPE_BYTES

    @classmethod
    def read(
        cls,
        environ: Mapping[str, str],
        *,
        file: Mapping[str, object] | None = None,
        needs: Iterable[str] = (),
        read_text: Callable[[str], str] = sources.nothing_to_read,
    ) -> Self:
        """
        The configuration that these say.

        Args:
            environ: Variables; those that do not begin with `RELAY_` are not looked at.
            file: The configuration file, parsed.
            needs: Fields that the caller cannot do without, as in `require`.
            read_text: Gives the text of the file that RELAY_SECRET_KEYS_FILE names, or raises OSError.

        Raises:
            ConfigProblem: All that is wrong, each with variable, rule and value; no secret is among the values.
        """
        values, problems = sources.values(TABLE, environ, file or {}, read_text)
        config = cls(**values)
        sound = {field: line for field, line in TABLE.items() if field not in problems}
        found = [
            *sources.unknown(environ, file or {}, {line.variable for line in TABLE.values()}),
            *problems.values(),
            *(_missing(config, field) for field in needs if field not in problems),
            *_insecure(config, problems),
            *together.problems(config, sound),
        ]
        if wrong := [problem for problem in found if problem]:
            raise ConfigProblem(*wrong)
        return config

    def require(self, *needs: str) -> None:
        """
        Every field named is set.

        Raises:
            ConfigProblem: Those that are not, each with what to set.
        """
        if missing := [problem for field in needs if (problem := _missing(self, field))]:
            raise ConfigProblem(*missing)


def load(environ: Mapping[str, str], path: Path | None, *, needs: Iterable[str] = ()) -> Config:
    """
    As `Config.read`, with the TOML file at `path`, and the file of keys. Relative paths start where the process does.

    Raises:
        ConfigProblem: As there; also for a file that cannot be read.
    """
    file: dict[str, object] = {}
    broken: list[Problem] = []
    try:
        file = tomllib.loads(path.read_text("utf-8")) if path else {}
    except OSError as problem:
        broken.append(Problem(str(path), f"cannot be read: {problem.strerror or problem}"))
    except ValueError as problem:
        broken.append(Problem(str(path), f"is no TOML in UTF-8: {problem}"))
    try:
        # What is missing cannot be told while the file that may hold it is unread.
        config = Config.read(environ, file=file, needs=() if broken else needs, read_text=_read_text)
    except ConfigProblem as more:
        raise ConfigProblem(*broken, *more.problems) from None
    if broken:
        raise ConfigProblem(*broken)
    return config


def _read_text(path: str) -> str:
    return Path(path).read_text("utf-8")


TABLE: Mapping[str, Setting] = {
    field.name: dataclasses.replace(line, variable=line.variable or sources.PREFIX + field.name.upper())
    for field in dataclasses.fields(Config)
    for line in [field.metadata["setting"]]
}


def _insecure(config: Config, problems: Mapping[str, Problem]) -> Iterable[Problem]:
    """What contradicts itself in the connection to Kafka; passed over while one of its settings is itself wrong."""
    given = {line.variable: (field, getattr(config, field)) for field, line in TABLE.items()}
    if any(given[variable][0] in problems for variable in security.SETTINGS):
        return ()
    return security.contradictions({variable: given[variable][1] for variable in security.SETTINGS})


def _missing(config: Config, field: str) -> Problem | None:
    if getattr(config, field) not in ("", (), None):
        return None
    line = TABLE[field]
    return Problem(line.variable, f"is not set and is needed here: {line.variable}={line.example}")
