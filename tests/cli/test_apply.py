"""`relay subscriptions apply`: the subscriptions become what a file says, and the difference is shown."""

from pathlib import Path

import pytest

from relay.cli import apply
from relay.config import Config
from relay.errors import Invalid
from tests.cli.driver import GIVEN, SECRET, URL, Relay, create, names


def test_what_a_file_says_is_applied_once(relay: Relay, tmp_path: Path) -> None:
    """The difference is shown before and after, and the same file again makes none."""
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "file.yaml").write_text(
        f"- {{id: one, account_id: acct-1, name: One, url: '{URL}', events: '*', secret_file: secret}}\n"
        "- {id: two, name: Two}\n"
    )
    relay(*create("two"), *GIVEN)
    apply = ("subscriptions", "apply", "-f", str(tmp_path / "file.yaml"))

    dry = relay(*apply, "--dry-run")
    there = names(relay("subscriptions", "list", "-o", "json"))
    wet, again = relay(*apply), relay(*apply, "-o", "json")

    assert [0, 0, 0] == [dry.status, wet.status, again.status]
    assert dry.out == wet.out
    assert "+ one\n" in wet.out
    assert "~ two\n    name: Hook -> Two\n" in wet.out
    assert "nothing was written: --dry-run\n" == dry.err
    assert {"two": "Hook"} == there
    assert ([], "nothing is different\n") == (again.json, again.err)
    assert {"one": "One", "two": "Two"} == names(relay("subscriptions", "list", "-o", "json"))


def test_a_file_deletes_nothing_unless_asked_to(relay: Relay, tmp_path: Path) -> None:
    """And then only of the account that is named."""
    for ident, account in (("mine", "acct-1"), ("kept", "acct-1"), ("theirs", "acct-2")):
        relay(*create(ident, account=account), *GIVEN)
    (tmp_path / "file.yaml").write_text("[{id: kept, name: Kept}]")
    apply = ("subscriptions", "apply", "-f", "file.yaml", "-o", "json")

    statuses = [relay(*apply, "--prune").status, relay(*apply, "--account", "acct-1").status]
    actions = [(one["action"], one["id"]) for one in relay(*apply, "--prune", "--account", "acct-1").json]

    assert [2, 2] == statuses
    assert [("update", "kept"), ("delete", "mine")] == actions
    assert {"kept": "Kept", "theirs": "Hook"} == names(relay("subscriptions", "list", "-o", "json"))


def test_a_file_sets_limits_and_lifts_them(relay: Relay, tmp_path: Path) -> None:
    """What it does not mention stays; null is no limit."""
    relay(*create("one"), *GIVEN)
    file, apply = tmp_path / "file.yaml", ("subscriptions", "apply", "-f", "file.yaml")

    told = []
    for said in ("rate_per_s: 2.5, max_in_flight: 4", "rate_per_s: null", "rate_per_s: .nan, max_in_flight: true"):
        file.write_text(f"[{{id: one, {said}}}]")
        told.append(relay(*apply))
    after = relay("subscriptions", "get", "one", "-o", "json").json

    assert [0, 0, 2] == [done.status for done in told]
    assert "~ one\n    rate_per_s: - -> 2.5\n    max_in_flight: - -> 4\n" == told[0].out
    assert "~ one\n    rate_per_s: 2.5 -> -\n" == told[1].out
    assert [
        "relay: one.rate_per_s: must be from 0.1 to 10000 requests a second, or null for no limit (given: nan)",
        "relay: one.max_in_flight: must be a whole number from 1 to 10000, or null for no limit (given: True)",
    ] == told[2].err.splitlines()
    assert (None, 4) == (after["rate_per_s"], after["max_in_flight"])


def test_a_file_never_holds_a_secret(relay: Relay, tmp_path: Path) -> None:
    """It is refused, with the way it is done, and not cited; so is all else that is wrong in it."""
    (tmp_path / "file.yaml").write_text(f"[{{id: one, secret: {SECRET}}}, {{name: Two}}, {{id: three, evnts: '*'}}]")

    done = relay("subscriptions", "apply", "-f", "file.yaml")

    assert done.status == 2
    assert [
        "relay: one.secret: never stands in this file: name a secret_file",
        "relay: #2.id: is needed: it says which subscription is meant",
        "relay: three.evnts: is no field of a subscription: events?",
    ] == done.err.splitlines()


def test_a_file_that_cannot_be_named_is_one_problem_among_all(relay: Relay, tmp_path: Path) -> None:
    """Both of an entry, what else is wrong in it, and what is wrong in the next."""
    (tmp_path / "file.yaml").write_text(
        '- {id: one, secret_file: "no\\0secret", header_file: "no\\0header", url: nowhere}\n- {id: two, name: ""}\n'
    )

    done = relay("subscriptions", "apply", "-f", "file.yaml")

    assert done.status == 2
    assert ["one.secret_file", "one.header_file", "one.url", "two.name"] == [
        line.split(": ")[1] for line in done.err.splitlines()
    ]
    assert "relay: one.secret_file: cannot be read: no file has such a name" in done.err


def test_nothing_of_a_file_is_said_to_the_terminal_as_it_stands(relay: Relay, tmp_path: Path) -> None:
    """An id and a field's name are cited as they are spelled, on the line of their problem."""
    (tmp_path / "file.yaml").write_text('[{id: "a\\nb\\e[31m", "na\\eme": x}]')

    done = relay("subscriptions", "apply", "-f", "file.yaml")

    assert done.status == 2
    assert "\x1b" not in done.err
    assert [r"relay: a\nb\x1b[31m.id", r"relay: a\nb\x1b[31m.na\x1bme"] == [
        line.partition(": must")[0].partition(": is no")[0] for line in done.err.splitlines()
    ]


def test_a_file_whose_aliases_multiply_is_refused_at_once(tmp_path: Path) -> None:
    """Ten lines that are 10**10 words as text, where an id, a name or a file is wanted."""
    grown = [f"- &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 11)]
    entry = "{id: *a10, name: *a10, secret_file: *a10, header_file: *a10, secrets: *a10}"
    (tmp_path / "file.yaml").write_text("\n".join(["grown:", "- &a0 x", *grown, "subscriptions:", f"- {entry}"]))

    with pytest.raises(Invalid) as caught:
        apply._read(str(tmp_path / "file.yaml"), Config())

    assert 5 == len(caught.value.problems)
    assert 3_000 > len(str(caught.value))
