"""`relay lanes` and /lanes of real workers, one of whose receivers hangs."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.kafka.driver import SECRET, Relay, an_event, until
from tests.kafka.journal import Journal

pytestmark = pytest.mark.kafka

SOON = {  # a circuit that opens within seconds, but not before a command has been started and has looked
    "RELAY_TIMEOUT_S": "4",
    "RELAY_BREAKER_ATTEMPTS": "4",
    "RELAY_BREAKER_WINDOW_S": "1",
    "RELAY_BREAKER_COOLDOWN_S": "2",
}
JOIN_S = 60  # of two processes that start on a busy machine


def address(relay: Relay) -> str:
    """Where the worker, or all of them, are shown; empty while that is nowhere."""
    told = [line for line in relay.logs() if line["event"] == "metrics.listening" and "process" not in line]
    return told[0]["address"] if told else ""


async def ready(relay: Relay) -> bool:
    if not address(relay):
        return False
    async with ClientSession() as session, session.get(f"http://{address(relay)}/readyz") as response:
        return response.status == 200


async def full(relay: Relay) -> bool:
    """Each of two has as many under way as it may, or more: who had joined first began with the other's share."""
    rows = await shown(relay)
    return len(rows) == 2 and all(one["in_flight"] >= one["max_in_flight"] for one in rows)


async def shown(relay: Relay, *arguments: str) -> list[dict[str, Any]]:
    """What the command says of each lane."""
    rows: list[dict[str, Any]] = json.loads(await relay.do("lanes", "--at", address(relay), "-o", "json", *arguments))
    return rows


async def test_a_receiver_that_hangs_is_seen_first_until_it_is_back(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Its circuit, why and until when, in list, figures and log; beside it the one that is well."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path, **SOON) as relay:
            await relay.prepare()
            await relay.subscribe("hangs", journal.url("held/a"), "--max-in-flight", "4")
            await relay.subscribe("well", journal.url("ok/b"))
            worker = relay.worker()
            await until(lambda: ready(relay), JOIN_S)

            await relay.emit(an_event(f"lead-{number}") for number in range(40))
            await until(lambda: len(journal.of("ok/b")) == 40)
            limited = await shown(relay)
            await until(lambda: relay.logged("circuit.opened", 1))
            opened = (await shown(relay))[0]
            async with ClientSession() as session, session.get(f"http://{address(relay)}/metrics") as response:
                figures = (await response.text()).splitlines()

            journal.release.set()
            await until(lambda: relay.logged("circuit.closed", 1))
            await until(lambda: len(journal.ids("held/a")) == 40)
            await until(lambda: relay.result_count(subscription_id="hangs", verdict="delivered"))
            table = await relay.do("lanes", "--at", address(relay))
            assert await relay.end(worker) == 0

            assert [("hangs", "limited", 4), ("well", "healthy", None)] == [
                (one["subscription_id"], one["state"], one["max_in_flight"]) for one in limited
            ]
            assert limited[0]["queued"] > 0
            assert ("hangs", "acct-1") == (opened["subscription_id"], opened["account_id"])
            assert opened["state"] in {"open", "probing"}
            assert opened["why"].startswith("circuit ")
            assert opened["deferred"] > 0
            assert (opened["retry_at"] is not None) == (opened["state"] == "open")
            assert "relay_circuit_opened_total 1.0" in figures
            assert 'relay_lanes{state="healthy"} 1.0' in figures
            assert table.split()[0] == "subscription_id"
            everything = table + json.dumps([limited, opened])
            assert journal.url("") not in everything
            assert SECRET not in everything
            assert {"hangs"} == {
                line["subscription_id"] for line in relay.logs() if line["event"].startswith("circuit.")
            }

    gone = await asyncio.to_thread(relay.run, "lanes", "--at", address(relay))
    assert (5, "") == (gone.returncode, gone.stdout)
    assert f"no worker answers at {address(relay)} (Connection refused)" in gone.stderr


async def test_several_processes_are_asked_at_their_one_address(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Each has a lane of its own, with its share of the bounds, and tells whose it is."""
    async with Journal() as journal:
        with Relay(kafka, prefix, tmp_path, RELAY_INSTANCE_ID="box") as relay:
            await relay.prepare()
            await relay.subscribe("slow", journal.url("held/a"), "--max-in-flight", "8")
            processes = relay.worker("--processes", "2")
            await until(lambda: ready(relay), JOIN_S)

            await relay.emit(an_event(f"lead-{number}") for number in range(100))
            await until(lambda: len(journal.calls) >= 8)
            await until(lambda: full(relay))
            rows = await shown(relay, "--state", "limited")
            none = await shown(relay, "--state", "healthy")
            journal.release.set()
            assert await relay.end(processes) == 0

            assert [(1, "box-1", "slow"), (2, "box-2", "slow")] == sorted(
                (one["process"], one["worker"], one["subscription_id"]) for one in rows
            )
            assert {"max_in_flight reached"} == {one["why"] for one in rows}
            assert sum(one["max_in_flight"] for one in rows) <= 8
            assert none == []
