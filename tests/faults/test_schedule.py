"""The schedule of faults: replayable, complete, and calm at the end."""

from itertools import pairwise

import pytest

from tests.faults.schedule import GATE, SOAK, THREE_NODES, Kind, schedule


def test_the_same_seed_is_the_same_schedule_and_another_is_another() -> None:
    assert schedule(7, seconds=600, nodes=3, pace=SOAK) == schedule(7, seconds=600, nodes=3, pace=SOAK)
    assert schedule(7, seconds=600, nodes=3, pace=SOAK) != schedule(8, seconds=600, nodes=3, pace=SOAK)


@pytest.mark.parametrize("seed", range(20))
def test_half_an_hour_holds_a_hundred_faults_of_every_kind_and_ends_calmly(seed: int) -> None:
    faults = schedule(seed, seconds=1800, nodes=3, pace=SOAK)

    assert len(faults) >= 100
    assert set(Kind) == {fault.kind for fault in faults}
    assert faults[-1].at_s + faults[-1].lasts_s <= 1800 - SOAK.calm_s
    assert all(one.at_s + one.lasts_s < following.at_s for one, following in pairwise(faults))


@pytest.mark.parametrize("seed", range(20))
def test_one_node_gets_no_fault_that_needs_three(seed: int) -> None:
    assert not {fault.kind for fault in schedule(seed, seconds=600, nodes=1, pace=GATE)} & set(THREE_NODES)


@pytest.mark.parametrize("seed", range(20))
def test_there_is_always_a_worker_and_never_a_crowd(seed: int) -> None:
    workers = 2
    for fault in schedule(seed, seconds=3600, nodes=1, pace=SOAK):
        workers += (fault.kind is Kind.JOIN) - (fault.kind is Kind.LEAVE)
        assert 1 <= workers <= 4


def test_partitions_are_added_three_times_at_most() -> None:
    faults = schedule(1, seconds=36_000, nodes=1, pace=SOAK)

    assert 3 == sum(fault.kind is Kind.GROW for fault in faults)
