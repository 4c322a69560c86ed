"""Alarms: the soonest first, each once, whatever was set anew or taken back."""

import math

from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.alarms import Alarms

names = st.sampled_from("abcd")
steps = st.lists(st.tuples(st.sampled_from(["set", "discard", "time"]), names, st.integers(0, 20)), max_size=100)


@given(steps)
def test_they_go_off_at_their_times(script: list[tuple[str, str, int]]) -> None:
    """As a table that is looked through each time would say."""
    alarms: Alarms[str] = Alarms()
    table: dict[str, int] = {}
    for step, name, number in script:
        if step == "set":
            alarms.set(name, name.upper(), number)
            table[name] = number
        elif step == "discard":
            alarms.discard(name)
            table.pop(name, None)
        else:
            due = sorted((at_s, one) for one, at_s in table.items() if at_s <= number)
            assert [one.upper() for _, one in due] == list(alarms.due(number))
            table = {one: at_s for one, at_s in table.items() if at_s > number}
        assert min(table.values(), default=math.inf) == alarms.next_s()
        assert len(table) == len(alarms)


def test_what_is_taken_back_leaves_nothing() -> None:
    alarms: Alarms[int] = Alarms()
    for n in range(1_000):
        alarms.set("one", n, n)
        alarms.discard("one")

    assert not alarms._heap
