"""`relay subscriptions`, one at a time, on the embedded broker."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.cli.driver import GIVEN, URL, Relay, create

LONG = "a secret that is long enough for a pair"


def test_a_new_subscription_is_printed_as_it_is_stored(relay: Relay) -> None:
    """With its id, events by their canonical names, and of its secret no more than when it holds."""
    done = relay(*create("one"), *GIVEN, "-o", "json")

    assert done.status == 0
    assert {
        "id": "one",
        "account_id": "acct-1",
        "url": URL,
        "events": ["lead.updated"],
        "secrets": [{"active_at": None, "expires_at": None}],
        "state": "active",
        "version": 1,
    }.items() <= done.json.items()
    assert relay("subscriptions", "get", "one", "-o", "json").json == done.json
    assert relay("subscriptions", "list", "-o", "json").json == [done.json]


def test_a_short_secret_is_accepted_with_a_warning(relay: Relay) -> None:
    """The seed's own is `test`; the warning is on stderr, and does not cite it."""
    arguments = [one for one in create("x") if one not in ("--id", "x")]
    done = relay(*arguments, *GIVEN, "-o", "json", stdin="t3st\n")

    assert done.status == 0
    assert done.err == "warning: the secret has fewer than 16 bytes, and may be guessed\n"
    assert "t3st" not in done.out
    assert done.json["id"].startswith("sub_")


def test_a_generated_secret_is_shown_once(relay: Relay) -> None:
    """By the command that made it, and by no other."""
    secret = relay(*create("one"), "-o", "json").json["secret"]

    rotated = relay("subscriptions", "rotate", "one", "-o", "json").json["secret"]

    assert secret.startswith("whsec_")
    assert secret != rotated
    later = [
        relay("subscriptions", "get", "one"),
        relay("subscriptions", "list", "-o", "json"),
        relay("subscriptions", "update", "one", "--name", "Other"),
    ]
    assert [] == [done for done in later if secret in str(done) or rotated in str(done) or "whsec_" in str(done)]


def test_rotate_keeps_the_old_secret_for_as_long_as_it_is_told(relay: Relay) -> None:
    """The new one is in front; one that was given is not printed."""
    relay(*create("one"), *GIVEN)

    done = relay("subscriptions", "rotate", "one", *GIVEN, "--activate-in", "1h", "--expire-in", "2h", "-o", "json")

    new, old = done.json["secrets"]
    assert new["active_at"] is not None
    assert new["expires_at"] is None
    assert old["expires_at"] > new["active_at"]
    assert "secret" not in done.json


