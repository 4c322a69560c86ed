"""
Figures, their names and units in one place (Prometheus naming: base units, `_total`, `_seconds`, `_bytes`).

No URL, id or free text is a label: a million subscriptions must not mean a million series.
"""

from collections.abc import Callable
from functools import cache

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

ATTEMPT_BUCKETS_S = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    15,
    30,
)  # up to RELAY_TIMEOUT_S and beyond
QUEUE_BUCKETS_S = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    5,
    30,
    120,
)  # a backlog waits for minutes


class Metrics:
    """Everything that one worker counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        made = self.registry
        self._deliveries = Counter(
            "relay_deliveries",
            "Attempts, deferrals and drops, by verdict and reason.",
            ["verdict", "reason"],
            registry=made,
        )
        self.attempt_seconds = Histogram(
            "relay_attempt_seconds", "Request sent to reply complete.", buckets=ATTEMPT_BUCKETS_S, registry=made
        )
        self.queue_seconds = Histogram(
            "relay_queue_seconds", "Record read to request sent.", buckets=QUEUE_BUCKETS_S, registry=made
        )
        self._events = Counter(
            "relay_events", "Records of the events topics, by what they were.", ["outcome"], registry=made
        )
        self.matches = Counter("relay_matches", "Deliveries made of events: matching subscriptions.", registry=made)
        self.dead_letters = Counter("relay_dead_letters", "Dead letters, by why.", ["reason"], registry=made)
        self.lost = Counter(
            "relay_lost_offsets", "Offsets that retention removed before they were read.", registry=made
        )
        self.faults = Counter(
            "relay_internal_faults", "Deliveries that failed for a fault of relay's own.", registry=made
        )
        self.in_flight = Gauge("relay_in_flight", "Requests under way.", registry=made)
        self.buffer_bytes = Gauge(
            "relay_buffer_bytes", "Held in memory: fetched, queued or unacknowledged.", registry=made
        )
        self.unacknowledged = Gauge(
            "relay_unacknowledged_records", "Records that the broker has not confirmed.", registry=made
        )
        self.waiting = Gauge(
            "relay_waiting_deliveries", "First attempts that wait behind one of the same lead.", registry=made
        )
        self.delayed = Gauge("relay_delayed_deliveries", "Retries held in memory until they are due.", registry=made)
        self.subscriptions = Gauge("relay_subscriptions", "Subscriptions in the index.", registry=made)
        self.unreadable = Gauge("relay_unreadable_subscriptions", "Of those, how many cannot be read.", registry=made)
        self.lag = Gauge(
            "relay_partition_lag_records", "Log end less what is settled.", ["topic", "partition"], registry=made
        )
        self.open = Gauge("relay_open_records", "Records taken and not settled.", ["topic", "partition"], registry=made)
        self.commit_age = Gauge(
            "relay_commit_age_seconds", "Since what is settled was last committed.", ["group"], registry=made
        )
        # a label look-up costs more than the count itself
        self.delivery = cache(lambda verdict, reason: self._deliveries.labels(verdict=verdict, reason=reason))
        self.event = cache(lambda outcome: self._events.labels(outcome=outcome))


def application(metrics: Metrics, *, refresh: Callable[[], None], ready: Callable[[], bool]) -> web.Application:
    """
    /metrics, /livez (the event loop answers) and /readyz (subscriptions read, groups joined).

    Args:
        metrics: What to show.
        refresh: Sets the gauges, once a scrape.
        ready: Whether work can be taken.
    """

    async def show(_: web.Request) -> web.Response:
        refresh()
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if ready() else web.Response(text="starting\n", status=503)

    app = web.Application()
    app.add_routes([web.get("/metrics", show), web.get("/livez", livez), web.get("/readyz", readyz)])
    return app
