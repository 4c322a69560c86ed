"""Rules over several settings, each of which is well by itself. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from relay.errors import Problem
from relay.settings import KIB
from relay.sources import MASK, Setting
from relay.topics import Topics

if TYPE_CHECKING:
    from relay.config import Config

_RESULT_REST_BYTES = 48 * KIB  # of a result: 16 KiB of response headers, doubled by escapes, and 16 KiB for the rest
_ESCAPED = 6  # bytes that JSON makes of one control character: \u0000


class Rule(NamedTuple):
    """Over several fields."""

    fields: tuple[str, ...]
    holds: Callable[["Config"], bool]
    rule: str

    def problem(self, config: "Config", table: Mapping[str, Setting]) -> Problem | None:
        """What to tell, if it does not hold."""
        if self.holds(config):
            return None
        given = {table[field]: getattr(config, field) for field in self.fields}
        shown = ", ".join(f"{line.variable}={MASK if line.secret else value}" for line, value in given.items())
        return Problem(table[self.fields[0]].variable, self.rule, shown)


RULES = (
    Rule(
        ("buffer_bytes", "max_event_bytes"),
        lambda config: config.buffer_bytes >= 2 * config.max_event_bytes,
        "must be at least twice RELAY_MAX_EVENT_BYTES: one event alone would fill it and stop the intake for all",
    ),
    Rule(
        ("response_bytes", "max_event_bytes"),
        lambda config: _ESCAPED * config.response_bytes + _RESULT_REST_BYTES <= config.max_message_bytes,
        "at most a sixth of RELAY_MAX_EVENT_BYTES plus 16 KiB: a result with every byte escaped must fit its topic",
    ),
    Rule(
        ("on_stop", "instance_id"),
        lambda config: config.on_stop == "leave" or config.instance_id is not None,
        "stay needs RELAY_INSTANCE_ID: without one a restarted worker is a stranger, and its partitions stand idle",
    ),
    Rule(
        ("disable_after_s", "retention"),
        lambda config: config.disable_after_s <= dict(config.retention)["notices"],
        "must not be longer than RELAY_RETENTION keeps notices: a worker that starts reads there what has been failing",
    ),
    Rule(
        ("notices_url", "notices_secret_file"),
        lambda config: (config.notices_url is None) == (config.notices_secret_file is None),
        "goes with RELAY_NOTICES_SECRET_FILE: nothing is sent unsigned, and a secret alone sends nothing",
    ),
    Rule(
        ("notices_url", "allow_http"),
        lambda config: config.allow_http or not (config.notices_url or "").startswith("http://"),
        "must begin with https://: http:// needs RELAY_ALLOW_HTTP",
    ),
    Rule(
        ("events_topics", "topic_prefix"),
        lambda config: not any(map(Topics(config.topic_prefix).is_own, config.events_topics)),
        "must not hold a topic that relay writes: it would read its own records as events",
    ),
    Rule(
        ("trusted_user_header", "trusted_proxies"),
        lambda config: config.trusted_user_header is None or config.trusted_proxies != (),
        "needs RELAY_TRUSTED_PROXIES: from anywhere else anybody can say that they are anybody",
    ),
    Rule(
        ("group", "topic_prefix"),
        lambda config: config.group != Topics(config.topic_prefix).deliveries_group,
        "must not be the group of the delivery topics: the two would take each other's partitions",
    ),
)


def problems(config: "Config", table: Mapping[str, Setting]) -> Iterator[Problem]:
    """
    Of each rule that does not hold.

    Args:
        config: The settings.
        table: Those that are well by themselves: a rule over another is passed over.
    """
    for rule in RULES:
        if set(rule.fields) <= table.keys() and (problem := rule.problem(config, table)) is not None:
            yield problem