def test_the_public_keys_of_one_that_has_them_are_shown(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """To hand to its receiver, from the first answer on; without the ring nobody can tell them."""
    signed = ("--signatures", "standard-webhooks-ed25519")
    made = relay(*create("one"), *signed, *GIVEN, "-o", "json", stdin=LONG).json
    rotated = relay("subscriptions", "rotate", "one", "-o", "json").json
    got = relay("subscriptions", "get", "one", "-o", "json").json
    plain = relay("subscriptions", "update", "one", "--signatures", "sha256", "-o", "json").json
    relay("subscriptions", "update", "one", *signed)
    monkeypatch.delenv("RELAY_SECRET_KEYS")
    without = relay("subscriptions", "get", "one", "-o", "json").json

    (first,) = [secret["public_key"] for secret in made["secrets"]]
    assert first.startswith("whpk_")
    assert first == rotated["secrets"][1]["public_key"] != rotated["secrets"][0]["public_key"]
    assert rotated["secrets"] == got["secrets"]
    assert ["active_at", "expires_at"] == list(plain["secrets"][0])
    assert [None, None] == [secret["public_key"] for secret in without["secrets"]]


def test_a_secret_that_could_be_guessed_from_its_public_key_is_refused(relay: Relay) -> None:
    """Wherever it would come to be used for one; nothing is written."""
    relay(*create("one"), *GIVEN, stdin="short")
    ed25519 = ("--signatures", "standard-webhooks-ed25519")

    refused = [
        relay(*create("two"), *ed25519, *GIVEN, stdin="short"),
        relay("subscriptions", "update", "one", *ed25519),
    ]
    relay("subscriptions", "rotate", "one", *GIVEN, stdin=LONG)
    allowed = relay("subscriptions", "update", "one", *ed25519)
    refused.append(relay("subscriptions", "rotate", "one", *GIVEN, stdin="short"))

    assert [2, 2, 2] == [done.status for done in refused]
    assert all("standard-webhooks-ed25519 needs another secret" in done.err for done in refused)
    assert 0 == allowed.status
    assert ["one"] == [one["id"] for one in relay("subscriptions", "list", "-o", "json").json]


@pytest.mark.parametrize("content", ["authorization: 'Bearer t0ken\n", "x: *t0ken", "x: !t0ken y", "\tx: t0ken\0"])
def test_a_file_of_headers_that_cannot_be_read_is_not_cited(relay: Relay, tmp_path: Path, content: str) -> None:
    """The parser would show the line, or the word; which line it was is told."""
    (tmp_path / "headers").write_text(content)

    done = relay(*create("one"), "--header-file", "headers", *GIVEN)

    assert done.status == 2
    assert done.err.startswith("relay: header-file: is no YAML")
    assert "t0ken" not in done.err


def test_a_secret_in_place_of_its_file_is_not_cited(relay: Relay) -> None:
    """A slip that would otherwise stand in whatever keeps this output."""
    done = relay(*create("one"), "--secret-file", "s3cret")

    assert (2, "relay: secret-file: cannot be read: No such file or directory\n") == (done.status, done.err)


def test_a_change_changes_what_is_said_and_nothing_else(relay: Relay) -> None:
    """One version on; said again, it makes no version."""
    old = relay(*create("one"), *GIVEN, "--bot", "bot-1", "-o", "json").json

    new = relay("subscriptions", "update", "one", "--events", "*", "--if-version", "1", "-o", "json").json
    again = relay("subscriptions", "update", "one", "--events", "*", "-o", "json")

    assert {"events", "version", "updated_at"} == {name for name in new if new[name] != old[name]}
    assert ["lead.created", "lead.updated", "lead.completed"] == new["events"]
    assert (2, "nothing was different\n") == (again.json["version"], again.err)


def test_a_limit_is_set_changed_and_lifted(relay: Relay) -> None:
    """`null` lifts it, as it does a filter; what is not said stays."""
    limits = ("--rate-per-s", "2.5", "--max-in-flight", "4")
    update = ("subscriptions", "update", "one", "-o", "json")

    made = [
        relay(*create("one"), *limits, *GIVEN, "-o", "json").json,
        relay(*update, "--rate-per-s", "10").json,
        relay(*update, "--max-in-flight", "null").json,
        relay(*update, "--rate-per-s", "null", "--max-in-flight", "1").json,
    ]

    assert [(2.5, 4), (10, 4), (10, None), (None, 1)] == [(one["rate_per_s"], one["max_in_flight"]) for one in made]


@pytest.mark.parametrize("wrong", ["0", "-1", "-0.5", "nan", "inf", "1e999", "10000.1", "true", "", "lots", "9" * 5000])
@pytest.mark.parametrize("option", ["--rate-per-s", "--max-in-flight"])
def test_a_limit_that_is_none_is_refused_with_its_bounds(relay: Relay, option: str, wrong: str) -> None:
    """Exit status 2, the field and what it may be; the value is cited, but not at length."""
    done = relay("subscriptions", "update", "one", option, wrong)

    assert done.status == 2
    assert done.err.startswith(f"relay: {option.strip('-').replace('-', '_')}: must be ")
    assert " to 10000" in done.err
    assert "null for no limit" in done.err
    assert len(done.err) < 400


def test_pause_and_resume(relay: Relay) -> None:
    """The reason is there for as long as the pause."""
    relay(*create("one"), *GIVEN)

    states = [
        relay("subscriptions", *arguments, "-o", "json").json
        for arguments in (("pause", "one", "--reason", "they move house"), ("resume", "one"))
    ]

    assert [("paused", "they move house"), ("active", None)] == [(it["state"], it["state_reason"]) for it in states]


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        (("pause", "one", "--reason"), "\x1b[31mred"),
        (("update", "one", "--name"), "\x1b[31mred"),
        (("update", "one", "--bot"), "bot\x1b[31m"),
        (("rotate", "one", "--expire-in"), "9999999d"),
        (("rotate", "one", "--expire-in"), "3651d"),
        (("rotate", "one", "--expire-in", "1d", "--activate-in"), "999999999d"),
    ],
)
def test_what_could_not_be_shown_or_dated_is_refused(relay: Relay, option: tuple[str, ...], wrong: str) -> None:
    """Exit status 2 and the option; what there was stays."""
    relay(*create("one"), *GIVEN)
    before = relay("subscriptions", "list", "-o", "json").json

    done = relay("subscriptions", *option, wrong)

    assert done.status == 2
    assert option[-1].strip("-").replace("bot", "bot_ids") == done.err.split(": ")[1]
    assert "\x1b" not in done.err
    assert before == relay("subscriptions", "list", "-o", "json").json


