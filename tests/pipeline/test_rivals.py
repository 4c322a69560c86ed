"""When a worker concludes that another one has its place in the group."""

import pytest

from relay.errors import InstanceTaken
from relay.pipeline.rivals import FENCED, TIMES, WITHIN_S, Rivals


def thrown_out(instance_id: str | None, *, every_s: float, times: int = TIMES) -> Rivals:
    rivals = Rivals(instance_id)
    for n in range(times):
        rivals.check()
        rivals.thrown_out(n * every_s)
    return rivals


def test_one_that_is_thrown_out_again_and_again_has_a_rival() -> None:
    """And is told which setting to mend."""
    with pytest.raises(InstanceTaken, match="RELAY_INSTANCE_ID=relay-0 is another"):
        thrown_out("relay-0", every_s=2).check()


def test_one_that_was_frozen_now_and_then_has_none() -> None:
    thrown_out("relay-0", every_s=2, times=TIMES - 1).check()
    thrown_out("relay-0", every_s=WITHIN_S / (TIMES - 1), times=9).check()


def test_one_whom_the_group_will_not_have_again_and_again_has_a_rival() -> None:
    """As Kafka answers who joins as the member that it was; other errors say nothing."""
    fenced, troubled = Rivals("relay-0"), Rivals("relay-0")

    assert [False, False, True] == [fenced.fenced(FENCED, now_s) for now_s in (0.0, 1.0, 2.0)]
    assert [False] * 3 == [troubled.fenced("NodeNotReadyError()", now_s) for now_s in (0.0, 1.0, 2.0)]


def test_one_without_a_place_of_its_own_has_none() -> None:
    thrown_out(None, every_s=0).check()
