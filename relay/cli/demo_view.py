"""How a demo looks: a table on a terminal, a line elsewhere, a summary at the end. Pure."""

from rich.table import Table

from relay.cli.demo_tally import Figures, Progress

VERDICTS = ("delivered", "retry", "gave_up", "deferred", "dropped")


def table(progress: Progress, figures: Figures) -> Table:
    """One row a subscription, their sums in the footer, rate and latency below."""
    verdicts = {verdict: sum(row.verdicts[verdict] for row in progress.tally.rows) for verdict in VERDICTS}
    shown = Table(title="relay demo", caption=caption(progress, figures), show_footer=True)
    shown.add_column("subscription", "all")
    for verdict in VERDICTS:
        shown.add_column(verdict, str(verdicts[verdict]), justify="right", min_width=7)
    shown.add_column("waiting to retry", str(figures.waiting), justify="right")
    for row in progress.tally.rows:
        shown.add_row(row.name, *(str(row.verdicts[verdict]) for verdict in VERDICTS), str(row.waiting))
    return shown


def caption(progress: Progress, figures: Figures) -> str:
    """What is not told by subscription."""
    return (
        f"{progress.produced} events, {figures.rate:.0f} results/s, {latency(figures)}, {progress.verified} verified\n"
        "Ctrl-C ends it"
    )


def line(progress: Progress, figures: Figures) -> str:
    """The same in one line, for logs."""
    return (
        f"{progress.produced} events: {figures.settled} of {progress.expected} deliveries settled, "
        f"{figures.retries} retries, {figures.waiting} waiting, {figures.rate:.0f} results/s, {latency(figures)}"
    )


def latency(figures: Figures) -> str:
    """From reading an event to its receiver's answer."""
    if figures.p50_ms is None or figures.p95_ms is None:
        return "latency unknown yet"
    return f"latency p50 {figures.p50_ms:.0f} ms, p95 {figures.p95_ms:.0f} ms"


def summary(progress: Progress, figures: Figures, *, took_s: float) -> str:
    """How it ended, whatever is wrong with it last."""
    requests = progress.verified + progress.unverified
    delivered = figures.settled - figures.gave_up - figures.dropped
    outcomes = f"{delivered} delivered, {figures.gave_up} given up, {figures.dropped} dropped"
    lines = (
        f"{progress.produced} events made {progress.expected} deliveries in {took_s:.1f} s: {outcomes}",
        f"{figures.attempts} attempts, {figures.retries} of them to be made again; {latency(figures)}",
        f"{progress.verified} of {requests} requests verified by their receivers",
        *(f"wrong: {fault}" for fault in progress.faults),
    )
    return "\n".join(lines)
