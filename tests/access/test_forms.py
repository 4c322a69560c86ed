"""What a person wrote of a token."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.access.forms import made
from relay.access.values import Scope, Token
from relay.errors import Invalid
from relay.pipeline.results import rfc3339

NOON_MS = 1_793_534_400_000
NOON = "2026-11-01T12:00:00.000Z"
SAID: dict[str, Any] = {"name": "CI", "scope": "read", "account": None, "expires_at": None}


def read(**said: object) -> Token:
    known: dict[str, Any] = {
        "token_id": "tok_1",
        "hashed": "0" * 64,
        "prefix": "rly_abcdef",
        "by": "cli:root",
        "now_ms": NOON_MS,
    }
    return made(**known, **SAID | said)


def test_a_token_is_made_as_it_was_wished_for() -> None:
    """Who made it and when is written with it."""
    token = read(scope="write", account="acct-1", expires_at="2027-01-01T01:00:00.0005+01:00")

    assert Token(
        id="tok_1", name="CI", prefix="rly_abcdef", hash="0" * 64, scope=Scope.WRITE, account_id="acct-1",
        created_at=NOON, created_by="cli:root", expires_at="2027-01-01T00:00:00.000Z",
    ) == token  # fmt: skip


@pytest.mark.parametrize(
    ("field", "written"),
    [
        *(("name", one) for one in ("", "x" * 201, "a\nb", "\x1b[31m", None, 7)),
        *(("scope", one) for one in ("", "Read", "root", None, ["read"])),
        *(("account", one) for one in ("", "*", "x" * 257, "a\0b", 7)),
        *(("expires_at", one) for one in ("", "tomorrow", "2027-01-01", "2027-01-01T00:00:00", NOON, 7)),
        *(("expires_at", one) for one in ("2026-11-01T12:59:59+01:00", "9999-12-31T23:59:59-01:00")),
    ],
)
def test_what_breaks_a_rule_is_told_by_its_field(field: str, written: object) -> None:
    """And by nothing else's."""
    with pytest.raises(Invalid) as refused:
        read(**{field: written})

    assert [field] == [one.field for one in refused.value.problems]


@given(st.datetimes(datetime(2026, 11, 2), datetime(9998, 12, 31)), st.integers(-14, 14))  # noqa: DTZ001  it gets a zone
def test_an_expiry_is_the_moment_that_was_meant(at: datetime, hours: int) -> None:
    """In whatever zone it was written; cut to the millisecond."""
    written = at.replace(tzinfo=timezone(timedelta(hours=hours)))

    expires_at = read(expires_at=written.isoformat()).expires_at

    ms = (written - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert rfc3339(ms) == expires_at
