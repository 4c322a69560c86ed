"""
Log lines: a dotted noun and a past participle, fields not prose, one line an attempt. Their names, all in one place.

Level by who must act: debug for us, info for what happened, warning for somebody in trouble, error when a person should
look. Secrets, signatures, bodies and paths of URLs stay out.
"""

import io
import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import orjson
import structlog

EVENTS = {
    # worker
    "worker.started": "The worker is joining its groups.",
    "worker.stopping": "SIGTERM or SIGINT: intake is closed, what is in flight has RELAY_DRAIN_S.",
    "worker.stopped": "Everything that could be settled is committed.",
    "worker.drain_exceeded": "Attempts were still under way after RELAY_DRAIN_S; they will be made again.",
    "worker.stuck": "Something that had work stood still while the broker answered: the process ends itself.",
    # several workers under one command
    "process.started": "A worker process was started.",
    "process.ended": "A worker process has ended; a negative status is a signal's.",
    "process.refused": "The machine would not start a worker process.",
    "process.restarting": "It is started again, later each time that it ended soon after its start.",
    "process.killed": "It was told to stop and hung: what it had under way will be sent again.",
    "processes.stopping": "Each was told to stop, and drains.",
    "processes.gave_up": "A worker process keeps dying, or is misconfigured; all are stopped.",
    "processes.stopped": "All have ended; the status is the whole's.",
    # both
    "broker.unreachable": "The broker does not answer; trying again.",
    "broker.troubled": "It does not answer, or refuses writes: what waits for it is no standstill of the worker's.",
    "client.dropped": "A connection to the broker did not end well; nothing was waiting for it.",
    "metrics.listening": "/metrics, /lanes, /livez and /readyz are served here.",
    # the path
    "delivery.settled": "One attempt, deferral or drop: verdict, reason, status, times.",
    "delivery.failed": "A fault of relay's own in one delivery; it became a dead letter.",
    "event.malformed": "A record that is no event went to the dead letters.",
    "circuit.opened": "Most of the latest attempts for a subscription failed: its deliveries are put off, unspent.",
    "circuit.closed": "The probe was delivered: what was put off goes out as it falls due.",
    # partitions
    "group.started": "A group without offsets: where it starts, committed before its first event.",
    "assignment.loaded": "Partitions are ready to be read.",
    "assignment.reloading": "Where some partitions go on could not be read just now; asked again, the others go on.",
    "map.refused": "The settled map that came with a committed offset is not of this log, or damaged: replayed.",
    "map.unproven": "The record at the top of a settled map did not come in time: replayed.",
    "partitions.grown": "A topic has more partitions by now: the group is asked to share them out.",
    "worker.frozen": "It did not run for longer than a session: nothing is started until the group confirms it.",
    "assignment.expired": "The session was over before we knew: nothing is committed, others hold the partitions.",
    "position.lost": "The log no longer holds the position; it is loaded again.",
    "log.replaced": "A committed offset is beyond the log's end: the partition is read from its beginning.",
    "range.lost": "Retention removed records before this group read them.",
    "commit.map_refused": "The broker takes less metadata with a commit: from now on less is written.",
    "commit.failed": "Offsets were not taken by the broker; the next commit says them again.",
    "consumer.troubled": "The client reports trouble with the broker; it goes on trying.",
    # results
    "producer.failed": "A batch was not acknowledged; a new producer sends it again.",
    "producer.unreachable": "No new producer could be had yet.",
    "producer.replaced": "A new producer has taken over.",
    # completeness
    "progress.troubled": "What is settled could not be told to relay.progress; commits go on, and it is told later.",
    "progress.dropped": "It could not be told for too long: `relay reconcile` will call these offsets unknown.",
    # subscriptions
    "subscriptions.loaded": "Read to the end of their topic.",
    "subscription.changed": "In force from now on.",
    "subscription.removed": "Deleted: its pending deliveries will be dropped.",
    "subscription.unreadable": "A record cannot be read or decrypted; its deliveries are deferred.",
    "subscription.disabled": "Its endpoint is gone (410), or took nothing for days: its events are dropped.",
    "subscription.re_enabled": "It was disabled, and somebody has resumed it: its events are not dropped any more.",
    "subscription.kept": "It was to be disabled for what its endpoint answered, and has changed since: it stays.",
    "disabling.troubled": "A subscription could not be disabled just now; trying again, and with its next failure.",
    "endpoint.failing": "It has taken nothing for an hour.",
    "endpoint.recovered": "It takes deliveries again, after it was told to be failing.",
    "notices.troubled": "Their topic cannot be read just now; trying again.",
    "notices.unreadable": "Records of the notices topic that are no notices: passed over.",
    "notices.forwarding": "Notices are sent to RELAY_NOTICES_URL from now on.",
    "notice.forwarded": "A notice was taken by the operator's own webhook.",
    "notice.delayed": "The operator's own webhook did not take a notice; it is tried again, the next ones wait.",
    "notice.passed": "The operator's own webhook never took a notice: it is not tried any more.",
    "subscriptions.troubled": "Their topic cannot be followed just now; trying again.",
    # replays
    "run.taken": "A replay is carried on here from now on.",
    "run.left": "It is over, or waits for its subscription: nothing more is done for it here.",
    "run.overtaken": "Another process carries the replay on, or has ended it; nothing of it was sent from here since.",
    "run.troubled": "Broker or history are in trouble; the replay is taken on again in 2 s, where it was.",
    "run.failed": "A fault of relay's own in one replay; it is over.",
    "run.unreadable": "A record of the runs topic is no run: passed over.",
    "run.doubtful": "The broker stopped answering after some was sent again: the rest may be too, or is untold.",
    "runs.troubled": "Their topic, or what workers have left to do, cannot be read just now; trying again.",
    # console
    "console.listening": "The console's API and pages are served here.",
    "console.troubled": "Something that the console needs the broker for cannot be opened; trying again.",
    "audit.failed": "What this line tells of was done, and could not be written into the audit.",
    "live.troubled": "Results cannot be followed for those who look on; trying again.",
    "console.stopping": "SIGTERM or SIGINT: live streams end, requests under way have 5 s.",
    "console.stopped": "The console has ended.",
    # who may do what
    "login.accepted": "A session of the console has begun, with this token.",
    "login.refused": "What was typed into the login page is no token, or no more.",
    "token.unreadable": "A record of the tokens' topic cannot be read; whoever holds that token is not let in.",
    "tokens.troubled": "Their topic cannot be followed just now; trying again.",
    # delivery history
    "history.following": "The results topic is read into the history, from where its database stands.",
    "history.overtaken": "Another projector writes the same history: this one stands by.",
    "history.troubled": "Broker or database of the history are in trouble; trying again, deliveries go on.",
    "history.unreadable": "Records of the results topic that are no results: counted, and left out.",
    "history.lost": "Retention removed results before they were read: the history has a gap.",
    "history.replaced": "The results topic is another than the one that was read: it is read from its beginning.",
    "history.pruned": "Deliveries that are too old, or too many, have left the history.",
}

