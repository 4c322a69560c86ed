from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError

from relay.pipeline.frozen import FROZEN_S, Freeze
from relay.pipeline.holdings import Found, Holdings
from relay.pipeline.ledger import NOTHING

AT = ("leads.events", 0)
LONG_S = FROZEN_S + 0.1


class Member:
    """Of a group that answers heartbeats as it was told to, and hears of a rebalance when it was told to."""

    group = "relay"
    generation = 7

    def __init__(self, *answers: bool | KafkaError) -> None:
        self.answers = list(answers)
        self.sought: list[tuple[TopicPartition, int]] = []
        self.rebalance: Freeze | None = None

    async def confirmed(self) -> bool:
        answer = self.answers.pop(0)
        if self.rebalance is not None:
            self.rebalance.revoked()
        if isinstance(answer, KafkaError):
            raise answer
        return answer

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.sought.append((partition, offset))


def a_worker(member: Member) -> tuple[Freeze, Holdings]:
    """It holds one partition, which it reads from offset 5 on; assigned at 0 s."""
    holdings = Holdings()
    holdings.assigned([AT], member.generation)
    holdings.begin(AT, Found(held=NOTHING, start=5))
    freeze = Freeze(member, holdings)
    freeze.assigned(0.0)
    return freeze, holdings


def test_a_worker_that_lives_is_not_in_doubt() -> None:
    """However long it does, each silence is for itself."""
    freeze, holdings = a_worker(Member())

    assert not any(freeze.pulse(now_s * FROZEN_S) for now_s in range(1, 9))
    assert holdings.ledgers[AT].ready


async def test_a_worker_that_was_frozen_starts_nothing_until_a_heartbeat_is_taken() -> None:
    """Then it goes on with the next record that it has not taken, for what was fetched meanwhile is dropped."""
    member = Member(KafkaTimeoutError(), False, True)
    freeze, holdings = a_worker(member)

    assert freeze.pulse(LONG_S)
    assert not holdings.ledgers[AT].ready
    assert await freeze.confirm()

    assert holdings.ledgers[AT].ready
    assert [(TopicPartition(*AT), 5)] == member.sought
    assert [] == member.answers


async def test_a_frozen_worker_whose_group_rebalances_is_decided_by_that() -> None:
    """An answer that comes with it confirms nothing."""
    member = Member(True)
    freeze, holdings = a_worker(member)
    member.rebalance = freeze

    assert freeze.pulse(LONG_S)
    assert not await freeze.confirm()

    assert not holdings.ledgers[AT].ready
    assert [] == member.sought


def test_silence_during_a_rebalance_or_without_partitions_leaves_nothing_in_doubt() -> None:
    """The next assignment says what is held, and begins the silence anew."""
    member = Member()
    freeze, holdings = a_worker(member)
    freeze.revoked()

    assert not freeze.pulse(LONG_S)
    freeze.assigned(2 * LONG_S)
    assert not freeze.pulse(2 * LONG_S + FROZEN_S)
    assert not Freeze(member, Holdings()).pulse(LONG_S)
    assert holdings.ledgers[AT].ready


async def test_without_doubt_no_heartbeat_is_asked_for() -> None:
    """The client sends its own."""
    freeze, _ = a_worker(Member())

    assert not await freeze.confirm()
