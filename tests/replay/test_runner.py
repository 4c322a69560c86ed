"""Which runs a process takes on."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from relay.clock import ManualClock
from relay.config import Config
from relay.model import State
from relay.replay.board import Board
from relay.replay.runner import LEASE_S, MOST_OF_ONE, Runner
from relay.replay.values import Run, RunState, forecast
from relay.store.edits import Stored, Unreadable
from tests.builders import a_subscription
from tests.replay.made import a_run

HISTORY: Any = object()  # which nobody asks anything here
CONFIG = Config.read({"RELAY_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})


def runner(clock: ManualClock, *, to: Stored | None = None, history: bool = True) -> Runner:
    board = Board(CONFIG, transactions=True)
    board._subscriptions[a_subscription().id] = to or a_subscription()
    return Runner(
        config=CONFIG,
        board=board,
        transactions=True,
        history=HISTORY if history else None,
        clock=clock,
        worker="us",
    )


def is_free(one: Runner, run: Run) -> bool:
    return one._is_free(run)


@pytest.mark.parametrize(
    ("fields", "free"),
    [
        ({}, True),
        ({"worker": "us"}, True),
        ({"worker": "they"}, False),
        ({"state": RunState.DONE}, False),
        ({"state": RunState.CANCELLED}, False),
        ({"undelivered": True}, True),
        ({"incarnation": "another"}, True),  # it is over, and somebody has to say so
    ],
)
async def test_a_run_that_nobody_carries_on_is_anybodys(fields: dict[str, Any], free: bool) -> None:  # noqa: FBT001  a table
    """Or ours already; never one that is over."""
    assert free == is_free(runner(ManualClock()), a_run(**fields))


async def test_a_run_is_taken_from_one_that_is_silent() -> None:
    """By our own clock: what another's says in the record may be off. Whoever writes is heard."""
    clock = ManualClock()
    one, run = runner(clock), a_run(worker="they")

    assert not is_free(one, run)
    await clock.advance(LEASE_S - 1)
    assert not is_free(one, run)
    heard = replace(run, updated_at="2019-06-07T12:00:09.000Z")
    assert not is_free(one, heard)
    await clock.advance(LEASE_S - 1)
    assert not is_free(one, heard)
    await clock.advance(1)
    assert is_free(one, heard)


async def test_what_asks_for_the_history_is_left_to_who_has_one() -> None:
    """A command without it takes others."""
    one = runner(ManualClock(), history=False)

    assert not is_free(one, a_run(undelivered=True))
    assert is_free(one, a_run())


async def test_an_account_with_many_runs_leaves_places_for_others() -> None:
    """Its next one is carried on when one of those is over."""
    one = runner(ManualClock())
    carried: Any = {f"run_{number}": (SimpleNamespace(run=a_run()), None) for number in range(10, 10 + MOST_OF_ONE)}

    one._carried = carried

    assert not is_free(one, a_run())
    assert is_free(one, a_run(account_id="acc_2"))
    carried.popitem()
    assert is_free(one, a_run())


@pytest.mark.parametrize(
    "to", [a_subscription(state=State.PAUSED), a_subscription(state=State.DISABLED), Unreadable("of tomorrow", None)]
)
async def test_a_run_that_waits_for_its_subscription_is_left_alone_once_that_is_said(to: Stored) -> None:
    """And is taken on when that is active again, or can be read."""
    clock = ManualClock()
    waiting, resumed = runner(clock, to=to), runner(clock)

    assert is_free(waiting, a_run())
    assert not is_free(waiting, a_run(why="waits"))
    assert is_free(resumed, a_run(why="waits"))


@pytest.mark.parametrize(("state", "said"), [(State.PAUSED, "a replay waits"), (State.DISABLED, "resume it first")])
def test_who_sends_to_a_subscription_that_is_not_active_is_told_what_becomes_of_it(state: State, said: str) -> None:
    """Before, and in words."""
    assert said in (forecast(a_subscription(state=state)) or "")
    assert forecast(a_subscription()) is None
