"""Who is disabled, who is left as it is, and what happens while the broker is in trouble."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from relay.clock import ManualClock
from relay.errors import Unreachable
from relay.model import State, Subscription, SubscriptionId
from relay.pipeline.disable import BY, MOST_WAITING, PAUSES_S, Disable, Wish, disabling
from relay.pipeline.health import Gone
from relay.store.edits import Changes, Edit, Stored, Unreadable
from tests.builders import NOON_MS, a_subscription

SINCE_MS = NOON_MS - 60_000
Edits = Callable[[Edit], Awaitable[Changes]]


def a_wish(ident: str = "sub_1", **fields: Any) -> Wish:  # noqa: ANN401  a Subscription's own
    return Wish(a_subscription(id=SubscriptionId(ident), **fields), Gone(SINCE_MS), 410)


def edited(wishes: Sequence[Wish], *there: Stored, refused: dict[SubscriptionId, str] | None = None) -> Changes:
    """What is written where this is all that there is."""
    existing = {one.id if isinstance(one, Subscription) else SubscriptionId("sub_1"): one for one in there}
    return disabling(wishes, {} if refused is None else refused, now_ms=NOON_MS)(existing)


# the edit


def test_a_subscription_that_is_still_what_was_called_is_disabled() -> None:
    """Who did it, when and why stand in it; all else is as it was."""
    wish = a_wish()

    (written,) = edited([wish], wish.called).values()

    reason = "its endpoint has answered 410 (gone) again and again since 2019-06-07T11:59:00.000Z"
    expected = {"state": State.DISABLED, "state_reason": reason, "updated_by": "relay worker", "version": 2}
    expected |= dict.fromkeys(("updated_at", "state_at"), "2019-06-07T12:00:00.000Z")
    assert replace(wish.called, **expected) == written  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("there", "why"),
    [
        (a_subscription(version=2), "at version 2 by now, not 1"),
        (a_subscription(version=2, state=State.PAUSED), "at version 2 by now, not 1"),
        (a_subscription(created_at="2019-06-07T11:59:30.000Z"), "was made anew"),
        (Unreadable("not a JSON object", a_subscription()), "cannot be read"),
        (a_subscription(id=SubscriptionId("sub_2")), "there is no subscription sub_1"),
    ],
    ids=["changed", "paused", "made anew at the same version", "unreadable", "deleted"],
)
def test_one_that_is_no_longer_what_was_called_stays_as_it_is(there: Stored, why: str) -> None:
    """And why is told."""
    refused: dict[SubscriptionId, str] = {}

    assert {} == edited([a_wish()], there, refused=refused)
    assert why in refused[SubscriptionId("sub_1")]


def test_what_a_try_wrote_whose_answer_was_lost_is_done_and_not_refused() -> None:
    """It is exactly what would be written; it is written once."""
    wish = a_wish()
    (written,) = edited([wish], wish.called).values()
    assert written is not None
    refused: dict[SubscriptionId, str] = {}

    assert {} == edited([wish], written, refused=refused)
    assert {} == refused


def test_what_another_worker_did_is_left_to_it_to_tell() -> None:
    """It did it for 410s of its own, at a time of its own."""
    wish = a_wish()
    (theirs,) = disabling([wish], {}, now_ms=NOON_MS + 1)({wish.called.id: wish.called}).values()
    assert theirs is not None
    refused: dict[SubscriptionId, str] = {}

    assert {} == edited([wish], theirs, refused=refused)
    assert {wish.called.id} == set(refused)


@given(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["same", "changed", "gone", "unreadable"])))
def test_each_is_decided_by_itself(fates: dict[str, str]) -> None:
    """What is refused for one keeps no other from being disabled; and asked twice, the edit answers the same."""
    wishes = [a_wish(ident) for ident in fates]
    existing: dict[SubscriptionId, Stored] = {}
    for wish in wishes:
        forms: dict[str, Stored] = {
            "same": wish.called,
            "changed": replace(wish.called, version=7),
            "unreadable": Unreadable("{", None),
        }
        if (form := forms.get(fates[wish.called.id])) is not None:
            existing[wish.called.id] = form
    refused: dict[SubscriptionId, str] = {}
    edit = disabling(wishes, refused, now_ms=NOON_MS)

    for _ in range(2):
        changes = edit(existing)

        assert {ident for ident, fate in fates.items() if fate == "same"} == set(changes)
        assert {ident for ident, fate in fates.items() if fate != "same"} == set(refused)
        assert all(one is not None and one.state is State.DISABLED for one in changes.values())


# the task


@dataclass
class Topic:
    """Of subscriptions, in memory; troubles come before anything is written, one a try."""

    there: dict[SubscriptionId, Stored] = field(default_factory=dict)
    troubles: list[Exception] = field(default_factory=list)
    edits: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def edit(self, edit: Edit) -> Changes:
        self.edits += 1
        await self.open.wait()
        if self.troubles:
            raise self.troubles.pop(0)
        changes = edit(self.there)
        self.there |= {key: one for key, one in changes.items() if one is not None}
        return changes


@dataclass
class Desk:
    """One worker's, running."""

    topic: Topic
    disable: Disable
    clock: ManualClock
    done: list[SubscriptionId] = field(default_factory=list)

    async def turns(self) -> None:
        """Whoever can go on has done so."""
        for _ in range(40):
            await asyncio.sleep(0)


