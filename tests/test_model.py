import dataclasses
import json
from pathlib import Path
from typing import Any, get_args

import pytest

from relay import model
from relay.model import (
    EVENT_TYPES,
    Deferred,
    Delivered,
    Dropped,
    EndedBy,
    GaveUp,
    Outgoing,
    Reason,
    Retry,
    Sealed,
    Secret,
    Source,
    Subscription,
    SubscriptionId,
    Trigger,
    Verdict,
)
from relay.pipeline.match import endpoint
from tests.builders import a_delivery, a_subscription, an_event

RESULT = json.loads((Path(__file__).parents[1] / "schemas/result.v1.json").read_text())["properties"]
VALUES = [one for one in vars(model).values() if dataclasses.is_dataclass(one) and isinstance(one, type)]


def test_every_verdict_has_a_name_and_a_reason() -> None:
    """The names are those that results have; a delivery that was taken needs no reason besides `ok`."""
    verdicts: list[Verdict] = [
        Delivered(),
        Retry(5, Reason.STATUS),
        GaveUp(EndedBy.EXHAUSTED, Reason.TIMEOUT),
        Deferred(5, Reason.LANE_FULL),
        Dropped(Reason.SUBSCRIPTION_DELETED),
    ]

    assert [*get_args(Verdict)] == [type(one) for one in verdicts]
    assert RESULT["verdict"]["enum"] == [one.name for one in verdicts]
    assert ["ok", "status", "timeout", "lane_full", "subscription_deleted"] == [one.reason for one in verdicts]


@pytest.mark.parametrize(
    ("words", "field", "nothing"),
    [(Reason, "reason", set()), (EndedBy, "ended_by", {None}), (Trigger, "trigger", set())],
)
def test_a_closed_list_is_that_of_the_wire(words: type[Any], field: str, nothing: set[None]) -> None:
    """No word more and none less: whoever reads results may rely on it."""
    assert set(RESULT[field]["enum"]) == {one.value for one in words} | nothing


def test_the_types_of_events_in_the_order_of_a_leads_life() -> None:
    """Subscriptions are stored with theirs in this order; results name them the same."""
    assert ("lead.created", "lead.updated", "lead.completed") == EVENT_TYPES
    assert RESULT["event_type"]["enum"] == [*EVENT_TYPES]


@pytest.mark.parametrize("kind", [one for one in VALUES if dataclasses.fields(one)])
def test_a_value_never_changes(kind: type[Any]) -> None:
    """It is shared by a whole fan-out, and by tasks that run at once; nor can anything be stuck on it."""
    one = object.__new__(kind)

    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(one, dataclasses.fields(kind)[0].name, "another")
    assert not hasattr(one, "__dict__")


def test_what_is_sealed_is_not_printed() -> None:
    """Which key opens it is; none of its bytes, nor inside of what holds it."""
    sealed = Sealed("2026", b"sealed-bytes")
    one = Subscription(
        id=SubscriptionId("one"), account_id="acc_1", name="CRM", url="https://crm.example/", events=EVENT_TYPES,
        secrets=(Secret(sealed=sealed),), headers={"authorization": sealed},
    )  # fmt: skip

    assert "Sealed(key_id='2026')" == repr(sealed)
    assert 2 == repr(one).count("Sealed(key_id='2026')")
    assert "sealed-bytes" not in repr(one)


def test_neither_a_urls_path_nor_a_body_is_printed() -> None:
    """Nor inside of what holds them: paths carry credentials, bodies are personal data."""
    to = a_subscription(url="https://crm.example/canary")
    event = an_event(body=b'{"lead": "canary"}')

    for value in (
        to,
        endpoint(to, signer=None, headers={"x": "canary"}),
        a_delivery(event=event),
        Outgoing(topic="relay.results", key=None, value=event.body),
    ):
        assert "canary" not in repr(value)


def test_where_an_event_stands_is_written_as_topic_partition_and_offset() -> None:
    """As Kafka's own tools are asked for it."""
    assert "leads.events/3/42" == str(Source("leads.events", 3, 42))
