"""Several pages of figures as one."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from relay.metrics import Metrics
from relay.processes.exposition import merged

Sample = tuple[str, frozenset[tuple[str, str]], float]
texts = st.text(max_size=8)  # of a label: quotes, backslashes and every kind of line break among them
counts = st.dictionaries(st.tuples(texts, texts), st.integers(0, 10**6), max_size=4)


def a_page(deliveries: dict[tuple[str, str], int], in_flight: int = 0) -> str:
    """What a worker shows."""
    metrics = Metrics()
    for (verdict, reason), count in deliveries.items():
        metrics.deliveries.add(verdict, reason, by=count)
    metrics.attempt_seconds.observe(0.004)
    metrics.in_flight.set(in_flight)
    return generate_latest(metrics.registry).decode()


def samples(page: str, **more: str) -> Counter[Sample]:
    """Each sample of a page, with more labels."""
    return Counter(
        (one.name, frozenset({**one.labels, **more}.items()), one.value)
        for family in text_string_to_metric_families(page)
        for one in family.samples
    )


@given(pages=st.dictionaries(st.integers(1, 64), counts, max_size=4))
def test_every_sample_is_there_under_its_process_and_no_other(pages: dict[int, dict[tuple[str, str], int]]) -> None:
    """As Prometheus' own parser reads it, whatever the labels hold."""
    written = {number: a_page(deliveries, number) for number, deliveries in pages.items()}
    expected: Counter[Sample] = Counter()
    for number, page in written.items():
        expected += samples(page, process=str(number))

    assert expected == samples(merged(written))


def test_each_family_stands_once_with_its_help_and_type() -> None:
    """A second HELP, or samples of one family in two places, are no valid page."""
    pages = {number: a_page({("delivered", "ok"): number}) for number in (1, 2, 3)}

    lines = merged(pages).split("\n")

    comments = [line for line in lines if line.startswith("#")]
    assert [line for line in pages[1].split("\n") if line.startswith("#")] == comments
    at = lines.index("# TYPE relay_deliveries_total counter")
    assert [
        f'relay_deliveries_total{{process="{number}",reason="ok",verdict="delivered"}} {number}.0'
        for number in (1, 2, 3)
    ] == lines[at + 1 : at + 4]


def test_a_family_that_one_process_alone_has_is_shown() -> None:
    """Another may run another version for a moment."""
    alone = "# HELP relay_new Of later.\n# TYPE relay_new gauge\nrelay_new 1.0\n"

    page = merged({1: a_page({}), 2: a_page({}) + alone})

    assert page.endswith('# HELP relay_new Of later.\n# TYPE relay_new gauge\nrelay_new{process="2"} 1.0\n')


def test_of_nobody_there_is_nothing() -> None:
    """All processes may be starting."""
    assert merged({}) == ""


def test_no_figure_of_a_worker_has_the_label_already() -> None:
    """Two labels of one name are no valid page."""
    assert "process=" not in a_page({("delivered", "ok"): 1})
