"""The worker's places: never more than there are, and always one for whoever has none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.places import Places, Standing, share

WELL, UNKNOWN, TROUBLED = Standing.WELL, Standing.UNKNOWN, Standing.TROUBLED


def test_the_last_ones_are_kept_for_receivers_that_answer_and_for_first_requests() -> None:
    """One that hangs cannot take them all."""
    places = Places(16)
    while places.free("hangs", has=1, standing=WELL):
        places.take("hangs", WELL)
        places.accounts = places.lanes = 2
    assert 14 == places.in_flight

    assert places.free("other", has=0, standing=UNKNOWN)
    assert places.free("other", has=1, standing=WELL)
    assert not places.free("hangs", has=14, standing=WELL)


def test_one_that_hangs_leaves_some_to_the_others_of_its_account() -> None:
    """Which has far more than its part, and none of it is theirs."""
    places = Places(64)
    places.accounts = places.lanes = 2
    while places.free("same", has=places.in_flight, standing=WELL):
        places.take("same", WELL)
    assert 56 == places.in_flight

    assert places.free("same", has=3, standing=WELL)
    assert not places.free("same", has=4, standing=WELL)  # what is kept is for two


def test_many_that_hang_leave_some_to_those_that_answer() -> None:
    """However many they are: those of which nothing is known yet, and those in trouble."""
    places = Places(64)
    while places.free("new", has=0, standing=UNKNOWN):
        places.take("new", UNKNOWN)
    assert 60 == places.in_flight
    assert places.free("well", has=0, standing=WELL)

    for _ in range(60):
        places.leave("new", UNKNOWN)
    while places.free("ill", has=0, standing=TROUBLED):
        places.take("ill", TROUBLED)
    assert 32 == places.in_flight
    assert places.free("new", has=0, standing=UNKNOWN)


@pytest.mark.parametrize("total", [1, 2, 3, 8])
@pytest.mark.parametrize("standing", Standing)
def test_there_is_one_for_whoever_comes_first_to_a_worker_that_has_nothing_to_do(
    total: int, standing: Standing
) -> None:
    """However few it has, and whatever is known."""
    assert Places(total).free("one", has=0, standing=standing)


@pytest.mark.parametrize(
    ("held", "part"), [([(4, 4), (44, 44)], 1.0), ([(1, 4), (11, 44)], 0.25), ([(0, 4), (0, 44)], 0.0), ([(0, 0)], 0.0)]
)
def test_a_workers_part_of_a_limit_is_its_part_of_the_partitions(held: list[tuple[int, int]], part: float) -> None:
    """Of events and deliveries together."""
    assert part == share(held)


steps = st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.sampled_from(Standing)), max_size=200)


@given(st.integers(1, 40), steps)
def test_there_are_never_more_under_way_than_places(total: int, steps: list[tuple[str, bool, Standing]]) -> None:
    """Whoever asks; and what was left is free again."""
    places, taken = Places(total), list[tuple[str, Standing]]()
    for account, leave, standing in steps:
        if leave and taken:
            places.leave(*taken.pop())
        elif places.free(account, has=places.of(account), standing=standing):
            places.take(account, standing)
            taken.append((account, standing))
        assert len(taken) == places.in_flight <= total
        assert all(sum(whose == one for whose, _ in taken) == places.of(one) for one in "abc")


@given(st.integers(1, 600), st.lists(st.sampled_from(Standing), max_size=600))
def test_where_there_are_ample_there_is_one_for_whoever_comes(total: int, taken: list[Standing]) -> None:
    """So that nobody need be asked how their receiver stands."""
    places = Places(total)
    for standing in taken:
        if not places.ample:
            return
        assert all(places.free("other", has=number, standing=one) for one in Standing for number in (0, total))
        places.take("account", standing)
