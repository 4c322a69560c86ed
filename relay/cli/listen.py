"""`relay listen`: a receiver that verifies, for trying things out."""

import asyncio
import dataclasses
import signal
from collections import Counter
from datetime import UTC, datetime
from typing import Annotated

import orjson
from cyclopts import Parameter

from relay.cli.common import Common, SecretFile, read_file, run, tell
from relay.errors import Invalid, Problem
from relay.receiver import Received, Receiver
from relay.settings import spelled
from relay.store.forms import read_verifying

COMMON = Common()
LAST_STATUS = 599


def listen(
    *,
    host: str = "127.0.0.1",
    port: int = 8090,
    secret_file: SecretFile = None,
    status: Annotated[tuple[int, ...], Parameter(negative=())] = (200,),
    delay: float = 0.0,
    flaky: int = 0,
    common: Common = COMMON,
) -> int:
    """
    Take webhooks, verify them, say so, until Ctrl-C. A wrong signature is answered 403.

    Args:
        host: Where to listen.
        port: 0 means any.
        secret_file: What the sender signs with, or its public key (whpk_…); - is stdin. Without, nothing is verified.
        status: What to answer; several are given in turn.
        delay: Seconds to wait before answering.
        flaky: Answer 500 to the first so many attempts of each delivery.
    """
    problems = [
        Problem(name, rule, str(value))
        for name, value, holds, rule in (
            ("status", status, all(200 <= one <= LAST_STATUS for one in status), "must be from 200 to 599"),  # noqa: PLR2004
            ("delay", delay, 0 <= delay <= 3600, "must be from 0 to 3600 seconds"),  # noqa: PLR2004
            ("flaky", flaky, 0 <= flaky <= 1000, "must be from 0 to 1000 attempts"),  # noqa: PLR2004
            ("port", port, 0 <= port <= 65535, "must be from 0 to 65535"),  # noqa: PLR2004
        )
        if not holds
    ]
    if problems:
        raise Invalid(*problems)
    secret = None if secret_file is None else read_verifying(read_file(secret_file, what="secret-file"))
    seen: Counter[str] = Counter()

    def on_request(received: Received) -> None:
        seen["refused" if received.why else "accepted"] += 1
        print(_json(received) if common.output == "json" else _line(received), flush=True)

    receiver = Receiver(
        secret=secret, status=status, delay_s=delay, flaky=flaky, host=host, port=port, on_request=on_request
    )
    run(_serve(receiver, host))
    tell(f"{seen['accepted']} accepted, {seen['refused']} refused")
    return 0


async def _serve(receiver: Receiver, host: str) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for one in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(one, stop.set)
    port = await receiver.start()
    tell(f"listening on http://{spelled(host, port)}/ (Ctrl-C ends it)")
    try:
        await stop.wait()
    finally:
        await receiver.stop()


def _line(received: Received) -> str:
    at = datetime.fromtimestamp(received.time_ms / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
    mark = {True: "verified", False: "NOT VERIFIED", None: "unchecked"}[received.verified]
    what = f"{received.event_type or '-'} attempt {received.attempt or '-'} {received.delivery_id or '-'}"
    return f"{at} {received.path} {what} {mark} -> {received.status}" + (f" ({received.why})" if received.why else "")


def _json(received: Received) -> str:
    return orjson.dumps(dataclasses.asdict(received)).decode()
