"""
Notices are sent to an operator's own webhook, RELAY_NOTICES_URL, at least once each. Edge (Kafka, HTTP).

In their order, one at a time, by a group of its own, whose offset is committed once a notice was taken. A group without
any offset starts with what is told from now on. Several consoles share the partitions. A receiver that is in trouble is
tried again and holds up the others meanwhile, for they go to the same place; but not for ever (`message`): then it is
logged, and passed, and it stands on its topic still. Nothing that happens here makes a notice.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from relay.broker import Broker, kafka_settings
from relay.clock import Clock, SystemClock
from relay.config import TABLE, Config
from relay.ending import begin, let_go, unless
from relay.errors import ConfigProblem, Invalid, Malformed, Problem, RelayError, TopicProblem
from relay.model import Reply, Signature
from relay.notices.message import Again, Passed, Sent, message_id, outcome, request
from relay.pipeline.client import POLL_MAX_MS
from relay.pipeline.notice import Word, read
from relay.pipeline.own import Own
from relay.pipeline.settle import reason_of
from relay.pipeline.sign import OpenedSecret, Signer
from relay.pipeline.start import establish_start
from relay.pipeline.tls import Contexts
from relay.pipeline.wire import WireDeliver
from relay.store.forms import MAX_SECRET_BYTES, read_secret
from relay.topics import Topics
from relay.urls import host

log = structlog.get_logger()

SCHEMES = (Signature.STANDARD_WEBHOOKS, Signature.SHA256)
AGAIN_S = 5.0  # after trouble with the broker
WAIT_MS = 1_000  # for news


def signer_of(config: Config) -> Signer:
    """
    Of the secret in RELAY_NOTICES_SECRET_FILE.

    Raises:
        ConfigProblem: It cannot be read, or could not sign; neither it nor its path is cited.
    """
    variable = TABLE["notices_secret_file"].variable
    try:
        with Path(str(config.notices_secret_file)).open("rb") as file:
            secret = read_secret(file.read(MAX_SECRET_BYTES + 3))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no such name"
        raise ConfigProblem(Problem(variable, f"names a file that cannot be read: {why}")) from None
    except Invalid as error:
        raise ConfigProblem(Problem(variable, f"holds a secret that {error.problems[0].rule}")) from None
    return Signer([OpenedSecret(value=secret)], SCHEMES)


class Forward:
    """Of one console."""

    def __init__(self, config: Config, *, clock: Clock | None = None) -> None:
        """
        Args:
            config: Where to, and what may be called.
            clock: The machine's, unless told otherwise.

        Raises:
            ConfigProblem: The secret cannot be used.
        """
        self._config = config
        self._clock = clock or SystemClock()
        self._topic = Topics(config.topic_prefix).notices  # and so the group is called
        self._url = config.notices_url or ""
        self._signer = signer_of(config) if self._url else None

    async def run(self, stop: asyncio.Event, *, port: int | None = None) -> None:
        """
        Notices are sent until told to stop; returns at once where there is nowhere to. Never raises for trouble of the
        broker's or the receiver's.

        Args:
            stop: Set when it should end.
            port: Where the console listens, which is never called: RELAY_CONSOLE_ADDRESS may leave it to the system.
        """
        if self._url:
            await unless(stop, self._endlessly(port))

    async def _endlessly(self, port: int | None) -> None:
        while True:
            try:
                async with self._joined(port) as (consumer, deliver, own):
                    log.info("notices.forwarding", host=host(self._url), group=self._topic)
                    while True:
                        await self._some(consumer, deliver, own)
            except (KafkaError, RelayError) as error:
                log.warning("notices.troubled", error=repr(error), retry_in_s=AGAIN_S)
            await self._clock.sleep(AGAIN_S)

    @asynccontextmanager
    async def _joined(self, port: int | None) -> AsyncIterator[tuple[AIOKafkaConsumer, WireDeliver, Own]]:
        """A member of the group, and what sends."""
        config, settings = self._config, kafka_settings(self._config)
        async with Broker(config) as broker:
            transactions = (await broker.capabilities()).transactions
            if not transactions:
                await broker.touch([self._topic])
            partitions = await broker.topics()
            listener = (config.console_address[0], port or config.console_address[1])
            own = Own(config, {listener, config.metrics_address, *broker.brokers()})
        if self._topic not in partitions:
            raise TopicProblem(f"there is no topic {self._topic}: `relay topics apply` makes it")
        await own.look(())
        await establish_start(settings, self._topic, [self._topic], "latest", partitions)
        deliver = WireDeliver(
            own.egress(),
            connect_timeout_s=config.connect_timeout_s,
            response_bytes=0,
            proxy=config.egress_proxy,
            contexts=Contexts(config.tls_dir),
        )
        own.obey = deliver.pools.obey
        consumer = AIOKafkaConsumer(
            self._topic,
            **settings,
            group_id=self._topic,
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # of a partition that was added
            isolation_level="read_committed" if transactions else "read_uncommitted",
            fetch_max_wait_ms=WAIT_MS,
            max_poll_interval_ms=POLL_MAX_MS,  # a receiver that is away keeps us from polling
        )
        async with deliver:
            await begin(consumer)
            try:
                yield consumer, deliver, own
            finally:
                await let_go(consumer.stop())

    async def _some(self, consumer: AIOKafkaConsumer, deliver: WireDeliver, own: Own) -> None:
        """What has come is sent, or passed, and committed; nothing more of a partition that went to another console."""
        for tp, records in (await consumer.getmany(timeout_ms=WAIT_MS)).items():
            for record in records:
                if tp not in consumer.assignment():
                    break
                word = _word(record)
                if word is not None:
                    await own.look([(one.host, one.port) for one in consumer._client.cluster.brokers()])  # noqa: SLF001
                    if not await self._over(word, record, consumer, deliver):
                        break
                await consumer.commit({tp: record.offset + 1})

    async def _over(
        self,
        word: Word,
        record: Any,  # noqa: ANN401  an untyped library's
        consumer: AIOKafkaConsumer,
        deliver: WireDeliver,
    ) -> bool:
        """It was taken, or is not tried any more; False: it is another console's by now."""
        assert self._signer is not None, "run has looked"
        tp = TopicPartition(record.topic, record.partition)
        id_ = message_id(
            record.topic, record.partition, record.offset, record.timestamp, namespace=self._config.namespace
        )
        began_s, attempt = self._clock.monotonic(), 0
        while tp in consumer.assignment():
            attempt += 1
            sent = request(
                word,
                id_=id_,
                url=self._url,
                signer=self._signer,
                attempt=attempt,
                timeout_s=self._config.timeout_s,
                now_ms=self._clock.now_ms(),
            )
            reply = await deliver(sent)
            now_ms, tried_s = self._clock.now_ms(), self._clock.monotonic() - began_s
            age_s = (now_ms - word.at_ms) / 1000
            told = _told(word, id_, attempt, reply)
            match outcome(reply, attempt=attempt, tried_s=tried_s, age_s=age_s, now_ms=now_ms):
                case Sent():
                    log.info("notice.forwarded", **told)
                    return True
                case Passed():
                    log.error("notice.passed", **told)
                    return True
                case Again(pause_s=pause_s):
                    log.warning("notice.delayed", retry_in_s=pause_s, **told)
                    await self._clock.sleep(pause_s)
        return False


def _word(record: Any) -> Word | None:  # noqa: ANN401  an untyped library's
    """None: there is nothing to send."""
    try:
        return read(record.value)
    except Malformed as why:
        first = f"{record.partition}/{record.offset}: {why}"
        log.warning("notices.unreadable", topic=record.topic, records=1, first=first)
        return None


def _told(word: Word, id_: str, attempt: int, reply: Reply) -> dict[str, object]:
    return {
        "notice_id": id_,
        "kind": word.kind.value,
        "subscription_id": word.subscription_id,
        "attempt": attempt,
        "reason": reason_of(reply).value,
        "status": getattr(reply, "status", None),
        "detail": getattr(reply, "detail", None),
    }
