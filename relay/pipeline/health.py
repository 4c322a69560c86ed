"""
What the endpoint of each subscription answered lately, and what that comes to. Pure.

    gone        410 for three different deliveries, over at least a minute, with no success between
    failing     no success since its first failure an hour ago or longer, in at least two attempts
    recovered   the first success after it was told to be failing
    dead        it was told to be failing, and is still, as long after that as is waited for; by more than one failure

It is fed with every attempt that was made. What our own rules refused (an address, a URL) never reached the endpoint,
and says nothing about it. One that is well has no entry here, so what is remembered grows with those in trouble only.

A worker sees what it sees itself, since its start. Of others, and of itself before, it learns from the notices topic:
that one is failing, so that its next success is a recovery whoever sees it, and its next failure may be one too many;
that one has recovered, so that what was seen here begins anew. A success is told only where failing was: so what others
saw before that is not known, and it is from then that a dead one is waited for; and no delivery of a receiver that is
well pays for any of this.

How long something has lasted is measured on a clock that is never set; since when it lasts is told by the wall's. What
is learned was told by another's wall clock, or before a restart: it is put in place on ours when it is learned.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass, field
from http import HTTPStatus

from relay.instants import epoch_ms
from relay.model import Answer, DeliveryId, Reply, Subscription, SubscriptionId
from relay.pipeline.lane import Outcome
from relay.pipeline.notice import Kind, Word
from relay.pipeline.settle import outcome_of

GONE_DELIVERIES = 3  # DESIGN.md section 7: one 410 may be about one lead
GONE_OVER_S = 60.0  # likewise: a receiver that is being deployed may say it for seconds
FAILING_AFTER_S = 3600.0  # the schedule's first five waits are over by then, and it is still no better
FAILING_ATTEMPTS = 2  # a single failure, however long ago, may have been the network's
DISABLE_AFTER_S = 5 * 86_400.0  # RELAY_DISABLE_AFTER
DEAD_AGAIN_S = 60.0  # between tellings that one is dead: whoever acts on it may not have been able to
CONFIRMED_S = (
    86_400.0  # before its last failure there is another: one alone, after days of silence, may be the network's
)
CONTRADICTED_S = 86_400.0  # at most: what others see differently again and again is told once a day
REMEMBERED = 10_000  # endpoints in trouble, under 1 kB each


@dataclass(frozen=True, slots=True)
class Gone:
    """It says that it is no longer there, and means it: since the first 410 of those that were counted."""

    since_ms: int


@dataclass(frozen=True, slots=True)
class Failing:
    """Nothing was taken since the first failure after the last success."""

    since_ms: int


@dataclass(frozen=True, slots=True)
class Recovered:
    """It takes deliveries again; it had been failing since then."""

    since_ms: int


@dataclass(frozen=True, slots=True)
class Dead:
    """It has been failing since then, and nobody waits for it any longer."""

    since_ms: int


Finding = Gone | Failing | Recovered | Dead


@dataclass(slots=True)
class _Refusals:
    """410s of one version of a subscription, one after another without a success."""

    version: int
    since_ms: int
    again_s: float  # when they may be told: not before
    deliveries: set[DeliveryId] = field(default_factory=set)  # as many as it takes


@dataclass(slots=True)
class _Trouble:
    """Of one endpoint, since its first failure after its last success, by whoever's word it was the first."""

    incarnation: str | None  # the subscription's `created_at`: one made anew under its id is another; None: learned
    since_ms: int
    since_s: float
    wait_s: float  # until it is told
    told_ms: int | None = None  # when it was first told to be failing; None: it was not
    told_s: float = 0.0  # likewise
    attempts: int = 0  # ours
    last_s: float = -math.inf  # when the latest of them was
    dead_again_s: float = -math.inf  # when it may be told that it is dead: not before
    refusals: _Refusals | None = None

    @property
    def idle(self) -> bool:
        """It begins with its next failure."""
        return not self.attempts and self.told_ms is None

    def is_of(self, called: Subscription) -> bool:
        """Whether it is this subscription's, and no earlier one's of its id; one that was learned is, from now on."""
        if self.incarnation is None and (self.told_ms or 0) >= _ms(called.created_at):
            self.incarnation = called.created_at
        return self.incarnation == called.created_at


