"""Sample events are events: relay itself reads them, they can be made again, and they weigh what real ones do."""

from random import Random
from typing import Any

import orjson
import pytest
from aiokafka import ConsumerRecord

from relay.model import EVENT_TYPES, Event
from relay.pipeline.decode import read_event
from relay.samples import ACCOUNT, BOT, sample_event

NOW_MS = 1_793_534_400_123  # 2026-11-01T12:00:00.123Z


def read(sample: dict[str, Any]) -> Event:
    """What a worker makes of it."""
    value = orjson.dumps(sample)
    record = ConsumerRecord("leads.events", 0, 0, NOW_MS, 0, b"a-lead", value, None, 6, len(value), ())
    event = read_event(record, max_bytes=1 << 20)
    assert isinstance(event, Event)
    return event


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_sample_is_read_as_the_event_that_was_asked_for(event_type: str) -> None:
    """Type, account, lead, bot, version and time are where the worker looks for them."""
    sample = sample_event(event_type, now_ms=NOW_MS, random=Random(1), lead_id="a-lead", version=7)

    event = read(sample)

    assert (event_type, ACCOUNT, "a-lead", BOT, 7) == (
        event.type, event.account_id, event.lead_id, event.bot_id, event.resource_version,
    )  # fmt: skip
    assert "2026-11-01T12:00:00.123Z" == event.time


def test_a_sample_is_of_the_account_that_was_named() -> None:
    """So that it matches a subscription of that account and no other's."""
    sample = sample_event("lead.created", now_ms=NOW_MS, random=Random(1), account_id="acct-1")

    event = read(sample)

    assert "acct-1" == event.account_id


def test_the_same_seed_makes_the_same_events() -> None:
    """A run that went wrong can be had again, byte for byte."""
    once, again, other = (
        [orjson.dumps(sample_event("lead.updated", now_ms=NOW_MS, random=dice)) for _ in range(20)]
        for dice in (Random(7), Random(7), Random(8))
    )

    assert once == again
    assert not set(once) & set(other)


def test_every_sample_is_of_a_lead_of_its_own_unless_told_which() -> None:
    """A bench that sends a thousand has a thousand keys, spread over all partitions."""
    dice = Random(1)

    leads = {sample_event("lead.updated", now_ms=NOW_MS, random=dice)["resource_id"] for _ in range(1_000)}

    assert 1_000 == len(leads)


def test_a_sample_weighs_about_what_a_real_event_does() -> None:
    """Some 1.1 kB: benches and buffers are sized by it."""
    dice = Random(1)

    sizes = [
        len(orjson.dumps(sample_event(event_type, now_ms=NOW_MS, random=dice)))
        for event_type in EVENT_TYPES
        for _ in range(300)
    ]

    assert 900 <= min(sizes)
    assert max(sizes) <= 1_400
