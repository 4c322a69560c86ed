"""What tests of commands on the embedded broker have in common."""

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

SECRET = "a-secret-nobody-may-see"
URL = "http://receiver.example/hook"
GIVEN = ("--secret-file", "-")


class Done(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401  whatever it printed
        return orjson.loads(self.out)


Relay = Callable[..., Done]


def create(ident: str, *, account: str = "acct-1", url: str = URL) -> tuple[str, ...]:
    """The command, but for its secret."""
    where = ("--id", ident, "--account", account, "--url", url)
    return ("subscriptions", "create", *where, "--name", "Hook", "--events", "LeadUpdated")


def names(done: Done) -> dict[str, str]:
    """Of `list -o json`."""
    return {one["id"]: one["name"] for one in done.json}
