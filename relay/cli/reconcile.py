"""`relay reconcile`: whether everything that matched has an outcome."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from relay import settings
from relay.cli.common import Common, tell, write_json, write_table
from relay.cli.patience import Steps, publish
from relay.clock import SystemClock
from relay.completeness.reading import reconcile as reconciled
from relay.completeness.values import Report
from relay.config import Config
from relay.errors import Invalid, Problem
from relay.pipeline.results import rfc3339
from relay.settings import shown

COMMON = Common()
COUNTS = ("events", "matches", "delivered", "pending", "gave_up", "dropped", "missed", "surplus")
COLUMNS = ("topic", "partition", "first", "end", *COUNTS, "note")
SHOWN = 20  # offsets that are told in words; -o json has a thousand a range
Tell = Callable[[int, int], None]


def reconcile(*, since: str, until: str | None = None, common: Common = COMMON) -> int:
    """
    Prove that every match has an outcome; exit status 1 when something is missing, or was lost to retention.

    Args:
        since: From when on: a duration such as 24h, or a time such as 2026-01-31T08:00:00Z. Events are looked at whose
            deliveries had all come to an outcome, or to a retry, since then.
        until: Up to when; now.
    """
    config = common.load("kafka_bootstrap_servers")
    now_ms = SystemClock().now_ms()
    problems: list[Problem] = []
    since_ms, until_ms = (_time(name, text, now_ms, problems) for name, text in (("since", since), ("until", until)))
    if problems:
        raise Invalid(*problems)
    if until_ms is not None and until_ms <= (since_ms or 0):
        raise Invalid(Problem("until", "must be later than --since", shown(until or "")))
    report = _report(config, since_ms or 0, until_ms)
    if common.output == "json":
        write_json(report.shown())
    else:
        _show(report)
    return 0 if report.ok else 1


def _time(name: str, text: str | None, now_ms: int, problems: list[Problem]) -> int | None:
    """Epoch milliseconds; None where nothing was asked for, or that is no time."""
    if text is None:
        return None
    try:
        return settings.since(text, now_ms)
    except ValueError as rule:
        problems.append(Problem(name, str(rule), shown(text)))
        return None


def _report(config: Config, since_ms: int, until_ms: int | None) -> Report:
    steps = Steps()
    with _bar() as draw:

        def moved(done: int, total: int) -> None:
            steps.made += 1
            draw(done, total)

        return publish(reconciled(config, since_ms=since_ms, until_ms=until_ms, progress=moved), steps, doubt="")


@contextmanager
def _bar() -> Iterator[Tell]:
    """On stderr, where that is a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _done, _total: None
        return
    columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _show(report: Report) -> None:
    period = f"from {rfc3339(report.since_ms)} to {rfc3339(report.until_ms)}"
    if not report.ranges:
        tell(f"no worker told of anything {period}")
        return
    rows = [
        {name: getattr(one, name) for name in COLUMNS[:-1]}
        | {"note": "lost to retention" if one.lost else "unknown" if one.unknown else ""}
        for one in report.ranges
    ]
    total = {name: report.total(name) for name in COUNTS}
    rows.append({"topic": "all", "partition": None, "first": None, "end": None, **total, "note": ""})
    write_table(rows, COLUMNS)
    for line in _told(report):
        tell(line)
    tell(f"{_verdict(report)}, {period}")


def _verdict(report: Report) -> str:
    if not report.ok:
        return "NOT complete"
    return f"nothing is known to be missing; offsets unknown: {report.unknown}" if report.unknown else "complete"


def _told(report: Report) -> Iterator[str]:
    places = [
        f"missing: {gap.count} of {one.topic}/{one.partition}/{gap.offset}"
        + (f" ({gap.replayed} were replayed since)" if gap.replayed else "")
        for one in report.ranges
        for gap in one.missing
    ]
    yield from places[:SHOWN]
    if len(places) > SHOWN:
        yield f"and of {len(places) - SHOWN} events more: -o json lists them"
    for one in report.ranges:
        if one.lost:
            yield f"lost: retention took {one.topic}/{one.partition} from {one.first} to before {one.end} unread"
        if one.unknown:
            yield (
                f"unknown: nobody told of {one.topic}/{one.partition} from {one.first} to before {one.end},"
                " or the results of then are no longer held"
            )
    if surplus := report.total("surplus"):
        yield f"{surplus} deliveries beyond the matches: their events were read twice, with other subscriptions"
    if replayed := report.total("replayed"):
        yield f"{replayed} deliveries were made by replays alone, and are not counted"
    if report.unreadable:
        yield f"{report.unreadable} records of relay.progress and relay.results are none of relay's"
