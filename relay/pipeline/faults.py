"""
What cannot be walked becomes a dead letter and its partition moves on; but not for ever.

A limit must be: past it not the records are wrong but their producer, their topic, or we (getsentry/arroyo, dlq.py,
argues why), and a worker that goes on would empty a topic into the dead letters.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from relay.errors import Malformed, TooManyMalformed
from relay.model import Delivery, Record, Verdict
from relay.pipeline.attempt import Bench, bury, decline, make, produce
from relay.pipeline.fan import Fan, Part
from relay.pipeline.lane import Outcome
from relay.pipeline.results import letter
from relay.pipeline.settle import outcome_of

log = structlog.get_logger()

MALFORMED_WINDOW = 1_000  # the last so many records that RELAY_MALFORMED_LIMIT is about
FAULTS_MAX = 20  # deliveries that fail for a fault of our own before it is the worker that is wrong, not they


class Faults:
    """Counts, and stops the worker past the limits."""

    def __init__(self, tools: Bench, *, malformed_limit: int) -> None:
        self.tools = tools
        self._limit = malformed_limit
        self._recent: deque[bool] = deque(maxlen=MALFORMED_WINDOW)
        self._failed = 0

    def read(self) -> None:
        """A record was read without fault."""
        self._recent.append(False)

    def malformed(self, record: Record, malformed: Malformed, fan: Fan) -> None:
        """
        Its own bytes are a dead letter.

        Raises:
            TooManyMalformed: More than the limit of the last thousand were; the worker stops, uncommitted.
        """
        log.warning(
            "event.malformed",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            reason=str(malformed),
        )
        self._recent.append(True)
        count = sum(self._recent)
        if count > self._limit:
            raise TooManyMalformed(
                f"{count} of the last {len(self._recent)} records are malformed, more than RELAY_MALFORMED_LIMIT"
                f" ({self._limit}); the last, {record.topic}/{record.partition}/{record.offset}: {malformed}."
                " Look at what the topic holds and who writes it; nothing further was committed."
            )
        self.tools.metrics.events.add("malformed")
        self.tools.metrics.dead_letters.add("malformed")
        bury(record, str(malformed), fan, self.tools)

    async def attempt(self, delivery: Delivery, part: Part) -> Outcome:
        """One attempt; a fault of our own in it costs this delivery only, on the record, up to the limit."""
        part.begin()
        with self._counted(delivery, part):
            return outcome_of(await make(delivery, part, self.tools))
        return Outcome.NONE

    def decline(self, delivery: Delivery, verdict: Verdict, part: Part) -> None:
        """No attempt is made; likewise."""
        part.begin()
        with self._counted(delivery, part):
            decline(delivery, verdict, part, self.tools)

    @contextmanager
    def _counted(self, delivery: Delivery, part: Part) -> Iterator[None]:
        """Its body is a dead letter where something of ours fails; past the limit the fault goes on."""
        try:
            yield
        except Exception:
            self._failed += 1
            self.tools.metrics.faults.add()
            log.exception("delivery.failed", delivery_id=delivery.id, subscription_id=delivery.subscription_id)
            if self._failed > FAULTS_MAX:
                raise
            produce(letter(delivery, "internal_error", topics=self.tools.topics), part, self.tools)
            part.close()
