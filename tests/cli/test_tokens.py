"""`relay tokens`, on the embedded broker."""

import pytest

from relay.access.tokens import is_one
from tests.cli.driver import Relay


def test_a_token_is_shown_by_the_command_that_made_it_and_never_again(relay: Relay) -> None:
    """Everything else about it is; on a terminal too."""
    made = relay("tokens", "create", "--name", "portal", "--account", "acct-1", "--expires-in", "90d", "-o", "json")

    row = made.json
    token = row.pop("token")
    assert (0, "", True) == (made.status, made.err, is_one(token))
    assert {
        "name": "portal",
        "scope": "read",
        "account_id": "acct-1",
        "prefix": token[:10],
    }.items() <= row.items()
    assert row["created_by"].startswith("cli:")
    assert row["created_at"] < row["expires_at"]
    listed = relay("tokens", "list", "-o", "json")
    assert [row] == listed.json
    assert token not in listed.out + relay("tokens", "list").out


def test_a_token_that_was_revoked_is_gone(relay: Relay) -> None:
    """Once; the exit status of a second time is that of what is not there."""
    token_id = relay("tokens", "create", "--name", "CI", "--scope", "admin", "-o", "json").json["id"]

    assert f"revoked {token_id}\n" == relay("tokens", "revoke", token_id).err
    assert [] == relay("tokens", "list", "-o", "json").json
    again = relay("tokens", "revoke", token_id)

    assert (3, f"relay: there is no token {token_id}: `relay tokens list` shows all\n") == (again.status, again.err)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--name", ""], "relay: name: "),
        (["--name", "CI", "--scope", "root"], "relay: scope: must be read, write, admin (given: root)"),
        (["--name", "CI", "--account", "*"], "relay: account: "),
        (["--name", "CI", "--expires-in", "soon"], "relay: expires-in: must be a whole number and a unit"),
        (["--name", "CI", "--expires-in", "59s"], "relay: expires-in: must be from 1m to 3650d"),
    ],
)
def test_what_is_wrong_is_told_by_its_option(relay: Relay, arguments: list[str], told: str) -> None:
    """And nothing is made."""
    done = relay("tokens", "create", *arguments)

    assert 2 == done.status
    assert done.err.startswith(told)
    assert "no tokens: `relay tokens create` makes one\n" == relay("tokens", "list").err
