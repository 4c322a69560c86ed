"""The tutorial as a user does it: a listener, a subscription, a sample event, and what the receiver and results say."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from relay.samples import ACCOUNT
from tests.kafka.driver import Relay, until

pytestmark = pytest.mark.kafka

SECRET = "test"  # as the seed's tutorial has it


class Listener:
    """`relay listen` in a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], out: Path, err: Path) -> None:
        self.process = process
        self._out = out
        self._err = err

    @property
    def url(self) -> str | None:
        """Where it listens, once it says so."""
        match = re.search(r"listening on (http://\S+)", self._err.read_text())
        return match and match[1]

    @property
    def lines(self) -> list[str]:
        """What it printed, a line a request."""
        return self._out.read_text().splitlines()

    def end(self) -> tuple[int, str]:
        """Ctrl-C: its status and its last word."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(30)
        return status, self._err.read_text().splitlines()[-1]


@contextmanager
def listening(relay: Relay, secret: str) -> Iterator[Listener]:
    """A listener that checks this secret."""
    paths = [relay.folder / name for name in ("secret", "listen.out", "listen.err")]
    paths[0].write_text(f"{secret}\n")
    command = [sys.executable, "-m", "relay", "listen", "--port", "0", "--secret-file", str(paths[0])]
    with paths[1].open("wb") as out, paths[2].open("wb") as err:
        process = subprocess.Popen(command, env=relay.env, stdout=out, stderr=err)
    relay.processes.append(process)
    yield Listener(process, *paths[1:])


async def followed(relay: Relay, listener: Listener) -> dict[str, Any]:
    """The tutorial's steps; the first result."""
    await relay.prepare()
    await until(lambda: listener.url)
    where = ("--account", ACCOUNT, "--name", "Tutorial", "--url", f"{listener.url}api/webhooks")
    await relay.do(
        "subscriptions", "create", *where, "--events", "LeadUpdated", "--secret-file", "-", stdin=f"{SECRET}\n"
    )
    await relay.do("send", "--type", "LeadUpdated")
    worker = relay.worker()
    await until(lambda: listener.lines)
    await until(relay.results)
    assert await relay.end(worker) == 0
    return (await relay.results())[0]


async def test_the_receiver_of_the_tutorial_verifies(kafka: str, prefix: str, tmp_path: Path) -> None:
    """It prints the event as verified and answers 200; the result tells the same story, under the same id."""
    with Relay(kafka, prefix, tmp_path) as relay, listening(relay, SECRET) as listener:
        result = await followed(relay, listener)

        (line,) = listener.lines
        assert re.fullmatch(
            rf"[0-9:.]+ /api/webhooks lead\.updated attempt 1 {result['delivery_id']} verified -> 200", line
        )
        assert {"verdict": "delivered", "reason": "ok", "status": 200, "attempt": 1}.items() <= result.items()
        assert (0, "1 accepted, 0 refused") == listener.end()


async def test_a_receiver_with_another_secret_refuses(kafka: str, prefix: str, tmp_path: Path) -> None:
    """403, and the result records it as an attempt that will be made again."""
    with Relay(kafka, prefix, tmp_path) as relay, listening(relay, "another") as listener:
        result = await followed(relay, listener)

        assert "NOT VERIFIED -> 403 (x-artibot-signature does not match" in listener.lines[0]
        assert {"verdict": "retry", "reason": "status", "status": 403, "attempt": 1}.items() <= result.items()
        assert result["next_attempt_at"] is not None
        status, last = listener.end()
        assert status == 0
        assert re.fullmatch("0 accepted, [1-9] refused", last)
