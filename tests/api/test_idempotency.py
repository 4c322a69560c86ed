"""Calls that are made again."""

import pytest

from relay.console.api import idempotency
from relay.console.api.idempotency import KEPT_S, Answers, Kept, Refusal, printed, sound, subscription_id

NAME = ("alice", "key")
PRINT = printed("POST", "/x", b"{}")


def test_an_answer_is_kept_for_a_day_for_whoever_asked() -> None:
    """Another's key of the same text is another key."""
    answers, answer = Answers(), Kept(201, b"made", {})

    assert answers.begin(NAME, PRINT, 0.0) is None
    assert Refusal.UNDER_WAY == answers.begin(NAME, PRINT, 1.0)
    answers.end(NAME, answer)

    assert answer == answers.begin(NAME, PRINT, KEPT_S - 1)
    assert Refusal.OTHER == answers.begin(NAME, printed("POST", "/y", b"{}"), KEPT_S - 1)
    assert answers.begin(("bob", "key"), PRINT, KEPT_S - 1) is None
    assert answers.begin(NAME, PRINT, KEPT_S + 1) is None


def test_what_came_to_nothing_may_be_tried_again() -> None:
    """Also with another body."""
    answers = Answers()
    answers.begin(NAME, PRINT, 0.0)
    answers.end(NAME, None)

    assert answers.begin(NAME, printed("POST", "/x", b"[]"), 1.0) is None


@pytest.mark.parametrize(("limit", "most"), [("MOST", 10), ("MOST_BYTES", 1000)])
def test_no_more_is_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch, limit: str, most: int) -> None:
    """The oldest goes first; what is under way stays."""
    monkeypatch.setattr(idempotency, limit, most)
    answers = Answers()
    answers.begin(("first", "under way"), PRINT, 0.0)
    for number in range(50):
        answers.begin(("alice", str(number)), PRINT, 0.0)
        answers.end(("alice", str(number)), Kept(201, b"x" * 100, {}))

    assert len(answers._entries) <= 11
    assert answers._bytes <= 1100
    assert Refusal.UNDER_WAY == answers.begin(("first", "under way"), PRINT, 0.0)
    assert isinstance(answers.begin(("alice", "49"), PRINT, 0.0), Kept)
    assert answers.begin(("alice", "0"), PRINT, 0.0) is None


def test_a_key_is_visible_ascii_and_makes_an_id_of_its_holders_own() -> None:
    """The same for the same holder, and no other's."""
    assert [True, True, False, False, False] == [sound(key) for key in ("k", "k" * 255, "", "k" * 256, "a b")]
    ids = {
        subscription_id("a", "bc"),
        subscription_id("a", "bc"),
        subscription_id("ab", "c"),
        subscription_id("a", "d"),
    }

    assert 3 == len(ids)
    assert all(len(one) == 30 and one.startswith("sub_") for one in ids)
