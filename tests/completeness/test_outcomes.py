"""What a result tells, and which of several counts: the last turn of a delivery, whoever wrote it when."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.completeness import outcomes
from relay.completeness.outcomes import SOME, Outcome, Outcomes, State, Unreadable, buried, read
from tests.test_schemas import example

NOON_MS = 1_900_000_000_000
DELIVERED, PENDING, GAVE_UP, DROPPED = (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)
LETTER = {
    "relay-reason": b"internal_error", "relay-source": b"a/b/3/77", "relay-delivery-id": b"dlv_00",
    "relay-attempt": b"2", "relay-deferrals": b"1", "relay-trigger": b"event",
}  # fmt: skip


def an_outcome(state: State = State.DELIVERED, turn: int = 1, ident: int = 1, **fields: Any) -> Outcome:  # noqa: ANN401  a field's
    known: dict[str, Any] = {
        "topic": "leads.events", "partition": 0, "offset": 5, "delivery_id": f"dlv_{ident:016x}{0:016x}",
        "state": state, "turn": turn, "began_ms": NOON_MS + 1_000 * turn, "event": True, "run": False,
    }  # fmt: skip
    return Outcome(**known | fields)


def counted(*those: Outcome) -> list[tuple[int, tuple[int, int, int, int], int]]:
    all_of_them = Outcomes()
    for one in those:
        all_of_them.add(one)
    return list(all_of_them.counted(0))


# what a record tells


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("delivered", State.DELIVERED),
        ("retry", State.PENDING),
        ("deferred", State.PENDING),
        ("gave_up", State.GAVE_UP),
        ("dropped", State.DROPPED),
    ],
)
def test_a_result(name: str, state: State) -> None:
    """Each verdict is a state of its delivery."""
    result = example(f"result.{name}")

    one = read(orjson.dumps(result))

    assert isinstance(one, Outcome)
    assert (result["event_topic"], result["event_partition"], result["event_offset"]) == one[:3]
    assert (result["delivery_id"], state, result["attempt"] + result["deferrals"]) == one[3:6]
    assert (result["trigger"] == "event", result["run_id"] is not None) == (one.event, one.run)


def test_a_verdict_of_a_newer_relay_is_an_outcome_too() -> None:
    """Not known to be the last."""
    one = read(orjson.dumps(example("result.delivered") | {"verdict": "postponed"}))

    assert isinstance(one, Outcome)
    assert State.PENDING is one.state


@pytest.mark.parametrize(
    "changed",
    [
        {"event_topic": None, "event_partition": None, "event_offset": None, "trigger": "test"},
        {"verdict": "dropped", "reason": "superseded"},
    ],
    ids=["a test send", "a second copy"],
)
def test_what_is_not_counted(changed: dict[str, Any]) -> None:
    """It has no event; or its delivery goes on with the first copy."""
    assert read(orjson.dumps(example("result.dropped") | changed)) is None


@pytest.mark.parametrize(
    "value",
    [
        None, b"", b"{", b"[]", b"5", b"{}",
        *(
            orjson.dumps(example("result.delivered") | changed)
            for changed in list[dict[str, Any]]([
                {"event_topic": 5}, {"event_partition": "0"}, {"event_partition": -1}, {"event_offset": -1},
                {"event_offset": 2**63}, {"event_offset": 1.5}, {"delivery_id": None}, {"delivery_id": "x" * 257},
                {"attempt": "1"}, {"attempt": None}, {"started_at": 5}, {"started_at": "noon"},
            ])
        ),
    ],
)  # fmt: skip
def test_what_is_none_of_relays(value: bytes | None) -> None:
    """It is counted as such."""
    assert isinstance(read(value), Unreadable)


@given(
    st.dictionaries(st.sampled_from(list(example("result.retry"))), st.none() | st.integers() | st.text(max_size=40))
)
def test_any_field_may_hold_anything(changed: dict[str, Any]) -> None:
    """Never raises, and whatever is told can be kept."""
    try:
        value = orjson.dumps(example("result.retry") | changed)
    except TypeError:  # an integer that JSON of relay's has not
        return
    one = read(value)
    if isinstance(one, Outcome):
        Outcomes().add(one)


def test_a_dead_letter_of_a_fault_of_relays_own() -> None:
    """It is the only outcome of its delivery, whose topic's name may hold slashes."""
    expected = an_outcome(State.GAVE_UP, 3, topic="a/b", partition=3, offset=77, delivery_id="dlv_00", began_ms=NOON_MS)

    assert expected == buried(LETTER, NOON_MS)
    assert buried(LETTER | {"relay-reason": b"exhausted"}, NOON_MS) is None
    assert buried({}, NOON_MS) is None


