"""Figures: which there are, and what the listener answers."""

import re
from pathlib import Path

from aiohttp import ClientSession, web

from relay.metrics import ConsoleMetrics, Metrics, ProcessMetrics, application

ROOT = Path(__file__).parents[1]
PATHS = ("/metrics", "/lanes", "/livez", "/readyz")
FREE_TEXT = {"url", "subscription", "subscription_id", "lead", "lead_id", "account", "account_id", "delivery_id"}


def test_the_runbook_lists_every_figure_with_its_meaning() -> None:
    """Name, type and meaning are the code's; what to do is the runbook's own."""
    text = (ROOT / "deploy/RUNBOOK.md").read_text().partition("## Metrics")[2]
    families = {
        family.name + ("_total" if family.type == "counter" else ""): (family.type, family.documentation)
        for one in (Metrics(), ProcessMetrics(), ConsoleMetrics())
        for family in one.registry.collect()
    }

    rows = re.findall(r"^\| `([^`]+)` \| (\w+) \| \w+ \| (.+?) \| .*\|$", text, re.MULTILINE)

    assert families == {name: (kind, meaning) for name, kind, meaning in rows}


def test_no_id_and_no_url_is_a_label() -> None:
    """A million subscriptions must not mean a million series."""
    collectors = {
        made for one in (Metrics(), ProcessMetrics(), ConsoleMetrics()) for made in one.registry._collector_to_names
    }

    labels = {label for one in collectors for label in getattr(one, "_labelnames", ())}

    assert labels
    assert not labels & FREE_TEXT


async def test_the_listener_tells_figures_life_and_readiness() -> None:
    """/metrics refreshes its gauges first; /readyz is 503 until there is work that can be taken, /lanes without any."""
    metrics, ready = Metrics(), [False]
    app = application(
        metrics,
        refresh=lambda: metrics.in_flight.set(7),
        ready=lambda: ready[0],
        lanes=lambda query: f"[{query['state']!r}]".encode() if query else None,
    )
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    metrics.deliveries.add("delivered", "ok")
    metrics.attempt_seconds.observe(0.004)
    metrics.attempt_seconds.observe(31)

    async with ClientSession() as session:
        asked = {path: await session.get(base + path) for path in PATHS}
        shown = await asked["/metrics"].text()
        ready[0] = True
        now_ready = await session.get(base + "/readyz")
        lanes = await (await session.get(base + "/lanes?state=open")).text()
    await runner.cleanup()

    assert dict(zip(PATHS, (200, 503, 200, 503), strict=True)) == {path: one.status for path, one in asked.items()}
    assert now_ready.status == 200
    assert lanes == "['open']"
    assert "relay_in_flight 7.0" in shown
    assert 'relay_deliveries_total{reason="ok",verdict="delivered"} 1.0' in shown
    assert 'relay_attempt_seconds_bucket{le="0.005"} 1.0' in shown
    assert 'relay_attempt_seconds_bucket{le="30.0"} 1.0' in shown
    assert 'relay_attempt_seconds_bucket{le="+Inf"} 2.0' in shown
    assert "relay_matches_total 0.0" in shown
