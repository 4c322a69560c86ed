"""
What lanes cost of a worker's CPU while every receiver is well.

Everything that the path asks of their rules, in its order and without the path: each delivery offered, what may begin
asked for after it and after every answer, and nothing put off.
"""

import time
from collections import deque

from relay.model import Subscription, SubscriptionId
from relay.pipeline.lane import LaneRules, Outcome
from relay.pipeline.lanes import Lanes
from relay.pipeline.queue import Waiting

DELIVERIES = 100_000
PER_S = 5_000
SUBSCRIPTIONS = 20  # each in an account of its own, as in the isolation benchmark
UNDER_WAY = 16  # at once, with receivers that answer within 3 ms at this rate
PLACES = 512  # RELAY_IN_FLIGHT
BUFFER_BYTES = 64 << 20  # RELAY_BUFFER_BYTES
SIZE = 1_221  # bytes of the benchmark's event


def cost_us() -> float:
    """CPU microseconds a delivery."""
    to = [
        Subscription(id=SubscriptionId(f"sub_{n}"), account_id=f"account-{n}", name="", url="", events=())
        for n in range(SUBSCRIPTIONS)
    ]
    lanes = Lanes[int](LaneRules(), places=PLACES, buffer_bytes=BUFFER_BYTES)
    lanes.reshare(1.0)
    leads = [f"lead-{n}" for n in range(DELIVERIES)]
    under_way: deque[Waiting[int]] = deque()

    def begin(now_s: float) -> None:
        while (one := lanes.next(now_s)) is not None:
            under_way.append(one)

    began = time.process_time()
    for n in range(DELIVERIES):
        now_s = n / PER_S
        if lanes.offer(n, to[n % SUBSCRIPTIONS], lead=leads[n], size=SIZE, now_s=now_s) is not None:
            raise AssertionError("a delivery of a receiver that is well was put off")
        begin(now_s)
        if len(under_way) > UNDER_WAY:
            lanes.over(under_way.popleft(), Outcome.OK, now_s)
            begin(now_s)
    return (time.process_time() - began) / DELIVERIES * 1e6


def line(path_us: float) -> str:
    """As the benchmark prints it, beside what a delivery costs on the whole path."""
    us = cost_us()
    return f"lanes, {SUBSCRIPTIONS} that are well: {us:.1f} us a delivery, {us / path_us:.1%} of the path"