@pytest.mark.parametrize(
    "changed",
    [{"relay-source": b"a/b"}, {"relay-source": b"a/-1/2"}, {"relay-delivery-id": b"\xff"}, {"relay-attempt": b"x"}],
)
def test_a_dead_letter_with_headers_that_say_nothing(changed: dict[str, bytes]) -> None:
    assert isinstance(buried(LETTER | changed, NOON_MS), Unreadable)


# which counts


@given(st.permutations(range(1, 6)), st.lists(st.integers(1, 5), max_size=3))
def test_the_last_turn_counts(turns: list[int], again: list[int]) -> None:
    """Whatever order they are read in, and however often a crash made one again."""
    last = max(turns)
    those = [an_outcome(State.GAVE_UP if turn == last else State.PENDING, turn) for turn in [*turns, *again]]

    assert [(5, GAVE_UP, 0)] == counted(*those)


def test_a_ghost_that_tells_late_of_a_turn_that_was_delivered() -> None:
    """A worker that was frozen wrote last, and what it says is not what became of it."""
    delivered, ghost = an_outcome(), an_outcome(State.PENDING, began_ms=NOON_MS + 60_000)

    assert [(5, DELIVERED, 0)] == counted(delivered, ghost) == counted(ghost, delivered)


def test_a_redelivery_counts_once_and_its_verdict_is_the_newest() -> None:
    """Its turns begin anew: what began last counts."""
    first = an_outcome(State.GAVE_UP, 9)
    again = an_outcome(State.DELIVERED, 1, event=False, run=True, began_ms=NOON_MS + 3_600_000)

    assert [(5, DELIVERED, 0)] == counted(first, again) == counted(again, first)


def test_what_only_a_replay_has_made_is_no_outcome_of_a_match() -> None:
    """Nobody told a match of it: the subscription may be new."""
    replayed = an_outcome(ident=2, event=False, run=True)

    assert [(5, (1, 0, 0, 0), 1)] == counted(an_outcome(), replayed)


def test_each_event_has_its_own() -> None:
    """Also where ids begin alike, which are of relay's own making or are none."""
    those = [an_outcome(offset=offset, delivery_id="dlv_-5") for offset in (1, 2)]
    those += [an_outcome(State.DROPPED, offset=2, delivery_id="strange")]

    assert [(1, DELIVERED, 0), (2, (1, 0, 0, 1), 0)] == counted(*those)


def test_a_delivery_that_is_tried_for_ever_takes_no_memory() -> None:
    """What is kept of many attempts is made one before it is much."""
    some = Outcomes()
    for turn in range(1, 5 * SOME):
        some.add(an_outcome(State.PENDING, turn))

    assert all(len(bucket) <= 2 * SOME for bucket in some._buckets.values())
    assert [(5, PENDING, 0)] == list(some.counted(0))


def test_turns_and_times_beyond_what_is_kept_of_them() -> None:
    """They are the last there are."""
    some = [an_outcome(State.PENDING, 2**40), an_outcome(State.DROPPED, -5, ident=2, began_ms=-(2**70))]

    assert [(5, (0, 1, 0, 1), 0)] == counted(*some, an_outcome(State.PENDING, 1, began_ms=2**70))


def test_the_states_are_in_the_order_of_what_counts() -> None:
    assert sorted(outcomes.State) == [State.PENDING, State.DROPPED, State.GAVE_UP, State.DELIVERED]
