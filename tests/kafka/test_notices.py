"""What becomes of an endpoint that is gone or failing, and who hears of it, on a real Kafka."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from relay.pipeline.results import rfc3339
from tests.builders import a_word
from tests.kafka.driver import Relay, an_event, until
from tests.kafka.journal import Journal
from tests.kafka.test_bounds import figures
from tests.test_schemas import validator

pytestmark = pytest.mark.kafka


class Hasty(Relay):
    """Its workers take a second for relay's minute of 410s."""

    worker_command: tuple[str, ...] = ("tests.kafka.hasty", "gone")

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

    async def grown_old(self, *idents: str) -> None:
        """As if they had been as they are for a month."""
        records = {record.key.decode(): json.loads(record.value) for record in await self.read(self.subscriptions)}
        month = {"created_at": an_instant(-30), "updated_at": an_instant(-30)}
        await self.produce(
            [(ident.encode(), json.dumps(records[ident] | month).encode()) for ident in idents],
            topic=self.subscriptions,
        )

    @property
    def subscriptions(self) -> str:
        return f"{self.prefix}.subscriptions"

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


def an_instant(days: float) -> str:
    """From now."""
    return rfc3339(int((time.time() + days * 86_400) * 1000))  # noqa: TID251  workers tell it by the wall clock


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


async def test_what_others_told_to_be_failing_six_days_ago_is_disabled_or_recovers_here(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """
    As relay runs: five days are five days. A worker that is no more told of both; the one that starts now disables
    what fails still, and tells that the other is well. What it has failed for a moment is left as it is.
    """
    async with Journal() as journal:
        with Hasty(kafka, prefix, tmp_path) as relay:
            relay.worker_command = Relay.worker_command
            await relay.prepare()
            for ident, path in (("dead", "status/500/a"), ("well", "ok/b"), ("new", "status/500/c")):
                await relay.subscribe(ident, journal.url(path))
            await relay.grown_old("dead", "well", "new")
            since, at = an_instant(-6.1), an_instant(-6)
            words = [
                a_word(subscription_id=ident, account_id="acct-1", since=since, at=at) for ident in ("dead", "well")
            ]
            await relay.produce(
                [(word.subscription_id.encode(), json.dumps(dict(word.told)).encode()) for word in words],
                topic=f"{prefix}.notices",
            )
            worker = relay.worker()

            await relay.emit([an_event()])
            await until(lambda: relay.logged("subscription.changed", 1))
            await relay.emit([an_event()])
            await until(lambda: relay.has_results("dead", 3), every=0.3)
            assert await relay.end(worker) == 0

            notices = {one["kind"]: one for one in await relay.notices()}
            assert {"failing", "disabled", "recovered"} == set(notices)
            assert ("dead", "failing", 500, since) == tuple(
                notices["disabled"][name] for name in ("subscription_id", "reason", "status", "since")
            )
            assert ("well", "ok", since) == tuple(
                notices["recovered"][name] for name in ("subscription_id", "reason", "since")
            )
            found = await relay.subscription("dead")
            assert ("disabled", "relay worker", 2) == (found["state"], found["updated_by"], found["version"])
            assert f"has taken nothing since {since}, for longer than RELAY_DISABLE_AFTER" in found["state_reason"]
            assert "active" == (await relay.subscription("new"))["state"]
            assert (await relay.counted("dead"))["retry"] == 2
