"""
What is wrong with a history: nothing lost, nothing forked, nothing sent again without a reason. Pure.

The delivery ids are worked out here from the formula of promise P3, not with relay's own function.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise

from tests.faults.commits import committed_too_early, places_taken, went_back
from tests.faults.excuses import Excuses
from tests.faults.history import Copy, Excuse, History, Request, Result, Subscriber, What, Written

Key = tuple[str, int, int]  # delivery id, attempt, deferrals
SHOWN = 20  # findings of one kind that are told in full


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation."""

    kind: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The findings, and the figures that a report shows."""

    findings: tuple[Finding, ...]
    events: int
    deliveries: int  # (event, matching subscription)
    lost: int
    passed_over: int  # of a log that was cut: new records below where the group had been
    requests: int
    repeats: int
    bound: Mapping[Excuse, int]
    inherited: int  # later attempts of a delivery that a crash had repeated
    forks_excused: int
    stall_s: float
    verdicts: Mapping[str, int] = field(default_factory=dict)
    proof: Mapping[str, int] = field(default_factory=dict)  # what `relay reconcile` counted

    @property
    def counts(self) -> Counter[str]:
        return Counter(one.kind for one in self.findings)


def delivery_id(event: Written, subscription: str, namespace: str = "") -> str:
    """Promise P3, word by word."""
    parts = (namespace, event.topic, event.partition, event.offset, event.timestamp_ms, subscription)
    return "dlv_" + sha256("\n".join(str(part) for part in parts).encode()).hexdigest()[:32]


def judge(history: History) -> Judgement:
    """All that is wrong, and how much was done."""
    due = {
        delivery_id(event, to.id): (event, to)
        for event in history.events
        for to in history.subscribers
        if event.what is What.EVENT and to.wants(event)
    }
    sources = {ident: event for ident, (event, _) in due.items()}
    sources |= {delivery_id(event, to.id): event for event in history.gone for to in history.subscribers}
    requests = sorted(history.requests, key=lambda one: one.began)
    excuses = Excuses(history.windows, requests, sources)
    results: dict[str, list[Result]] = defaultdict(list)
    for result in history.results:
        results[result.id].append(result)
    lost, passed_over = _lost(history, due, results)
    forks, forks_excused = _forks(history, excuses)
    repeated, repeats, inherited = _repeats(history, requests, results, excuses)
    findings = [*lost, *_identity(history, requests, sources), *_pending(history), *forks, *repeated]
    findings += [Finding("committed too early", one) for one in committed_too_early(history, due)]
    findings += [Finding("commit went back", one) for one in went_back(history)]
    findings += [Finding("lag at the end", f"{group}: {lag}") for group, lag in history.lag.items() if lag]
    findings += [Finding("worker died", one) for one in history.died]
    findings += [Finding("no outcome", one) for one in history.missing]
    return Judgement(
        findings=tuple(findings),
        events=len(history.events),
        deliveries=len(due),
        lost=len(lost),
        passed_over=passed_over,
        requests=len(requests),
        repeats=repeats,
        bound=excuses.bound(),
        inherited=inherited,
        forks_excused=forks_excused,
        stall_s=longest_stall(requests),
        verdicts=Counter(one.reason if one.superseded else one.verdict for one in history.results),
        proof=history.proof,
    )


def _lost(
    history: History, due: Mapping[str, tuple[Written, Subscriber]], results: Mapping[str, Sequence[Result]]
) -> tuple[list[Finding], int]:
    """Without a final outcome: deliveries without a result that ends them, unreadable records without a dead letter."""
    replaced = places_taken(history)
    lost, passed_over = [], 0
    for ident, (event, to) in due.items():
        own = results.get(ident, ())
        if not any(one.final for one in own):
            if (*event.at, event.offset) in replaced and not own:
                passed_over += 1
                continue
            last = max(own, key=lambda one: one.at, default=None)
            lost.append(Finding("lost", f"{ident} of {event.at}@{event.offset} to {to.id}; last result: {last}"))
    buried = {letter.source for letter in history.letters}
    for event in history.events:
        source = f"{event.topic}/{event.partition}/{event.offset}"
        if event.what is What.MALFORMED and source not in buried:
            if (*event.at, event.offset) in replaced:
                passed_over += 1
            else:
                lost.append(Finding("lost", f"no dead letter of {source}, which cannot be read"))
    return lost, passed_over


def _identity(history: History, requests: Sequence[Request], sources: Mapping[str, Written]) -> Iterator[Finding]:
    """Every request is of a known event, to the subscription and with the lead that its id says."""
    aborted = {delivery_id(event, to.id) for event in history.aborted for to in history.subscribers}
    for request in requests:
        event = sources.get(request.id)
        if request.id in aborted:
            yield Finding("aborted was sent", str(request))
        elif event is None:
            yield Finding("unknown id", str(request))
        elif delivery_id(event, request.subscription) != request.id or event.lead != request.lead:
            yield Finding("wrong id", f"{request} of {event}")


def _key(one: Copy | Result) -> Key:
    return (one.id, one.attempt, one.deferrals)


def _pending(history: History) -> Iterator[Finding]:
    """Every record of a delivery topic has had its result, each its own."""
    told = Counter(map(_key, history.results))
    for key, copies in Counter(map(_key, history.copies)).items():
        if told[key] < copies:
            yield Finding("pending", f"{key}: {copies} in delivery topics, {told[key]} results")


def _forks(history: History, excuses: Excuses) -> tuple[list[Finding], int]:
    """A second copy of (id, attempt, deferrals) ends as superseded; but who met the first may not be who met it."""
    copies: dict[Key, list[Copy]] = defaultdict(list)
    for copy in history.copies:
        copies[_key(copy)].append(copy)
    twice = {key: those for key, those in copies.items() if len(those) > 1}
    superseded: Counter[Key] = Counter()
    told: dict[Key, float] = {}
    workers: dict[Key, set[str]] = defaultdict(set)
    for result in history.results:
        if (key := _key(result)) in twice:
            superseded[key] += result.superseded
            told[key] = max(told.get(key, 0), result.at)
            if not result.superseded:
                workers[key].add(result.worker)
    forks, excused = [], 0
    for key, those in twice.items():
        taken = len(those) - superseded[key]  # each by a worker of its own, for each knows what it met itself
        if taken > 1:
            first = min(copy.at for copy in those)
            if taken <= len(workers[key]) and excuses.disturbed(first, told.get(key, first)):
                excused += 1
            else:
                forks.append(
                    Finding("fork", f"{key}: {len(those)} copies, {superseded[key]} superseded, {workers[key]}")
                )
    return forks, excused


def _repeats(
    history: History, requests: Sequence[Request], results: Mapping[str, Sequence[Result]], excuses: Excuses
) -> tuple[list[Finding], int, int]:
    """Attempts sent twice, and attempts after the delivery, that nothing explains; repeats; and those inherited."""
    by_id: dict[str, list[Request]] = defaultdict(list)
    for request in requests:
        by_id[request.id].append(request)
    copies: dict[str, list[Copy]] = defaultdict(list)
    for copy in history.copies:
        copies[copy.id].append(copy)
    found: list[Finding] = []
    repeats = inherited = 0
    for ident, own in by_id.items():
        told = results.get(ident, ())
        attempts = sorted([*own, *_unseen(told, copies[ident], own)], key=lambda one: one.began)
        if len(attempts) == 1:
            continue
        before: dict[int, list[Request]] = defaultdict(list)
        delivered = min((one.at for one in told if one.verdict == "delivered"), default=None)
        excused = False  # a repeat that was excused may leave two chains, which go on side by side
        for request in attempts:
            earlier, before[request.attempt] = before[request.attempt], [*before[request.attempt], request]
            explained = any(excuses.explain(one, request) for one in earlier)
            again = any(one.subscription for one in earlier)
            if request.subscription:
                repeats += again
                late = delivered is not None and request.began > delivered
                inherited += excused and not explained and (again or late)
                if (again or late) and not (explained or excused):
                    what = f"after {earlier[-1]}" if again else f"delivered at {delivered}"
                    found.append(Finding("repeat" if again else "after delivery", f"{request} {what}"))
            excused = excused or explained
    return found, repeats, inherited


def _unseen(results: Sequence[Result], copies: Sequence[Copy], own: Sequence[Request]) -> Iterator[Request]:
    """
    Turns of a delivery of which the receiver saw nothing; had again, they look like the first.

    Put off, or refused; timed out before anything was sent, by a worker that was frozen in between; or put off by one
    that was killed when the record for later was written, and the result that tells of it was not.
    """
    unanswered = Counter(one.attempt for one in own if one.status is None)
    for one in results:
        unseen = one.verdict == "deferred" or (one.verdict == "retry" and one.reason == "connect")
        if one.verdict == "retry" and one.reason == "timeout":
            unanswered[one.attempt] -= 1
            unseen = unanswered[one.attempt] < 0
        if unseen:
            yield Request("", one.id, one.attempt, "", one.at, one.at, None)
    put_off = {(one.attempt, one.deferrals) for one in results if one.verdict == "deferred"}
    for copy in copies:
        if copy.deferrals and (copy.attempt, copy.deferrals - 1) not in put_off:
            yield Request("", copy.id, copy.attempt, "", copy.at, copy.at, None)


def longest_stall(requests: Sequence[Request]) -> float:
    """The longest time in which nothing was answered with success: a figure, outages and all."""
    times = sorted(one.ended for one in requests if one.status is not None and one.status < 300)
    return max((later - earlier for earlier, later in pairwise(times)), default=0.0)
