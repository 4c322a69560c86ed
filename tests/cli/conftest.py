"""One embedded broker a module, and the commands on it."""

import io
import os
import uuid
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.cli.app import main
from relay.embedded import EmbeddedBroker
from tests.cli.driver import SECRET, Done, Relay


@pytest.fixture(scope="module")
def bootstrap() -> Iterator[str]:
    """One broker for all; each test has a prefix of its own."""
    with EmbeddedBroker() as broker:
        yield broker.bootstrap


@pytest.fixture
def relay(bootstrap: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Relay:
    """Runs one command in this process; its secret is on stdin unless told otherwise."""
    for name in [name for name in os.environ if name.startswith("RELAY_")]:
        monkeypatch.delenv(name)
    prefix = f"t{uuid.uuid4().hex[:10]}"
    monkeypatch.setenv("RELAY_KAFKA_BOOTSTRAP_SERVERS", bootstrap)
    monkeypatch.setenv("RELAY_TOPIC_PREFIX", prefix)
    monkeypatch.setenv("RELAY_EVENTS_TOPICS", f"{prefix}.events")
    monkeypatch.setenv("RELAY_SECRET_KEYS", "k1:" + b64encode(bytes(range(32))).decode())
    monkeypatch.setenv("RELAY_ALLOW_HTTP", "true")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: str = SECRET) -> Done:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        status = main(arguments)
        captured = capsys.readouterr()
        assert SECRET not in captured.out + captured.err  # whatever the command
        return Done(status, captured.out, captured.err)

    return run
