"""What a person wrote of a token to be made -> the token, or every problem at once. Pure."""

from collections.abc import Callable
from typing import TypeVar

from relay.access.values import Scope, Token
from relay.errors import Invalid, Problem
from relay.instants import epoch_ms
from relay.model import EVERY_ACCOUNT
from relay.pipeline.results import rfc3339
from relay.settings import cited
from relay.store.forms import MAX_NAME_CHARACTERS, account_id, line

T = TypeVar("T")


def made(
    *,
    token_id: str,
    hashed: str,
    prefix: str,
    name: object,
    scope: object,
    account: object,
    expires_at: object,
    by: str,
    now_ms: int,
) -> Token:
    """
    A new one.

    Args:
        token_id: Its id, never used before.
        hashed: Of what is handed out, its hash.
        prefix: And what is shown of it.
        name: What people call it.
        scope: `read`, `write` or `admin`.
        account: Whose it sees; None: every account's.
        expires_at: RFC 3339 with a zone, and still to come; None: never.
        by: Who makes it.
        now_ms: When.

    Raises:
        Invalid: All that is wrong with it.
    """
    problems: list[Problem] = []

    def field(label: str, written: object, read: Callable[[str], T]) -> T | None:
        try:
            return read(_text(written))
        except ValueError as rule:
            problems.append(Problem(label, str(rule), cited(written)))
            return None

    named = field("name", name, lambda text: line(text, MAX_NAME_CHARACTERS))
    scoped = field("scope", scope, _scope)
    bound = None if account is None else field("account", account, _account)
    ends = None if expires_at is None else field("expires_at", expires_at, lambda text: _to_come(text, now_ms))
    if problems or named is None or scoped is None:
        raise Invalid(*problems)
    return Token(
        id=token_id,
        name=named,
        prefix=prefix,
        hash=hashed,
        scope=scoped,
        account_id=bound,
        created_at=rfc3339(now_ms),
        created_by=by,
        expires_at=ends,
    )


def _text(written: object) -> str:
    if not isinstance(written, str):
        raise ValueError("must be text")  # noqa: TRY004  a rule that was broken, as the others are
    return written


def _scope(text: str) -> Scope:
    if text not in list(Scope):
        raise ValueError(f"must be {', '.join(Scope)}")
    return Scope(text)


def _account(text: str) -> str:
    if text == EVERY_ACCOUNT:
        raise ValueError("must be one account's id; without one the token is for every account")
    return account_id(text)


def _to_come(text: str, now_ms: int) -> str:
    ms = epoch_ms(text)
    if ms <= now_ms:
        raise ValueError("must be still to come")
    return rfc3339(ms)
