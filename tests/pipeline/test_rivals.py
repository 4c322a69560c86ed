"""When a worker concludes that another one has its place in the group."""

import pytest

from relay.errors import InstanceTaken
from relay.pipeline.client import SESSION_MS
from relay.pipeline.rivals import SESSION_S, TIMES, WITHIN_S, Rivals


def thrown_out(instance_id: str | None, *, every_s: float, held_s: float = 1.0, times: int = TIMES) -> Rivals:
    """It has joined so long before each time."""
    rivals = Rivals(instance_id)
    for n in range(times):
        rivals.check()
        rivals.joined(n * every_s - held_s)
        rivals.thrown_out(n * every_s)
    return rivals


def test_one_that_is_thrown_out_again_and_again_has_a_rival() -> None:
    """And is told which setting to mend."""
    with pytest.raises(InstanceTaken, match="RELAY_INSTANCE_ID=relay-0 is another"):
        thrown_out("relay-0", every_s=2).check()


def test_so_has_one_on_a_machine_that_is_slow() -> None:
    """As slow as heartbeats allow."""
    with pytest.raises(InstanceTaken):
        thrown_out("relay-0", every_s=40, held_s=SESSION_S - 0.1).check()


def test_one_that_is_thrown_out_now_and_then_has_none() -> None:
    thrown_out("relay-0", every_s=2, times=TIMES - 1).check()
    thrown_out("relay-0", every_s=WITHIN_S / (TIMES - 1), times=9).check()


def test_one_that_was_silent_for_a_session_has_none_however_often() -> None:
    """Whoever freezes for so long is forgotten by the broker, and nobody else is the cause."""
    thrown_out("relay-0", every_s=SESSION_S, held_s=SESSION_S, times=9).check()


def test_a_session_is_as_long_as_the_client_says() -> None:
    assert SESSION_MS == SESSION_S * 1000


def test_one_that_is_fenced_has_a_rival() -> None:
    """Once is enough: no broker says that of a member that is alone."""
    rivals = Rivals("relay-0")
    rivals.check()

    rivals.fenced()

    with pytest.raises(InstanceTaken):
        rivals.check()


def test_one_without_a_place_of_its_own_has_none() -> None:
    rivals = thrown_out(None, every_s=0)
    rivals.fenced()
    rivals.check()
