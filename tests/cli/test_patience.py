"""A command ends when its broker no longer answers, or somebody presses Ctrl-C; whatever its clients think of it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from relay.cli.patience import DOUBT, started
from tests.absent import without
from tests.cli.driver import Done
from tests.kafka.driver import ROOT, Relay, until
from tests.kafka.server import NoKafka, Server

ENDS_S = 15.0  # of 10 that are promised; the rest is a slow machine
AT_ONCE_S = 6.0  # likewise
# Ctrl-C is heard: a gate that was put in the background is deaf to it, and so are its children.
AT_A_TERMINAL = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from relay.__main__ import main; sys.exit(main())"
)
MANY = ("send", "--count", "1000000")  # for longer than any test waits


async def test_a_client_whose_start_fails_is_stopped() -> None:
    """Nothing is left open."""
    calls: list[str] = []

    class Client:
        async def start(self) -> None:
            calls.append("start")
            raise OSError("no")

        async def stop(self) -> None:
            calls.append("stop")

    with pytest.raises(OSError, match="no"):
        async with started(Client()):
            calls.append("never")

    assert ["start", "stop"] == calls


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    """A real Kafka of this file's own: it is frozen, and nobody else should wait for it."""
    try:
        one = Server.start()
    except NoKafka as reason:
        without("real Kafka", reason)
    with one:
        if one.process is None:
            pytest.skip("RELAY_TEST_KAFKA is not ours to freeze")
        yield one


@pytest.fixture
def relay(own: Server, prefix: str, tmp_path: Path) -> Iterator[Relay]:
    """The commands on it; awake again afterwards."""
    with Relay(own.bootstrap, prefix, tmp_path) as one:
        try:
            yield one
        finally:
            own.thaw()


def pid(server: Server) -> int:
    assert server.process is not None
    return server.process.pid


async def frozen(
    relay: Relay, server: Server, question: str, *arguments: str, seconds: int = 0, patient_s: int = 0
) -> Done:
    """What a command says and leaves whose broker freezes once that question is answered; and how long it takes."""
    options = (str(pid(server)), question, str(seconds), str(patient_s))
    command = [sys.executable, "-m", "tests.cli.freezing", *options, *arguments]
    began_s = time.monotonic()
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env=relay.env, capture_output=True, timeout=120, check=False
    )
    assert time.monotonic() - began_s < ENDS_S
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("question", "command", "said"),
    [
        pytest.param("topics", "subscriptions list", "stopped answering", id="list, before it has read"),
        pytest.param(
            "subscriptions", "subscriptions pause one", f"stopped answering{DOUBT}", id="an edit, in its midst"
        ),
        pytest.param("cluster", "topics apply", "no Kafka answers at", id="topics, before any is made"),
        pytest.param("cluster", "check", "no Kafka answers at", id="check, before its last step"),
    ],
)
async def test_a_command_ends_when_the_broker_freezes_in_its_midst(
    own: Server, relay: Relay, question: str, command: str, said: str
) -> None:
    """It takes connections, for the kernel does, and answers nothing: told within some 10 s, exit status 5."""
    await relay.do("topics", "apply")
    await relay.subscribe("one", "http://127.0.0.1:1999/hook")
    if command == "topics apply":
        command += " --with-events"  # something is left to make

    hasty_s = 3 if "pause" in command else 0  # that it is some 10 s is seen of the others
    done = await frozen(relay, own, question, *command.split(), patient_s=hasty_s)

    assert (5, "") == (done.status, done.out)
    assert said in done.err
    assert "Traceback" not in done.err


@pytest.mark.kafka
async def test_an_edit_during_which_the_broker_is_away_for_a_moment_is_made(own: Server, relay: Relay) -> None:
    """A broker that is slow, or restarts, is no broker that is gone."""
    await relay.do("topics", "apply")
    await relay.subscribe("one", "http://127.0.0.1:1999/hook")

    done = await frozen(relay, own, "subscriptions", "subscriptions", "pause", "one", "-o", "json", seconds=3)

    assert (0, "paused", "") == (done.status, done.json["state"], done.err)


@pytest.mark.kafka
@pytest.mark.parametrize("ctrl_c", [False, True], ids=["by itself", "Ctrl-C"])
async def test_samples_end_when_the_broker_freezes(own: Server, relay: Relay, *, ctrl_c: bool) -> None:
    """Though aiokafka would try for ever; Ctrl-C is heard at once."""
    await relay.prepare()
    with sending(relay) as send:
        try:
            await until(lambda: some_arrived(relay))
            os.kill(pid(own), signal.SIGSTOP)
            if ctrl_c:
                await asyncio.sleep(1)  # until nothing moves any more
                send.send_signal(signal.SIGINT)
            began_s = time.monotonic()
            out, err = await asyncio.to_thread(send.communicate, timeout=60)
        finally:
            send.kill()

    assert time.monotonic() - began_s < (AT_ONCE_S if ctrl_c else ENDS_S)
    said = "" if ctrl_c else "relay: the broker stopped answering, and some events may have been published\n"
    assert (130 if ctrl_c else 5, b"", said) == (send.returncode, out, err.decode())


def sending(relay: Relay) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", AT_A_TERMINAL, *MANY]
    return subprocess.Popen(command, env=relay.env, stdout=PIPE, stderr=PIPE)


async def some_arrived(relay: Relay) -> bool:
    ats = [TopicPartition(relay.events, number) for number in range(4)]
    async with AIOKafkaConsumer(bootstrap_servers=relay.bootstrap) as consumer:
        return any((await consumer.end_offsets(ats)).values())
