"""What becomes of an endpoint that is gone or failing, and who hears of it, on a real Kafka."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.kafka.driver import Relay, an_event, until
from tests.kafka.journal import Journal
from tests.kafka.test_bounds import figures
from tests.test_schemas import validator

pytestmark = pytest.mark.kafka


class Hasty(Relay):
    """Its workers take a second for relay's minute of 410s."""

    worker_command = ("tests.kafka.hasty", "gone")

    async def notices(self) -> list[dict[str, Any]]:
        """Each of its schema, under its subscription's id."""
        records = await self.read(f"{self.prefix}.notices")
        values: list[dict[str, Any]] = [json.loads(record.value) for record in records]
        for record, value in zip(records, values, strict=True):
            validator("notice").validate(value)
            assert record.key == value["subscription_id"].encode()
        return values

    async def subscription(self, ident: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self.do("subscriptions", "get", ident, "-o", "json"))
        return found

    async def emit_until_logged(self, event: str) -> int:
        """One event after another until a worker says so; how many."""
        count = 0

        async def one_more() -> bool:
            nonlocal count
            await self.emit([an_event()])
            count += 1
            return self.logged(event, 1)

        await until(one_more, 60, every=0.3)
        return count

    async def counted(self, ident: str) -> Counter[str]:
        """Results of a subscription by verdict."""
        return Counter(row["verdict"] for row in await self.results() if row["subscription_id"] == ident)

    async def has_results(self, ident: str, count: int) -> bool:
        return (await self.counted(ident)).total() == count


async def test_an_endpoint_that_is_gone_is_disabled_and_told_until_somebody_resumes_it(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Its next events are dropped, each with a result; another subscription has them all."""
    async with Journal() as journal:
        with Hasty(kafka, prefix, tmp_path) as relay:
            await relay.prepare()
            await relay.subscribe("gone", journal.url("status/410/t0ken"))
            await relay.subscribe("well", journal.url("ok/a"))
            worker = relay.worker()

            sent = await relay.emit_until_logged("subscription.disabled")
            await until(lambda: relay.logged("subscription.changed", 1))
            called = len(journal.of("status/410/t0ken"))
            await relay.emit(an_event() for _ in range(3))
            await until(lambda: relay.has_results("gone", sent + 3), every=0.3)

            assert {"gave_up": called, "dropped": sent + 3 - called} == await relay.counted("gone")
            assert 3 <= called <= sent
            assert called == len(journal.of("status/410/t0ken"))
            reasons = {row["reason"] for row in await relay.results() if row["verdict"] == "dropped"}
            assert {"subscription_disabled"} == reasons
            found = await relay.subscription("gone")
            assert ("disabled", "relay worker", 2) == (found["state"], found["updated_by"], found["version"])
            assert "410" in found["state_reason"]
            assert (await figures(relay))['relay_notices_total{kind="disabled"}'] == 1

            await relay.do("subscriptions", "resume", "gone")
            await until(lambda: relay.logged("subscription.changed", 2))
            await relay.emit([an_event()])
            await until(lambda: len(journal.of("status/410/t0ken")) == called + 1)
            await until(lambda: relay.has_results("well", sent + 4), every=0.3)
            assert await relay.end(worker) == 0

            told, again = await relay.notices()
            assert ("re-enabled", "gone", 3, "active") == tuple(
                again[name] for name in ("kind", "subscription_id", "subscription_version", "reason")
            )
            assert again["worker"].startswith("cli:")
            assert (again["since"], again["at"]) == (
                found["updated_at"],
                (await relay.subscription("gone"))["updated_at"],
            )
            assert relay.logged("subscription.re_enabled", 1)
            assert ("disabled", "gone", 1, 410) == tuple(
                told[name] for name in ("kind", "subscription_id", "subscription_version", "status")
            )
            assert told["since"] < told["at"]
            assert "t0ken" not in relay.raw_logs() + json.dumps([told, again])


async def test_of_two_workers_that_call_an_endpoint_that_is_gone_one_disables_it(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Each sees 410s of its own; the subscription is one version on, and one notice tells it."""
    async with Journal() as journal:
        with Hasty(kafka, prefix, tmp_path) as relay:
            await relay.prepare()
            await relay.subscribe("gone", journal.url("status/410/a"))
            workers = [relay.worker(), relay.worker()]
            await until(lambda: relay.logged("assignment.loaded", 4))

            sent = 0

            async def both() -> bool:
                nonlocal sent
                await relay.emit(an_event() for _ in range(8))
                sent += 8
                return await relay.has_results("gone", sent) and (await relay.counted("gone"))["dropped"] >= 8

            await until(both, 60, every=0.3)
            for worker in workers:
                assert await relay.end(worker) == 0

            assert 2 == len({row["worker"] for row in await relay.results() if row["verdict"] == "gave_up"})
            assert 2 == (await relay.subscription("gone"))["version"]
            assert ["disabled"] == [one["kind"] for one in await relay.notices()]


async def test_an_endpoint_that_has_been_failing_is_told_and_so_is_its_recovery(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """Once each, of the same beginning; one that fails now and then is not spoken of. Two seconds are the hour here."""
    delays = "1s,1s,1s,1s,1s"
    async with Journal() as journal:
        with Hasty(kafka, prefix, tmp_path, RELAY_RETRY_DELAYS=delays) as relay:
            relay.worker_command = ("tests.kafka.hasty", "failing")
            await relay.prepare()
            await relay.subscribe("ill", journal.url("flaky/5/a"))
            await relay.subscribe("odd", journal.url("flaky/1/b"))
            worker = relay.worker()

            await relay.emit([an_event()])
            await until(lambda: relay.logged("endpoint.recovered", 1))
            assert await relay.end(worker) == 0

            assert {"retry": 5, "delivered": 1} == await relay.counted("ill")
            failing, recovered = await relay.notices()
            assert [("failing", "ill", "status", 500), ("recovered", "ill", "ok", 200)] == [
                (one["kind"], one["subscription_id"], one["reason"], one["status"]) for one in (failing, recovered)
            ]
            assert failing["since"] == recovered["since"] < failing["at"] < recovered["at"]
            assert "active" == (await relay.subscription("ill"))["state"]
