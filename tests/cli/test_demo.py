"""`relay demo` as a newcomer runs it: a process of its own, with nothing configured."""

import asyncio
import gc
import http.client
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from relay.cli import demo_children
from relay.cli.demo import follow, produce
from relay.cli.demo_tally import Progress, Tally

ROOT = Path(__file__).parents[2]
DEMO = (sys.executable, "-m", "relay", "demo")
ENDS_S = 60  # of 30 events: 6 s until the worker has joined, 3 s of backoff, the rest is a slow machine
SETTLED = "[1-9][0-9]* of [0-9]+ deliveries settled"
CONSOLE = "Delivery History: http://(127.0.0.1:[0-9]+)/\n"
TOKEN = r"Delivery History: sign in with the token (rly_[A-Za-z0-9_-]{43})\n"
# What somebody who also runs relay may have set: each would end the demo, or send it elsewhere, if it counted.
THEIRS = {
    "RELAY_KAFKA_BOOTSTRAP_SERVERS": "kafka.example:9092",
    "RELAY_TOPIC_PREFIX": "theirs",
    "RELAY_RETRY_DELAYS": "24h",
    "RELAY_SECRET_KEYS": "no key",
    "RELAY_NO_SUCH_SETTING": "1",
}


@contextmanager
def running(*arguments: str, out: int = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
    """The demo, ended and waited for whatever becomes of the test."""
    environ = os.environ | THEIRS | {"TERM": "xterm", "COLUMNS": "160", "LINES": "40"}
    with subprocess.Popen(
        [*DEMO, *arguments], cwd=ROOT, env=environ, stdout=out, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)  # it has a worker of its own to end


def read_until(source: int, enough: Callable[[str], object]) -> str:
    """What is there to read until it is enough, or until its end."""
    until_s = time.monotonic() + ENDS_S
    raw = b""
    while not enough(text := raw.decode(errors="replace")):
        assert time.monotonic() < until_s, text
        if select.select([source], [], [], 1.0)[0]:
            try:
                chunk = os.read(source, 65_536)
            except OSError:  # so Linux tells the end of a terminal
                chunk = b""
            if not chunk:
                break
            raw += chunk
    return raw.decode()


def asked(address: str, token: str) -> int:
    """What the console's API answers its holder."""
    connection = http.client.HTTPConnection(address, timeout=ENDS_S)
    connection.request("GET", "/api/v1/age", headers={"Authorization": f"Bearer {token}"})
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_demo_of_30_events_ends_by_itself() -> None:
    """In a pipe: every delivery settled, retries on the way, every request verified, status 0."""
    with running("--events", "30") as demo:
        out, err = (raw.decode() for raw in demo.communicate(timeout=ENDS_S))

    assert (0, "") == (demo.returncode, err)
    lines = out.splitlines()
    # 10 leads: each event for the first customer, one of three for each of the other two
    assert re.fullmatch(r"30 events made 50 deliveries in [0-9.]+ s: 50 delivered, 0 given up, 0 dropped", lines[-3])
    # of the flaky one's 10, each twice
    assert lines[-2].startswith("70 attempts, 20 of them to be made again; latency p50 ")
    assert "70 of 70 requests verified by their receivers" == lines[-1]
    assert re.search("^[0-9]+ events: [0-9]+ of [0-9]+ deliveries settled, ", out, re.MULTILINE)
    assert "\x1b" not in out


@pytest.mark.parametrize("work", [produce, follow])
async def test_a_demo_that_ends_while_it_starts_leaves_no_client_open(
    bootstrap: str, work: Callable[[str, Progress], Coroutine[Any, Any, None]]
) -> None:
    """The client tells of each on stderr, and its own `async with` forgets one whose start is cut short."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the same again, as a warning
        async with asyncio.TaskGroup() as group:
            starting = group.create_task(work(bootstrap, Progress(tally=Tally({}), wanted=None)))
            await asyncio.sleep(0)
            starting.cancel()
        gc.collect()

    assert [] == [context["message"] for context in told]


async def test_without_the_consoles_extra_it_is_told_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And the rest goes on."""
    monkeypatch.setattr(demo_children, "NEEDED", ("asyncio", "no_such_module"))
    shown: list[str] = []

    async with demo_children.consoled({}, tmp_path, shown.append):
        assert shown == [demo_children.MISSING]


async def test_a_console_that_ends_by_itself_is_told_with_its_reason(tmp_path: Path) -> None:
    """Deliveries do not need it, so a demo goes on."""
    shown: asyncio.Queue[str] = asyncio.Queue()
    environ = {"RELAY_NO_SUCH_SETTING": "1", "PYTHONPATH": str(ROOT)}

    async with demo_children.consoled(environ, tmp_path, shown.put_nowait):
        told = await shown.get()

    assert re.match("Delivery History: the console ended with status 2: relay: .*RELAY_", told)


def test_a_terminal_shows_a_table_that_is_drawn_anew() -> None:
    """A row a customer, in place, and the summary below it."""
    screen, terminal = pty.openpty()
    with running("--events", "3", out=terminal) as demo:
        os.close(terminal)
        shown = read_until(screen, lambda _: False)
        status = demo.wait(ENDS_S)
    os.close(screen)

    assert status == 0
    assert "\x1b[" in shown
    for title in ("subscription", "delivered", "retry", "waiting to retry", "CRM", "Newsletter (slow)"):
        assert shown.count(title) > 1
    assert re.search(r"Helpdesk \(flaky\) +│ +1 │ +2 │", shown)  # delivered once, after two retries
    assert "5 delivered, 0 given up, 0 dropped" in shown


@pytest.mark.parametrize(
    "tell",
    [
        pytest.param(lambda demo: os.killpg(demo.pid, signal.SIGINT), id="Ctrl-C"),  # goes to the worker too
        pytest.param(lambda demo: demo.terminate(), id="SIGTERM"),
    ],
)
def test_an_endless_demo_ends_when_told_to(tell: Callable[[subprocess.Popen[bytes]], None]) -> None:
    """
    With a summary of what there was; nothing is missing of what never had an end, so the status is 0. Until then its
    console is where it says, for whoever has the token.
    """
    with running() as demo:
        assert demo.stdout is not None
        out = read_until(
            demo.stdout.fileno(),
            lambda text: all(re.search(one, text) for one in (SETTLED, CONSOLE, TOKEN)),
        )
        address, token = re.search(CONSOLE, out), re.search(TOKEN, out)
        assert address is not None
        assert token is not None
        assert (200, 401) == (asked(address[1], token[1]), asked(address[1], f"rly_{'A' * 43}"))
        tell(demo)
        rest, err = (raw.decode() for raw in demo.communicate(timeout=ENDS_S))

    assert (0, "") == (demo.returncode, err)
    assert re.search("^[0-9]+ events made [0-9]+ deliveries in ", out + rest, re.MULTILINE)
    verified, requests = re.findall("^([0-9]+) of ([0-9]+) requests verified", out + rest, re.MULTILINE)[0]
    assert 0 < int(verified) == int(requests)
    assert "wrong:" not in rest
    with pytest.raises(ProcessLookupError):  # nobody of it is left behind
        os.killpg(demo.pid, 0)
