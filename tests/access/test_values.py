"""Who may do what."""

from dataclasses import replace

import pytest

from relay.access.values import Principal, Scope
from relay.errors import NotAllowed
from tests.access.test_register import a_token


def a_principal(scope: Scope, account: str | None = None) -> Principal:
    return Principal(name="somebody", scope=scope, account=account)


def test_a_scope_includes_those_before_it() -> None:
    """Read, write, admin; and nothing beyond."""
    assert {
        Scope.READ: [Scope.READ],
        Scope.WRITE: [Scope.READ, Scope.WRITE],
        Scope.ADMIN: [Scope.READ, Scope.WRITE, Scope.ADMIN],
    } == {scope: [one for one in Scope if a_principal(scope).may(one)] for scope in Scope}


def test_who_may_not_is_told_what_it_takes() -> None:
    """And what they have."""
    a_principal(Scope.WRITE).require(Scope.WRITE)

    with pytest.raises(NotAllowed, match="needs the scope admin, and somebody has write"):
        a_principal(Scope.WRITE).require(Scope.ADMIN)


@pytest.mark.parametrize(("account", "seen"), [(None, [None, "*", "a", "b"]), ("a", ["a"])])
def test_whoever_is_bound_to_an_account_sees_that_one_alone(account: str | None, seen: list[str | None]) -> None:
    """Not what is an operator's, nor what is nobody's."""
    whose = (None, "*", "a", "b")

    assert seen == [one for one in whose if a_principal(Scope.ADMIN, account).sees(one)]


def test_a_tokens_holder_is_who_it_says() -> None:
    """Its hash is in no repr: those are logged by accident."""
    token = a_token(7, account="a")

    assert Principal(name="token:tok_7 (token 7)", scope=Scope.READ, account="a") == token.principal
    assert token.hash not in repr(token)


@pytest.mark.parametrize(
    ("expires_at", "expired"),
    [(None, False), ("2026-11-01T12:00:00.001Z", False), ("2026-11-01T12:00:00.000Z", True)],
)
def test_a_token_is_over_at_its_time(expires_at: str | None, *, expired: bool) -> None:
    """And not before."""
    token = replace(a_token(), expires_at=expires_at)

    assert expired is token.expired("2026-11-01T12:00:00.000Z")
