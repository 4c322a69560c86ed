"""Results passed on to whoever looks on, without a broker."""

import asyncio

import orjson
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from relay.config import Config
from relay.console import live
from relay.console.live import Live, Missed, Result, TooSlow
from relay.embedded import EmbeddedBroker
from relay.errors import Unreachable
from relay.model import Record
from relay.store.history.values import Delivery
from tests.store.history.results import a_result


def one() -> Live:
    return Live(Config.read({"RELAY_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}), epoch="e")


def tell(to: Live, *numbers: int) -> None:
    for number in numbers:
        to._tell(orjson.dumps(a_result(number)))


def everything(_: Delivery) -> bool:
    return True


def attempts(*news: object) -> list[str]:
    return [each.attempt_id[-2:] for each in news if isinstance(each, Result)]


async def test_who_looks_on_sees_what_comes_from_then_on_and_what_is_no_result_is_passed_over() -> None:
    to = one()
    tell(to, 1)
    news = to.news(None, everything)
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
        news = to.news(after, everything)
        assert seen == attempts(*[await anext(news) for _ in seen])
        await news.aclose()
    for after in ("e-1", "e-9", "other-3", "e-", "", "e-" + "9" * 99):
        news = to.news(after, everything)
        assert Missed("e-5", None) == await anext(news), after
        await news.aclose()


async def test_who_does_not_keep_up_is_let_go_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """After what was waiting for them; and no more is kept for them than that."""
    monkeypatch.setattr(live, "WAITING", 3)
    to = one()
    tell(to, 1)
    news = to.news("e-1", everything)
    waiting = asyncio.gather(anext(news))
    await asyncio.sleep(0)
    tell(to, 2, 3, 4, 5, 6, 7)
    seen = [*await waiting]

    seen += [await anext(news) for _ in range(2)]
    with pytest.raises(TooSlow):
        await anext(news)

    assert ["02", "03", "04"] == attempts(*seen)
    assert 0 == to.onlookers


async def test_what_somebody_does_not_want_to_see_takes_none_of_their_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of what comes, nor of what was kept: all accounts' results come by, and most are nobody's here."""
    monkeypatch.setattr(live, "WAITING", 1)
    to = one()
    tell(to, 1, 2)
    theirs = {f"dlv_{number:032x}" for number in (2, 9)}
    news = to.news("e-0", lambda one: one.delivery_id in theirs)

    seen = [await anext(news)]
    tell(to, *range(3, 10))
    seen.append(await anext(news))

    assert ["02", "09"] == attempts(*seen)
    await news.aclose()


async def test_a_burst_loses_nobody_who_reads() -> None:
    """A fetch holds more results than an onlooker's queue, and is told in turns with those who take them."""
    count = 2 * live.WAITING
    with EmbeddedBroker() as broker:
        to = Live(Config.read({"RELAY_KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap}), epoch="e")
        large = {"max_batch_size": 1 << 22, "max_request_size": 1 << 22}
        async with (
            AIOKafkaProducer(bootstrap_servers=broker.bootstrap, **large) as producer,
            asyncio.TaskGroup() as group,
        ):
            batch = producer.create_batch()
            for number in range(count):
                assert batch.append(key=None, value=orjson.dumps(a_result(number)), timestamp=None)
            news, seen = to.news(None, everything), set[str]()

            async def first() -> None:
                await anext(news)

            reading, waiting = group.create_task(to.run()), group.create_task(first())
            while not waiting.done():  # until it reads, from the end on
                await producer.send_and_wait("relay.results", orjson.dumps(a_result(0)))
            await producer.send_batch(batch, "relay.results", partition=0)
            async for each in news:
                seen |= {each.attempt_id} if isinstance(each, Result) else set()
                if len(seen) == count:
                    break
            reading.cancel()

    assert count == len(seen)


class Consumer:
    """Of a topic of two partitions, on which nothing is written."""

    async def getmany(self, **_: int) -> dict[TopicPartition, list[Record]]:
        return {}

    async def position(self, _: TopicPartition) -> int:
        return 0

    def highwater(self, _: TopicPartition) -> None:
        return None

    def partitions_for_topic(self, _: str) -> set[int]:
        return {0, 1}


async def test_partitions_that_are_added_are_read_too() -> None:
    """The reader of those that there were ends, and begins anew with all of them."""
    ats = [TopicPartition("relay.results", number) for number in range(2)]
    async with asyncio.timeout(5):
        await one()._follow(Consumer(), ats[:1])

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await one()._follow(Consumer(), ats)


async def test_no_more_look_on_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_ONLOOKERS", 0)

    with pytest.raises(Unreachable):
        await anext(one().news(None, everything))


async def test_no_account_has_all_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one opens leaves places to the others, and to operators."""
    monkeypatch.setattr(live, "MOST_OF_ACCOUNT", 1)
    to = one()
    tell(to, 1, 2)
    looking = [to.news("e-1", everything, account=account) for account in ("acct-1", "acct-2", None, None)]

    seen = [await anext(news) for news in looking]
    with pytest.raises(Unreachable):
        await anext(to.news("e-1", everything, account="acct-1"))

    assert ["02"] * 4 == attempts(*seen)
    for news in looking:
        await news.aclose()