def test_who_did_it_is_one_line_whoever_it_was(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """LOGNAME may hold anything, bytes that are no text among them."""
    monkeypatch.setenv("LOGNAME", "ann\x1b[31m\udcff")

    done = relay(*create("one"), *GIVEN, "-o", "json")

    assert r"cli:ann\x1b[31m\udcff" == done.json["updated_by"]


async def test_what_others_stored_is_shown_and_not_obeyed(relay: Relay, bootstrap: str) -> None:
    """Any writer's name may clear the screen, also with the one character that JSON leaves as it is."""
    await asyncio.to_thread(relay, *create("one"), *GIVEN)
    topic = f"{os.environ['RELAY_TOPIC_PREFIX']}.subscriptions"
    at = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        consumer.assign([at])
        stored = orjson.loads((await consumer.getone(at)).value)
    evil = "\x1b[2J\x9b1m :b: \u202ex"
    changed = orjson.dumps(stored | {"name": evil, "state_reason": evil, "bot_ids": [evil]})
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        await producer.send_and_wait(topic, changed, key=b"one", partition=0)
        await producer.send_and_wait(topic, b"{", key=evil.encode(), partition=0)

    commands = (("subscriptions", "list"), ("subscriptions", "get", "one"), ("check",))
    tables = [await asyncio.to_thread(relay, *command) for command in commands]
    lists = [await asyncio.to_thread(relay, *command, "-o", "json") for command in commands]

    shown = r"\x1b[2J\x9b1m :b: \u202ex"
    assert all(shown in done.out for done in tables)
    assert [] == [one for done in tables for one in done.out + done.err if not one.isprintable() and one != "\n"]
    assert [] == [one for done in lists for one in done.out if one in "\x1b\x9b"]
    assert [evil, evil] == [lists[0].json[0]["name"], lists[1].json["name"]]


def test_delete_is_for_good(relay: Relay) -> None:
    """Then there is nothing to delete."""
    relay(*create("one"), *GIVEN)

    statuses = [relay("subscriptions", "delete", "one").status for _ in range(2)]

    assert [0, 3] == statuses
    assert [] == relay("subscriptions", "list", "-o", "json").json


def test_each_way_to_fail_has_its_status(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """1 a conflict, 2 what was typed, 3 not found, 4 beyond the quota; none of them changes anything."""
    monkeypatch.setenv("RELAY_MAX_SUBSCRIPTIONS_PER_ACCOUNT", "1")
    relay(*create("one"), *GIVEN)
    before = relay("subscriptions", "list", "-o", "json").json

    statuses = [
        relay(*create("one"), *GIVEN).status,
        relay("subscriptions", "update", "one", "--name", "Other", "--if-version", "7").status,
        relay("subscriptions", "update", "one").status,
        relay("subscriptions", "update", "one", "--timeout-s", "3600").status,
        relay("subscriptions", "rotate", "one", "--activate-in", "2h", "--expire-in", "1h").status,
        relay("subscriptions", "get", "two").status,
        relay("subscriptions", "pause", "two").status,
        relay(*create("two"), *GIVEN).status,
    ]

    assert [1, 1, 2, 2, 2, 3, 3, 4] == statuses
    assert before == relay("subscriptions", "list", "-o", "json").json


def test_everything_that_is_wrong_with_a_new_one_is_told_at_once(relay: Relay) -> None:
    """What is missing, what is wrong, and what this version does not do: refused, not ignored."""
    wrong = ("--id", "_", "--url", "ftp://x", "--rate-per-s", "0", "--max-in-flight", "4.5", "--order", "lead")

    done = relay("subscriptions", "create", "--account", "a", *wrong, *GIVEN)

    assert done.status == 2
    fields = {line.split(":")[1].strip() for line in done.err.splitlines()}
    assert {"name", "events", "id", "url", "order", "rate_per_s", "max_in_flight"} == fields
    assert done.err.count("this version does not do that: leave it out") == 1


def test_a_list_in_a_pipe_is_cut_nowhere(relay: Relay) -> None:
    """However long a URL: what reads a pipe has no edge."""
    url = f"{URL}/{'x' * 600}"
    relay(*create("one", url=url), *GIVEN)

    piped = subprocess.run(
        [sys.executable, "-m", "relay", "subscriptions", "list"],
        env={**os.environ, "COLUMNS": "80"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    header, row = piped.stdout.splitlines()
    assert ["id", "account_id", "name", "url", "events", "state", "version"] == header.split()
    assert ["one", "acct-1", "Hook", url, "lead.updated", "active", "1"] == row.split()


def test_nothing_to_list_is_said_to_people_alone(relay: Relay) -> None:
    """A table of nothing is no output; an array of nothing is one."""
    assert ("", "no subscriptions: `relay subscriptions create` registers one\n") == relay("subscriptions", "list")[1:]
    assert [] == relay("subscriptions", "list", "-o", "json").json
