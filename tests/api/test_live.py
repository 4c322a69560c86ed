"""Results passed on to whoever looks on, without a broker."""

import asyncio

import orjson
import pytest

from relay.config import Config
from relay.console import live
from relay.console.live import Live, Missed, Result, TooSlow
from relay.errors import Unreachable
from tests.store.history.results import a_result


def one() -> Live:
    return Live(Config.read({"RELAY_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}), epoch="e")


def tell(to: Live, *numbers: int) -> None:
    for number in numbers:
        to._tell(orjson.dumps(a_result(number)))


def attempts(*news: object) -> list[str]:
    return [each.attempt_id[-2:] for each in news if isinstance(each, Result)]


async def test_who_looks_on_sees_what_comes_from_then_on_and_what_is_no_result_is_passed_over() -> None:
    to = one()
    tell(to, 1)
    news = to.news(None)
    waiting = asyncio.gather(anext(news))  # it looks on by the time that it waits
    await asyncio.sleep(0)
    to._tell(b"no JSON")
    tell(to, 2)

    assert ["02"] == attempts(*await waiting)
    await news.aclose()
    assert 0 == to.onlookers


async def test_who_was_cut_off_goes_on_where_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as it is remembered; else, and of another console, they are told that some were missed."""
    monkeypatch.setattr(live, "KEPT", 3)
    to = one()
    tell(to, 1, 2, 3, 4, 5)

    for after, seen in (("e-3", ["04", "05"]), ("e-2", ["03", "04", "05"])):
        news = to.news(after)
        assert seen == attempts(*[await anext(news) for _ in seen])
        await news.aclose()
    for after in ("e-1", "e-9", "other-3", "e-", "", "e-" + "9" * 99):
        news = to.news(after)
        assert Missed("e-5", None) == await anext(news), after
        await news.aclose()


async def test_who_does_not_keep_up_is_let_go_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """After what was waiting for them; and no more is kept for them than that."""
    monkeypatch.setattr(live, "WAITING", 3)
    to = one()
    tell(to, 1)
    news = to.news("e-1")
    waiting = asyncio.gather(anext(news))
    await asyncio.sleep(0)
    tell(to, 2, 3, 4, 5, 6, 7)
    seen = [*await waiting]

    seen += [await anext(news) for _ in range(2)]
    with pytest.raises(TooSlow):
        await anext(news)

    assert ["02", "03", "04"] == attempts(*seen)
    assert 0 == to.onlookers


async def test_no_more_look_on_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_ONLOOKERS", 0)

    with pytest.raises(Unreachable):
        await anext(one().news(None))
