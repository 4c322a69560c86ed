"""`relay secrets rewrap`, and what `check` says of keys, on the embedded broker."""

from base64 import b64encode

import orjson
import pytest

from tests.cli.driver import GIVEN, Relay, create

K1 = "k1:" + b64encode(bytes(range(32))).decode()  # as the fixture has it
K2 = "k2:" + b64encode(bytes(32)).decode()


def uses(out: str) -> list[tuple[str, str, int, int]]:
    return [(one["key_id"], one["state"], one["values"], one["subscriptions"]) for one in orjson.loads(out)]


def test_everything_is_sealed_with_the_newest_key_and_then_the_old_one_may_go(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 is what says so; after it the new key alone opens all, and the second time nothing is written."""
    for name in ("one", "two"):
        relay(*create(name), *GIVEN)
    before = relay("subscriptions", "list", "-o", "json").json
    monkeypatch.setenv("RELAY_SECRET_KEYS", f"{K2},{K1}")

    dry = relay("secrets", "rewrap", "--dry-run", "-o", "json")
    noted = relay("check", "-o", "json").json
    done = relay("secrets", "rewrap", "-o", "json")
    again = relay("secrets", "rewrap", "-o", "json")
    monkeypatch.setenv("RELAY_SECRET_KEYS", K2)
    alone = relay("check", "-o", "json")

    assert (1, [("k2", "newest", 0, 0), ("k1", "older", 2, 2)]) == (dry.status, uses(dry.out))
    assert ("note", "seals 2 values of 2 subscriptions, and is not the newest") == told(noted, "key k1")
    assert (0, [("k2", "newest", 2, 2), ("k1", "older", 0, 0)]) == (done.status, uses(done.out))
    assert "sealed anew: 2 subscriptions\n" == done.err
    assert ("sealed anew: 0 subscriptions\n", done.out) == (again.err, again.out)
    assert ("ok", "seals 2 values of 2 subscriptions") == told(alone.json, "key k2")
    after = relay("subscriptions", "list", "-o", "json").json
    assert [(one["id"], one["version"] + 1) for one in before] == [(one["id"], one["version"]) for one in after]


def told(findings: list[dict[str, str]], what: str) -> tuple[str, str]:
    (one,) = [one for one in findings if one["what"] == what]
    return one["state"], one["detail"]


def test_what_a_missing_key_seals_is_told_and_left_as_it_is(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """By `rewrap` and by `check`, both with exit status 1; with the key back it opens."""
    relay(*create("one"), *GIVEN)
    monkeypatch.setenv("RELAY_SECRET_KEYS", K2)

    done, checked = relay("secrets", "rewrap", "-o", "json"), relay("check", "-o", "json")

    assert (1, [("k2", "newest", 0, 0), ("k1", "missing", 1, 1)]) == (done.status, uses(done.out))
    assert "sealed anew: 0 subscriptions\nkeys that still seal something must stay" in done.err
    assert 1 == checked.status
    detail = "seals 1 values of 1 subscriptions, and RELAY_SECRET_KEYS does not hold it"
    assert ("wrong", detail) == told(checked.json, "key k1")
    monkeypatch.setenv("RELAY_SECRET_KEYS", K1)
    assert 0 == relay("secrets", "rewrap").status


def test_a_ring_that_was_lost_is_got_over_by_new_secrets_and_headers(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the runbook says: what nobody can open goes with the rotation, and nothing is left under the old key."""
    relay(*create("one"), *GIVEN)
    monkeypatch.setenv("RELAY_SECRET_KEYS", K2)

    rotated = relay("subscriptions", "rotate", "one", *GIVEN, "-o", "json")

    assert 1 == len(rotated.json["secrets"])
    assert 0 == relay("check").status
    assert 0 == relay("secrets", "rewrap").status
