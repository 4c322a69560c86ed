"""SIGTERM ends a worker with 0, whatever its broker is doing; what was settled by then is as safe as it was."""

import os
import signal
from pathlib import Path

import pytest

from tests.kafka.driver import Relay, until
from tests.kafka.server import Server

pytestmark = pytest.mark.kafka

ENDS_S = 30  # nothing is in flight: flush, commit and goodbyes, each with some seconds of its own


def process_of(broker: Server) -> int:
    assert broker.process is not None
    return broker.process.pid


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_worker_ends_while_its_broker_is_gone(
    broker: Server, prefix: str, tmp_path: Path, how: signal.Signals
) -> None:
    """Killed, or there and silent."""
    with Relay(broker.bootstrap, prefix, tmp_path) as relay:
        await relay.prepare()
        worker = relay.worker()
        await until(lambda: relay.logged("assignment.loaded", 2))

        os.kill(process_of(broker), how)
        worker.send_signal(signal.SIGTERM)
        await until(lambda: worker.poll() is not None, ENDS_S)

        assert worker.returncode == 0, relay.raw_logs()[-3000:]
        assert "Traceback" not in relay.raw_logs()


async def test_a_worker_ends_while_it_starts_against_a_broker_that_falls_silent(
    broker: Server, prefix: str, tmp_path: Path
) -> None:
    """Between having found everything in order and having joined its groups."""
    with Relay(broker.bootstrap, prefix, tmp_path) as relay:
        await relay.prepare()
        worker = relay.worker()
        await until(lambda: relay.logged("subscriptions.loaded", 1), every=0.005)

        os.kill(process_of(broker), signal.SIGSTOP)
        worker.send_signal(signal.SIGTERM)
        await until(lambda: worker.poll() is not None, ENDS_S)

        assert worker.returncode == 0, relay.raw_logs()[-3000:]
