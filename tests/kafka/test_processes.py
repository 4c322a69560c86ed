"""`relay worker --processes N` on a real Kafka: shared work, deaths, stops, and one page of figures for all."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession

from tests.kafka.driver import Relay, an_event, until
from tests.kafka.journal import Journal

pytestmark = pytest.mark.kafka

TWO = ("--processes", "2")
JOIN_S = 60  # of two processes that start on a busy machine


class Several(Relay):
    """Processes under one command, as its log tells of them."""

    def lines(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.logs() if line["event"] == event]

    def pids(self) -> dict[int, int]:
        """Of each process's latest start."""
        return {line["process"]: line["pid"] for line in self.lines("process.started")}

    def none_lives(self) -> bool:
        return not any(lives(line["pid"]) for line in self.lines("process.started"))

    def address(self) -> str:
        """Where all are shown; empty while that is nowhere."""
        return next((line["address"] for line in self.lines("metrics.listening") if "process" not in line), "")

    async def get(self, path: str) -> tuple[int, str]:
        """What the one endpoint answers; 0 while there is none."""
        if not self.address():
            return 0, ""
        try:
            async with ClientSession() as session, session.get(f"http://{self.address()}{path}") as response:
                return response.status, await response.text()
        except ClientError:
            return 0, ""

    async def ready(self) -> bool:
        return (await self.get("/readyz"))[0] == 200

    async def delivered(self) -> dict[str, set[str]]:
        """Who delivered what: worker -> delivery ids."""
        by_worker: dict[str, set[str]] = {}
        for row in await self.results():
            if row["verdict"] == "delivered":
                by_worker.setdefault(row["worker"], set()).add(row["delivery_id"])
        return by_worker


@pytest.fixture
def relay(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Several]:
    """With an id, so that the partitions of one that is killed come back with its next start."""
    with Several(kafka, prefix, tmp_path, RELAY_INSTANCE_ID="box") as relay:
        try:
            yield relay
        finally:
            for line in relay.lines("process.started"):  # whatever failed, nothing is left behind
                if lives(line["pid"]):
                    os.kill(line["pid"], signal.SIGKILL)