@asynccontextmanager
async def a_desk(*wishes: Wish, troubles: Sequence[Exception] = (), is_open: bool = True) -> AsyncIterator[Desk]:
    """These subscriptions exist as they were called."""
    topic = Topic({one.called.id: one.called for one in wishes}, list(troubles))
    if is_open:
        topic.open.set()
    clock = ManualClock(NOON_MS)
    desk = Desk(topic, Disable(topic.edit, clock=clock), clock)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(desk.disable.run(lambda wish: desk.done.append(wish.called.id)))
        yield desk
        task.cancel()


async def test_what_is_asked_for_is_done_and_told_once_it_is() -> None:
    """Not before it is written."""
    wish = a_wish()
    async with a_desk(wish, is_open=False) as desk:
        desk.disable.ask(wish)
        await desk.turns()
        assert ([], 1) == (desk.done, desk.topic.edits)

        desk.topic.open.set()
        await desk.turns()

        assert ["sub_1"] == desk.done
        one = desk.topic.there[wish.called.id]
        assert isinstance(one, Subscription)
        assert (State.DISABLED, BY) == (one.state, one.updated_by)


async def test_whatever_gathers_during_an_edit_goes_into_the_next() -> None:
    """An edit reads every subscription: a host with a thousand of them costs two, not a thousand."""
    wishes = [a_wish(f"sub_{number}") for number in range(1000)]
    async with a_desk(*wishes, is_open=False) as desk:
        desk.disable.ask(wishes[0])
        await desk.turns()
        for wish in wishes[1:]:
            desk.disable.ask(wish)
        desk.topic.open.set()
        await desk.turns()

        assert 2 == desk.topic.edits
        assert [wish.called.id for wish in wishes] == desk.done


async def test_no_more_wait_than_the_bound() -> None:
    """Those beyond it are asked for again by their next 410."""
    wishes = [a_wish(f"sub_{number}") for number in range(MOST_WAITING + 5)]
    async with a_desk(*wishes) as desk:
        for wish in wishes:
            desk.disable.ask(wish)
        await desk.turns()

        assert MOST_WAITING == len(desk.done)

        desk.disable.ask(wishes[-1])
        await desk.turns()

        assert wishes[-1].called.id == desk.done[-1]


async def test_trouble_is_told_and_it_is_tried_again() -> None:
    """The broker's, and whatever a client of it dies of."""
    wish = a_wish()
    with structlog.testing.capture_logs() as lines:
        async with a_desk(wish, troubles=[Unreachable("gone"), KeyError("aiokafka's own")]) as desk:
            desk.disable.ask(wish)
            for pause_s in PAUSES_S[:2]:
                await desk.turns()
                assert [] == desk.done
                await desk.clock.advance(pause_s)
            await desk.turns()

            assert ["sub_1"] == desk.done
    assert ["disabling.troubled"] * 2 == [line["event"] for line in lines]
    assert list(PAUSES_S[:2]) == [line["retry_in_s"] for line in lines]


async def test_trouble_that_lasts_is_left_to_the_next_410() -> None:
    """Nothing is done, and nothing else is held up: the next one asks again."""
    wish = a_wish()
    async with a_desk(wish, troubles=[Unreachable("gone")] * (len(PAUSES_S) + 1)) as desk:
        desk.disable.ask(wish)
        for pause_s in PAUSES_S:
            await desk.turns()
            await desk.clock.advance(pause_s)
        await desk.turns()
        assert ([], len(PAUSES_S) + 1) == (desk.done, desk.topic.edits)

        desk.disable.ask(wish)
        await desk.turns()

        assert ["sub_1"] == desk.done


async def test_an_edit_that_hangs_is_given_up() -> None:
    """A broker that falls silent answers nothing, and aiokafka would wait."""
    wish = a_wish()
    with structlog.testing.capture_logs() as lines:
        async with a_desk(wish, is_open=False) as desk:
            desk.disable.ask(wish)
            await desk.turns()
            await desk.clock.advance(120)
            await desk.turns()
            desk.topic.open.set()
            await desk.clock.advance(PAUSES_S[0])
            await desk.turns()

            assert (["sub_1"], 2) == (desk.done, desk.topic.edits)
    assert ["disabling.troubled"] == [line["event"] for line in lines]


async def test_one_that_is_left_as_it_is_is_said_in_the_log() -> None:
    """It is no trouble: somebody was faster."""
    wish = a_wish()
    with structlog.testing.capture_logs() as lines:
        async with a_desk(a_wish(version=2)) as desk:
            desk.disable.ask(wish)
            await desk.turns()

            assert ([], 1) == (desk.done, desk.topic.edits)
    assert [("subscription.kept", "info")] == [(line["event"], line["log_level"]) for line in lines]