_CONTROLS = re.compile("[\x7f-\x9f]")  # control characters that JSON need not escape, and terminals obey

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class _Stderr:
    """Whatever stderr is when a line is written: loggers are kept from their first use on, and it may be replaced."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()

    def isatty(self) -> bool:
        return sys.stderr.isatty()


def configure(*, format_: str | None, level: str, stream: TextIO | None = None) -> None:
    """
    Log to stderr: readable on a terminal, JSON elsewhere, unless told which.

    Args:
        format_: RELAY_LOG_FORMAT; None: by whether the stream is a terminal.
        level: RELAY_LOG_LEVEL.
        stream: Where to; stderr.
    """
    to: Any = stream or _Stderr()
    as_json = format_ == "json" or (format_ is None and not to.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if as_json:
        renderer: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_dumps)]
    else:
        renderer = [_printable, structlog.dev.ConsoleRenderer(colors=to.isatty(), exception_formatter=_traceback)]
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=to),
        # A logger that is kept would be as it was at its first line, for ever. The few microseconds of making one anew
        # are not missed: a delivery at the first attempt writes no line.
        cache_logger_on_first_use=False,
    )
    # aiokafka and aiohttp log in their own words; what is below a warning there is not news to an operator
    handler = logging.StreamHandler(to)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(LEVELS[level], logging.WARNING))


def _dumps(value: object, **_: object) -> str:
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", orjson.dumps(value, default=repr).decode())


def _printable(_: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Ids are other people's text, and a terminal obeys what it is shown; what is no text is shown by its repr."""
    return {name: _escaped(value) if isinstance(value, str) else value for name, value in line.items()}


def _traceback(to: TextIO, error: Any) -> None:  # noqa: ANN401  structlog's
    """Not the renderer's own choice, which would print every local variable: secrets, headers and bodies among them."""
    text = io.StringIO()
    structlog.dev.plain_traceback(text, error)
    to.write("\n".join(_escaped(one) for one in text.getvalue().split("\n")))


def _escaped(text: str) -> str:
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