class Health:
    """Of every endpoint that one worker calls."""

    def __init__(
        self,
        *,
        gone_over_s: float = GONE_OVER_S,
        failing_after_s: float = FAILING_AFTER_S,
        disable_after_s: float = DISABLE_AFTER_S,
        limit: int = REMEMBERED,
    ) -> None:
        """`disable_after_s`: 0: however long one fails, it is never dead."""
        self._gone_over_s = gone_over_s
        self._failing_after_s = failing_after_s
        self._disable_after_s = disable_after_s or math.inf
        self._limit = limit
        self._troubles: OrderedDict[SubscriptionId, _Trouble] = OrderedDict()  # the one with the latest news is last

    def __len__(self) -> int:
        return len(self._troubles)

    def hear(
        self, called: Subscription, delivery_id: DeliveryId, reply: Reply, *, now_ms: int, now_s: float
    ) -> tuple[Finding, ...]:
        """
        What this attempt makes known; mostly nothing.

        Failing is told once, until it has recovered. Gone is told again by a later 410, and dead by a later failure, a
        minute apart at least: whoever acts on it may not have been able to.

        Args:
            called: The subscription as it was called.
            delivery_id: What was sent.
            reply: What came of it.
            now_ms: When.
            now_s: Likewise, monotonic.
        """
        outcome = outcome_of(reply)
        if outcome is Outcome.NONE:
            return ()
        if outcome is Outcome.OK:
            return self._well(called)
        trouble, gone = self._unwell(called, now_ms, now_s), tuple[Finding, ...]()
        if isinstance(reply, Answer) and reply.status == HTTPStatus.GONE:
            gone = self._gone(trouble, called.version, delivery_id, now_ms, now_s)
        confirmed = now_s - trouble.last_s <= CONFIRMED_S
        trouble.last_s = now_s
        failing = self._failing(trouble, now_ms, now_s)
        return (*gone, *failing, *(self._dead(trouble, called, now_ms, now_s) if confirmed else ()))

    def learn(self, word: Word, *, now_ms: int, now_s: float, not_before_s: float = -math.inf) -> None:
        """
        What somebody has told of an endpoint. Never raises.

        Args:
            word: A notice, in the order of its subscription's.
            now_ms: When it is learned.
            now_s: Likewise, monotonic.
            not_before_s: Likewise: since when successes here would have been its recovery. What fails longer is
                counted from there, for none of them may have been told.
        """
        trouble = self._troubles.get(word.subscription_id)
        if word.kind is Kind.FAILING:
            self._learn_failing(trouble, word, now_s - now_ms / 1000, not_before_s)
        elif trouble is None or trouble.since_ms > word.at_ms or (trouble.idle and word.kind is Kind.RECOVERED):
            return
        elif word.kind is Kind.RECOVERED and trouble.told_ms is not None and trouble.attempts:
            self._contradict(trouble, word)
        else:
            del self._troubles[word.subscription_id]

    def _learn_failing(self, trouble: _Trouble | None, word: Word, ours_s: float, not_before_s: float) -> None:
        """`ours_s`: what takes the wall's time to ours."""
        since_s, told_s = word.since_ms / 1000 + ours_s, max(word.at_ms / 1000 + ours_s, not_before_s)
        if trouble is None:
            trouble = _Trouble(None, since_ms=word.since_ms, since_s=since_s, wait_s=0.0)
            self._remember(word.subscription_id, trouble)
        elif trouble.incarnation is not None and word.at_ms < _ms(trouble.incarnation):
            return  # of an earlier one
        if trouble.idle or word.since_ms < trouble.since_ms:
            trouble.since_ms, trouble.since_s = word.since_ms, since_s
        if trouble.told_ms is None or told_s < trouble.told_s:
            trouble.told_ms, trouble.told_s = word.at_ms, told_s

    def _contradict(self, trouble: _Trouble, word: Word) -> None:
        """It takes from another what it does not take from us: the next failure begins anew, and is told later."""
        wait_s = min(max(trouble.wait_s, self._failing_after_s) * 2, CONTRADICTED_S)
        anew = _Trouble(trouble.incarnation, since_ms=word.at_ms, since_s=trouble.since_s, wait_s=wait_s)
        self._troubles[word.subscription_id] = anew

    def forget(self, subscription_id: SubscriptionId) -> None:
        """It was disabled: if it is resumed, what it answers then is all that counts."""
        self._troubles.pop(subscription_id, None)

    def _remember(self, subscription_id: SubscriptionId, trouble: _Trouble) -> None:
        self._troubles[subscription_id] = trouble
        if len(self._troubles) > self._limit:
            self._troubles.popitem(last=False)

    def _well(self, called: Subscription) -> tuple[Finding, ...]:
        trouble = self._troubles.pop(called.id, None)
        if trouble is None or trouble.told_ms is None or not trouble.is_of(called):
            return ()
        return (Recovered(trouble.since_ms),)

    def _unwell(self, called: Subscription, now_ms: int, now_s: float) -> _Trouble:
        trouble = self._troubles.get(called.id)
        if trouble is None or not trouble.is_of(called):
            trouble = _Trouble(called.created_at, since_ms=now_ms, since_s=now_s, wait_s=self._failing_after_s)
            self._remember(called.id, trouble)
        elif trouble.idle:
            trouble.since_ms, trouble.since_s = now_ms, now_s
        self._troubles.move_to_end(called.id)
        trouble.attempts += 1
        if trouble.refusals is not None and trouble.refusals.version != called.version:
            trouble.refusals = None  # it may be another URL by now
        return trouble

    def _gone(
        self, trouble: _Trouble, version: int, delivery_id: DeliveryId, now_ms: int, now_s: float
    ) -> tuple[Finding, ...]:
        counted = trouble.refusals
        if counted is None:
            again_s = now_s + self._gone_over_s
            counted = trouble.refusals = _Refusals(version=version, since_ms=now_ms, again_s=again_s)
        if len(counted.deliveries) < GONE_DELIVERIES:
            counted.deliveries.add(delivery_id)
        if len(counted.deliveries) < GONE_DELIVERIES or now_s < counted.again_s:
            return ()
        counted.again_s = now_s + self._gone_over_s
        return (Gone(counted.since_ms),)

    def _failing(self, trouble: _Trouble, now_ms: int, now_s: float) -> tuple[Finding, ...]:
        lasted_s = now_s - trouble.since_s
        if trouble.told_ms is not None or trouble.attempts < FAILING_ATTEMPTS or lasted_s < trouble.wait_s:
            return ()
        trouble.told_ms, trouble.told_s = now_ms, now_s
        return (Failing(trouble.since_ms),)

    def _dead(self, trouble: _Trouble, called: Subscription, now_ms: int, now_s: float) -> tuple[Finding, ...]:
        """Whoever edits the subscription looks after it: from then on it is waited for once more."""
        if trouble.told_ms is None or now_s < max(trouble.told_s + self._disable_after_s, trouble.dead_again_s):
            return ()
        if now_ms - _ms(called.updated_at) < self._disable_after_s * 1000:
            return ()
        trouble.dead_again_s = now_s + DEAD_AGAIN_S
        return (Dead(trouble.since_ms),)


def _ms(text: str) -> int:
    """Of a subscription's own time; 0 where it is none, which nobody writes."""
    try:
        return epoch_ms(text)
    except ValueError:
        return 0
