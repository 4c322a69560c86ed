"""
Figures, their names and units in one place (Prometheus naming: base units, `_total`, `_seconds`, `_bytes`).

No URL, id or free text is a label: a million subscriptions must not mean a million series.

What is counted for every delivery is counted in plain integers of the one thread that there is, and shown through the
library's own families: its counters take a lock each, 7 microseconds a delivery, where these take 1.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

# up to RELAY_TIMEOUT_S and beyond
ATTEMPT_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30)
# a backlog waits for minutes
QUEUE_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120)


class Tally(Collector):
    """A counter, by label values in the order of the labels' names."""

    def __init__(self, registry: CollectorRegistry, name: str, meaning: str, *labels: str) -> None:
        self._name, self._meaning, self._labelnames = name, meaning, labels
        self._counts: Counter[tuple[str, ...]] = Counter() if labels else Counter({(): 0})
        registry.register(self)

    def add(self, *values: str, by: int = 1) -> None:
        """So many more."""
        self._counts[values] += by

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self._name, self._meaning, labels=self._labelnames)
        for values, count in self._counts.items():
            family.add_metric(values, count)
        yield family


class Distribution(Collector):
    """A histogram; `bounds` are the upper ends of its buckets, rising."""

    def __init__(self, registry: CollectorRegistry, name: str, meaning: str, bounds: Sequence[float]) -> None:
        self._name, self._meaning, self._bounds = name, meaning, bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        registry.register(self)

    def observe(self, value: float) -> None:
        """One more, in the first bucket whose bound it does not exceed."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(self._name, self._meaning)
        ends = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        totals = (sum(self._counts[: number + 1]) for number in range(len(ends)))
        family.add_metric([], list(zip(ends, totals, strict=True)), self._sum)
        yield family


class Metrics:
    """Everything that one worker counts."""

    def __init__(self) -> None:
        made = self.registry = CollectorRegistry()

        def gauge(name: str, meaning: str, *labels: str) -> Gauge:
            return Gauge(name, meaning, labels, registry=made)

        meaning = "Attempts, deferrals and drops, by verdict and reason."
        self.deliveries = Tally(made, "relay_deliveries", meaning, "verdict", "reason")
        self.attempt_seconds = Distribution(
            made, "relay_attempt_seconds", "Request sent to reply complete.", ATTEMPT_BUCKETS_S
        )
        self.queue_seconds = Distribution(made, "relay_queue_seconds", "Record read to request sent.", QUEUE_BUCKETS_S)
        meaning = "Records of the events topics, by what they were."
        self.events = Tally(made, "relay_events", meaning, "outcome")
        self.matches = Tally(made, "relay_matches", "Deliveries made of events: matching subscriptions.")
        self.dead_letters = Tally(made, "relay_dead_letters", "Dead letters, by why.", "reason")
        self.notices = Tally(made, "relay_notices", "Notices, by kind.", "kind")
        self.lost = Tally(made, "relay_lost_offsets", "Offsets that retention removed before they were read.")
        self.faults = Tally(made, "relay_internal_faults", "Deliveries that failed for a fault of relay's own.")
        self.in_flight = gauge("relay_in_flight", "Requests under way.")
        self.buffer_bytes = gauge("relay_buffer_bytes", "Held in memory: fetched, queued or unacknowledged.")
        self.unacknowledged = gauge("relay_unacknowledged_records", "Records that the broker has not confirmed.")
        meaning = "Deliveries that wait in their subscriptions' lanes, to be sent or put off."
        self.waiting = gauge("relay_waiting_deliveries", meaning)
        self.lanes = gauge("relay_lanes", "Subscriptions that had work lately, by how they are.", "state")
        meaning = "Circuits that opened: of subscriptions most of whose latest attempts failed."
        self.circuits_opened = Tally(made, "relay_circuit_opened", meaning)
        self.delayed = gauge("relay_delayed_deliveries", "Retries held in memory until they are due.")
        self.subscriptions = gauge("relay_subscriptions", "Subscriptions in the index.")
        self.unreadable = gauge("relay_unreadable_subscriptions", "Of those, how many cannot be read.")
        by = ("topic", "partition")
        self.lag = gauge("relay_partition_lag_records", "Log end less what is settled.", *by)
        self.open = gauge("relay_open_records", "Records taken and not settled.", *by)
        meaning = "Since what is settled was last committed."
        self.commit_age = gauge("relay_commit_age_seconds", meaning, "group")


class ProcessMetrics:
    """What is counted of several workers under one command, besides what each of them counts itself."""

    def __init__(self) -> None:
        made = self.registry = CollectorRegistry()
        self.processes = Gauge("relay_processes", "Worker processes that run.", registry=made)
        meaning = "Worker processes started again after they had ended."
        self.restarts = Tally(made, "relay_process_restarts", meaning, "process")
        meaning = "Scrapes that a worker process did not answer within 2 s; its figures were left out."
        self.unanswered = Tally(made, "relay_process_scrapes_unanswered", meaning, "process")


class ConsoleMetrics:
    """What is counted of a console."""

    def __init__(self) -> None:
        made = self.registry = CollectorRegistry()
        meaning = "Requests to the console, by route as it is written and by status."
        self.requests = Tally(made, "relay_console_requests", meaning, "route", "status")
        self.streams = Gauge("relay_console_streams", "Live streams that are open.", registry=made)
        meaning = "How far the history is behind the log; NaN: nothing was read yet, or its database does not answer."
        self.behind = Gauge("relay_history_behind_seconds", meaning, registry=made)


def application(
    metrics: Metrics,
    *,
    refresh: Callable[[], None],
    ready: Callable[[], bool],
    lanes: Callable[[Mapping[str, str]], bytes | None],
) -> web.Application:
    """
    /metrics, /lanes, /livez (the event loop answers) and /readyz (subscriptions read, groups joined).

    Args:
        metrics: What to show.
        refresh: Sets the gauges, once a scrape.
        ready: Whether work can be taken.
        lanes: A page of them as JSON, by what the query asks for; None: there are none yet.
    """

    async def show(_: web.Request) -> web.Response:
        refresh()
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def show_lanes(request: web.Request) -> web.Response:
        page = lanes(request.query)
        if page is None:
            return web.Response(text="starting\n", status=503)
        return web.Response(body=page, content_type="application/json")

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if ready() else web.Response(text="starting\n", status=503)

    app = web.Application()
    app.add_routes([web.get("/metrics", show), web.get("/lanes", show_lanes)])
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz)])
    return app
