"""How a demo looks."""

from io import StringIO

from rich.console import Console

from relay.cli.demo_tally import Progress, Tally
from relay.cli.demo_view import line, summary, table


def a_progress() -> Progress:
    """One delivery that went well, one that waits for its retry."""
    tally = Tally({"crm": "CRM", "helpdesk": "Helpdesk"})
    common = {"attempt": 1, "queued_ms": 2, "elapsed_ms": 5}
    tally.add({"delivery_id": "a", "subscription_id": "crm", "verdict": "delivered", **common}, now_s=0.0)
    tally.add({"delivery_id": "b", "subscription_id": "helpdesk", "verdict": "retry", **common}, now_s=0.0)
    return Progress(tally=tally, wanted=1, produced=1, expected=2, verified=2)


def test_the_table_has_a_row_a_subscription_and_their_sums() -> None:
    """Who looks at it sees at once whose receiver is not well."""
    progress = a_progress()
    console = Console(width=100, file=StringIO(), record=True)

    console.print(table(progress, progress.tally.figures(1.0)))

    cells = [
        [cell.strip() for cell in row.split("│")[1:-1]] for row in console.export_text().splitlines() if "│" in row
    ]
    assert cells == [
        ["CRM", "1", "0", "0", "0", "0", "0"],
        ["Helpdesk", "0", "1", "0", "0", "0", "1"],
        ["all", "1", "1", "0", "0", "0", "1"],
    ]


def test_the_line_tells_how_much_is_settled_of_how_much() -> None:
    """A log of such lines shows progress or the lack of it."""
    progress = a_progress()

    assert line(progress, progress.tally.figures(1.0)) == (
        "1 events: 1 of 2 deliveries settled, 1 retries, 1 waiting, 0 results/s, latency p50 7 ms, p95 7 ms"
    )


def test_the_summary_ends_with_what_is_wrong() -> None:
    """The last line of a failed demo says why."""
    progress = a_progress()

    assert summary(progress, progress.tally.figures(1.0), took_s=2.5).splitlines() == [
        "1 events made 2 deliveries in 2.5 s: 1 delivered, 0 given up, 0 dropped",
        "2 attempts, 1 of them to be made again; latency p50 7 ms, p95 7 ms",
        "2 of 2 requests verified by their receivers",
        "wrong: 1 of 2 deliveries have no outcome",
    ]
