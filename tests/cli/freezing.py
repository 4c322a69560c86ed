"""
A command whose broker freezes under it, in a process of its own:
`python -m tests.cli.freezing PID QUESTION SECONDS PATIENCE …`.

As soon as the question was answered, and for so many seconds, 0 meaning for good; then how many seconds the command is
patient, 0 meaning as ever. What follows are relay's arguments.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from relay.broker import Broker
from relay.cli import patience
from relay.cli.app import main
from relay.store.follow import Follower

QUESTIONS: dict[str, tuple[type, str]] = {
    "topics": (Broker, "topics"),
    "cluster": (Broker, "cluster"),
    "subscriptions": (Follower, "everything"),
}


def freeze(pid: int, question: str, seconds: float) -> None:
    of, name = QUESTIONS[question]
    ask: Callable[..., Awaitable[Any]] = getattr(of, name)

    async def asked(*arguments: Any) -> Any:  # noqa: ANN401  whatever it takes and gives
        answer = await ask(*arguments)
        os.kill(pid, signal.SIGSTOP)
        if seconds:
            asyncio.get_running_loop().call_later(seconds, os.kill, pid, signal.SIGCONT)
        return answer

    setattr(of, name, asked)


if __name__ == "__main__":
    freeze(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
    patience.SILENT_S = float(sys.argv[4]) or patience.SILENT_S
    sys.exit(main(sys.argv[5:]))