def lives(pid: int) -> bool:
    """Whether there is such a process, and it has not ended already without anybody having asked how."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


async def started(relay: Several, url: str, **settings: str) -> Popen[bytes]:
    """Two processes that have joined, with one subscription."""
    await relay.prepare()
    await relay.subscribe("one", url, events="lead.updated")
    processes = relay.worker(*TWO, **settings)
    await until(relay.ready, JOIN_S)
    return processes


async def test_two_share_the_work_are_seen_as_one_and_stop_as_one(relay: Several) -> None:
    """
    Partitions, figures and readiness of both, and an address that neither may call; one SIGTERM, both drain what they
    have under way, exit status 0.
    """
    async with Journal() as journal:
        del relay.env[
            "RELAY_INSTANCE_ID"
        ]  # static members ask for a rebalance each, and what a stop meets there is open
        processes = await started(relay, journal.url("held/a"))
        await relay.subscribe("own", f"http://{relay.address()}/metrics", events="lead.created")
        await relay.emit([an_event("lead-0", action="created")])
        await until(lambda: relay.result_count(subscription_id="own", reason="blocked_address"))
        await relay.emit(an_event(f"lead-{n}") for n in range(200))
        await until(lambda: len(journal.calls) == 200)
        status, page = await relay.get("/metrics")
        children = relay.pids()

        processes.send_signal(signal.SIGTERM)
        await until(lambda: len(relay.lines("worker.stopping")) == 2)
        processes.send_signal(signal.SIGINT)  # somebody is impatient: nothing is cut short
        for pid in children.values():
            os.kill(pid, signal.SIGINT)  # as a terminal does to all of its foreground
        held = processes.poll()
        journal.release.set()

        assert await asyncio.to_thread(processes.wait, 30) == 0
        assert held is None
        assert relay.none_lives()
        by_worker = await relay.delivered()
        assert 2 == len(by_worker)
        assert journal.ids("held/a") == set.union(*by_worker.values())
        assert len(journal.calls) == 200
        assert await relay.lag() == 0

        assert status == 200
        assert page.count("# TYPE relay_in_flight gauge\n") == 1
        assert "\nrelay_processes 2.0\n" in page
        in_flight = [line.split() for line in page.splitlines() if line.startswith("relay_in_flight{")]
        assert ['relay_in_flight{process="1"}', 'relay_in_flight{process="2"}'] == [name for name, _ in in_flight]
        assert sum(float(value) for _, value in in_flight) == 200

        assert {1, 2} == {line["process"] for line in relay.lines("worker.stopped")}
        assert {0} == {line["status"] for line in relay.lines("process.ended")}


async def test_one_that_is_killed_is_started_again_and_nothing_is_lost(relay: Several) -> None:
    """In the middle of the work, twice; meanwhile not all are ready, and the other goes on."""
    events = 4_000
    async with Journal() as journal:
        processes = await started(relay, journal.url("ok/a"))
        await relay.emit(an_event(f"lead-{n}") for n in range(events))
        for after in (events // 8, events // 4):
            await until(lambda after=after: len(journal.calls) > after)  # type: ignore[misc]
            killed = relay.pids()[1]
            os.kill(killed, signal.SIGKILL)
            await until(lambda killed=killed: relay.pids()[1] != killed)  # type: ignore[misc]
            not_ready, _ = await relay.get("/readyz")
            await until(relay.ready, JOIN_S)

        await until(lambda: len({call.event["resource_id"] for call in journal.calls}) == events, 60)
        await until(lambda: relay.lag_is(0))
        _, page = await relay.get("/metrics")
        assert await relay.end(processes) == 0

        assert len(journal.ids("ok/a")) == events
        assert 'relay_process_restarts_total{process="1"} 2.0' in page
        assert not_ready == 503
        assert [-9, -9, 0, 0] == sorted(line["status"] for line in relay.lines("process.ended"))
        assert [1, 2] == [line["deaths"] for line in relay.lines("process.restarting")]
        assert relay.none_lives()


async def test_when_who_looks_after_them_is_killed_they_drain_and_end(relay: Several) -> None:
    """Nobody would stop them any more: each settles what it has under way and commits; so does one started later."""
    async with Journal() as journal:
        processes = await started(relay, journal.url("held/a"))
        os.kill(relay.pids()[1], signal.SIGKILL)
        await until(lambda: len(relay.lines("process.started")) == 3)
        await until(relay.ready, JOIN_S)
        await relay.emit(an_event(f"lead-{n}") for n in range(100))
        await until(lambda: len(journal.calls) == 100)

        await relay.end(processes, signal.SIGKILL)
        await until(lambda: len(relay.lines("worker.stopping")) == 2)
        journal.release.set()
        await until(relay.none_lives)

        assert {1, 2} == {line["process"] for line in relay.lines("worker.stopped")}
        assert journal.ids("held/a") == set.union(*(await relay.delivered()).values())
        assert len(journal.calls) == 100
        assert await relay.lag() == 0


async def test_one_that_keeps_dying_is_given_up_with_its_status(relay: Several) -> None:
    """Its topics are not there, and nobody makes them: five starts, then all end with what it said."""
    processes = relay.worker(*TWO)

    assert await asyncio.to_thread(processes.wait, 120) == 1

    (given_up,) = relay.lines("processes.gave_up")
    assert ("keeps_dying", 1) == (given_up["because"], given_up["status"])
    number = given_up["process"]
    assert sum(line["process"] == number for line in relay.lines("process.started")) == 5
    assert "the topic does not exist; `relay topics apply` makes it" in relay.raw_logs()
    assert relay.none_lives()


async def test_one_whose_settings_are_wrong_since_ends_all_at_once(relay: Several) -> None:
    """The file of settings was edited under them: the next start reads it, and the status is 2."""
    file = relay.folder / "relay.toml"
    file.write_text("in_flight = 8\n")
    async with Journal() as journal:
        await relay.prepare()
        await relay.subscribe("one", journal.url("ok/a"))
        processes = relay.worker(*TWO, "--config", str(file))
        await until(relay.ready, JOIN_S)

        file.write_text("in_flight = 0\n")
        os.kill(relay.pids()[2], signal.SIGKILL)

        assert await asyncio.to_thread(processes.wait, 30) == 2
        assert "RELAY_IN_FLIGHT: must be from 1 to 10000" in relay.raw_logs()
        assert len(relay.lines("worker.stopped")) == 1
        assert relay.none_lives()
