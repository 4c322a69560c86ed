"""What is on the board, and what stands of each subscription, whatever comes in whatever order."""

from hypothesis import given
from hypothesis import strategies as st

from relay.notices.board import Board
from relay.pipeline.notice import Kind, Word
from tests.builders import NOON_MS, a_word

FAILING, RECOVERED, DISABLED, RE_ENABLED = Kind.FAILING, Kind.RECOVERED, Kind.DISABLED, Kind.RE_ENABLED


def standing_after(*words: Word) -> list[str]:
    """Kinds, of however many subscriptions."""
    board = Board()
    for word in words:
        board.put(word)
    return [one["kind"] for one in board.standing(account=None)]


def test_the_newest_comes_first_in_whatever_order_partitions_are_read() -> None:
    board = Board()
    for minute in (3, 1, 2):
        board.put(a_word(at_ms=NOON_MS + minute * 60_000))

    times = [one["at"] for one in board.page(account=None)]

    assert [f"2019-06-07T12:0{minute}:00.000Z" for minute in (3, 2, 1)] == times


def test_each_account_has_its_own() -> None:
    """None is everybody: an operator."""
    board = Board()
    for account, ident in (("acc_1", "sub_1"), ("acc_2", "sub_2")):
        board.put(a_word(FAILING, account_id=account, subscription_id=ident))

    assert ["sub_2"] == [one["subscription_id"] for one in board.page(account="acc_2")]
    assert ["sub_2"] == [one["subscription_id"] for one in board.standing(account="acc_2")]
    assert (2, 1, 0) == tuple(len(board.page(account=one)) for one in (None, "acc_1", "acc_3"))


def test_no_more_is_kept_than_the_bounds() -> None:
    """The oldest goes; of what stands, what was told the longest ago."""
    board = Board(kept=3, standing=2)
    for number in range(5):
        board.put(a_word(FAILING, subscription_id=f"sub_{number}", at_ms=NOON_MS + number))

    assert ["sub_4", "sub_3", "sub_2"] == [one["subscription_id"] for one in board.page(account=None)]
    assert ["sub_4", "sub_3"] == [one["subscription_id"] for one in board.standing(account=None)]
    assert 1 == len(board.page(account=None, limit=1))


def test_what_fails_stands_until_it_has_recovered_or_is_disabled_or_re_enabled() -> None:
    assert ["failing"] == standing_after(a_word(FAILING))
    assert [] == standing_after(a_word(FAILING), a_word(RECOVERED))
    assert ["disabled"] == standing_after(a_word(FAILING), a_word(DISABLED))
    assert [] == standing_after(a_word(FAILING), a_word(DISABLED), a_word(RE_ENABLED))


def test_of_several_workers_the_earliest_since_stands() -> None:
    board = Board()
    for since_ms in (NOON_MS, NOON_MS - 1_000, NOON_MS + 1_000):
        board.put(a_word(FAILING, since_ms=since_ms))

    assert ["2019-06-07T11:59:59.000Z"] == [one["since"] for one in board.standing(account=None)]


def test_what_was_under_way_when_it_was_disabled_changes_nothing() -> None:
    """Another worker's last attempts are told of behind it; of one that somebody has resumed they are news."""
    assert ["disabled"] == standing_after(a_word(DISABLED), a_word(FAILING), a_word(RECOVERED))
    assert ["failing"] == standing_after(a_word(DISABLED, version=4), a_word(FAILING, version=6))


@given(st.lists(st.tuples(st.sampled_from(Kind), st.sampled_from("abcdef"), st.integers(0, 50))))
def test_both_stay_within_bounds_and_in_order(told: list[tuple[Kind, str, int]]) -> None:
    """Whatever comes; what stands is of one notice a subscription."""
    board = Board(kept=5, standing=3)
    for kind, ident, minute in told:
        board.put(a_word(kind, subscription_id=ident, at_ms=NOON_MS + minute * 60_000))

    page, standing = board.page(account=None), board.standing(account=None)

    newest = sorted((minute for *_, minute in told), reverse=True)[:5]
    assert [f"2019-06-07T12:{minute:02}:00.000Z" for minute in newest] == [one["at"] for one in page]
    assert len(standing) <= 3
    assert len({one["subscription_id"] for one in standing}) == len(standing)
    assert {one["kind"] for one in standing} <= {"failing", "disabled"}
