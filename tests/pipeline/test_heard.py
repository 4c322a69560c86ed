"""What is known of a receiver by what it said last."""

import pytest

from relay.pipeline.heard import PATIENCE_S, Heard
from relay.pipeline.places import Standing

FRESH_S = 2.5


def test_one_that_answered_is_well_for_a_while() -> None:
    """Then nothing is known of it, but that it answered last."""
    heard = Heard(FRESH_S)
    heard.asked(0.0)
    heard.answered(10.0)

    assert (Standing.WELL, True) == (heard.standing(12.4), heard.hopeful(12.4))
    assert (Standing.UNKNOWN, False) == (heard.standing(12.5), heard.hopeful(12.5))
    assert heard.answers


@pytest.mark.parametrize("later_s", [0.0, 1.0, 3600.0])
def test_one_in_trouble_is_so_until_it_answers(later_s: float) -> None:
    """However long ago that was."""
    heard = Heard(FRESH_S)
    heard.answered(10.0)
    heard.troubled(11.0)

    assert Standing.TROUBLED is heard.standing(11.0 + later_s)
    assert [False] * 3 == [heard.answers, heard.well(11.0), heard.hopeful(11.0)]
    heard.answered(12.0 + later_s)
    assert Standing.WELL is heard.standing(12.0 + later_s)


def test_there_is_patience_with_one_that_answered_last_however_long_ago() -> None:
    """It was idle, and is not worse for it than one that is new."""
    heard = Heard(FRESH_S)
    heard.asked(0.0)
    heard.answered(0.2)
    assert not heard.hopeful(60.0)

    heard.asked(60.0)

    assert [True, False] == [heard.hopeful(60.9), heard.hopeful(60.0 + PATIENCE_S)]


def test_there_is_patience_with_one_that_has_hardly_been_asked_and_only_once() -> None:
    """Whoever points its subscription elsewhere again and again has no more of it."""
    heard = Heard(FRESH_S)
    heard.asked(10.0)
    heard.asked(11.0)
    assert [True, False] == [heard.hopeful(10.9), heard.hopeful(10.0 + PATIENCE_S)]

    heard.troubled(11.0)
    heard.forget()
    heard.asked(20.0)

    assert Standing.UNKNOWN is heard.standing(20.0)
    assert not heard.hopeful(20.1)
