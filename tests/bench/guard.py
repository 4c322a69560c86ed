"""
What the egress guard and the signatures cost of a worker's CPU, on connections that are open already.

The guard judges addresses when a connection is made. Of a delivery on one that is kept, what is left of it is to find
the pool of the account's rules and the URL that was judged before. That, and signing the body by the schemes that are
on by default, is done here as the path does it, without the path.

    python -m tests.bench.guard [CPU microseconds of a delivery, as tests.bench.path told them]
"""

import asyncio
import sys
import time
from collections.abc import Callable
from ipaddress import ip_network

from relay.model import Request, Subscription, SubscriptionId
from relay.pipeline.connect import Pools
from relay.pipeline.deliver import callable_url
from relay.pipeline.egress import Egress
from relay.pipeline.sign import OpenedSecret, Signer
from tests.bench.stage import bodies

ROUNDS = 20_000
ACCOUNTS = 50  # of which every other one has a network of its own
PATH_US = 354.0  # a delivery's CPU, as README has it
BOUND = 0.05  # of a delivery's CPU, for both together


def _each_us(work: Callable[[int], object]) -> float:
    """CPU microseconds of a call."""
    began = time.process_time()
    for number in range(ROUNDS):
        work(number)
    return (time.process_time() - began) / ROUNDS * 1e6


async def _guard_us() -> float:
    networks = [ip_network("10.0.0.0/8")]
    allowed_to = {f"account-{number}": networks for number in range(0, ACCOUNTS, 2)}
    egress = Egress(allowed=networks, allowed_to=allowed_to)
    pools = Pools(egress)
    requests = [
        Request(
            url=f"https://{number}.example/hooks", headers={}, body=b"", timeout_s=1, account_id=f"account-{number}"
        )
        for number in range(ACCOUNTS)
    ]

    def judged(number: int) -> None:
        request = requests[number % ACCOUNTS]
        callable_url(request.url, egress.schemes)
        pools.of(request.account_id)

    us = _each_us(judged)
    await pools.close()
    return us


def costs_us() -> tuple[float, float]:
    """CPU microseconds a delivery: of the guard, and of the signatures."""
    (body,) = bodies(1)
    subscription = Subscription(id=SubscriptionId("sub_1"), account_id="a", name="", url="", events=())
    signer = Signer([OpenedSecret(value=b"0123456789abcdef")], subscription.signatures)
    signatures = _each_us(
        lambda number: signer.headers(
            body, url="https://receiver.example/", message_id="dlv_" + "0" * 32, now_ms=number
        )
    )
    return asyncio.run(_guard_us()), signatures


def line(path_us: float) -> str:
    """As the benchmark prints it, beside what a delivery costs on the whole path."""
    guard, signatures = costs_us()
    share = (guard + signatures) / path_us
    return (
        f"egress guard on open connections {guard:.1f} us, signatures {signatures:.1f} us a delivery:"
        f" {share:.1%} of the path <= {BOUND:.0%} {'ok' if share <= BOUND else 'MISSED'}"
    )


if __name__ == "__main__":
    print(line(float(sys.argv[1]) if len(sys.argv) > 1 else PATH_US))
