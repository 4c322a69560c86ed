"""The worker's places: never more than there are, and always one for whoever has none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.places import Places, share


def test_the_last_ones_are_kept_for_receivers_that_answer_and_for_first_requests() -> None:
    """One that hangs cannot take them all."""
    places = Places(16)
    while places.free("hangs", first=False, well=False):
        places.take("hangs")
    assert 14 == places.in_flight

    assert places.free("other", first=True, well=False)
    places.accounts = 2
    assert places.free("other", first=False, well=True)
    assert not places.free("hangs", first=False, well=True)


@pytest.mark.parametrize(
    ("held", "part"), [([(4, 4), (44, 44)], 1.0), ([(1, 4), (11, 44)], 0.25), ([(0, 4), (0, 44)], 0.0), ([(0, 0)], 0.0)]
)
def test_a_workers_part_of_a_limit_is_its_part_of_the_partitions(held: list[tuple[int, int]], part: float) -> None:
    """Of events and deliveries together."""
    assert part == share(held)


@given(st.integers(1, 40), st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=200))
def test_there_are_never_more_under_way_than_places(total: int, steps: list[tuple[str, bool, bool]]) -> None:
    """Whoever asks; and what was left is free again."""
    places, taken = Places(total), list[str]()
    for account, leave, well in steps:
        if leave and taken:
            places.leave(taken.pop())
        elif places.free(account, first=places.of(account) == 0, well=well):
            places.take(account)
            taken.append(account)
        assert len(taken) == places.in_flight <= total
        assert all(taken.count(one) == places.of(one) for one in "abc")
