"""All tokens in memory."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from relay.access.codec import encode_token
from relay.access.register import Broken, Register, audited, fold
from relay.access.values import Scope, Token
from tests.builders import Fetched

NOON = "2026-11-01T12:00:00.000Z"


def a_token(number: int = 1, *, account: str | None = None) -> Token:
    return Token(
        id=f"tok_{number}",
        name=f"token {number}",
        prefix=f"rly_{number:06}",
        hash=f"{number:064x}",
        scope=Scope.READ,
        account_id=account,
        created_at=NOON,
        created_by="cli:root",
        expires_at=None,
    )


def record(number: int, value: bytes | None) -> Fetched:
    return Fetched(key=f"tok_{number}".encode(), value=value)


def written(token: Token) -> Fetched:
    return Fetched(key=token.id.encode(), value=encode_token(token))


def test_the_newest_record_of_an_id_counts() -> None:
    """Compaction may have left older ones, or tombstones."""
    one, other = a_token(1), a_token(2)

    there = fold([written(one), written(other), written(replace(one, name="again")), record(2, None)], {})

    assert {"tok_1": replace(one, name="again")} == there


def test_a_record_that_cannot_be_read_lets_nobody_in() -> None:
    """Nor the token that stood there before: what became of it is not known."""
    register = Register()
    register.apply([written(a_token())])

    register.apply([record(1, b"{}")])

    assert register.by_hash(a_token().hash) is None
    assert register.by_id("tok_1") is None
    assert [] == register.all()
    assert isinstance(fold([record(1, b"{}")], {})["tok_1"], Broken)


def test_one_that_was_revoked_elsewhere_before_we_heard_of_our_own_writing_does_not_come_back() -> None:
    """The log was read further meanwhile than to what we wrote."""
    register, token = Register(), a_token()
    register.apply([written(token), record(1, None)])

    register.add(token)

    assert register.by_hash(token.hash) is None
    assert [] == register.all()


def test_they_are_listed_newest_first() -> None:
    """As people look for the one that they just made."""
    register = Register()
    later = replace(a_token(1), created_at="2026-11-02T12:00:00.000Z")
    register.replace(fold(map(written, (a_token(2), later, a_token(3))), {}))

    assert ["tok_1", "tok_3", "tok_2"] == [one.id for one in register.all()]


STEPS = st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["write", "break", "delete", "replace"])), max_size=20)


@given(STEPS)
def test_whatever_comes_in_pieces_or_at_once_is_the_same(steps: list[tuple[int, str]]) -> None:
    """Followed record by record, or read to the end; and whoever counts by id counts by hash."""
    log: list[Fetched] = []
    followed = Register()
    for number, step in steps:
        match step:
            case "write":
                log.append(written(a_token(number)))
            case "break":
                log.append(record(number, b"{"))
            case "delete":
                log.append(record(number, None))
            case _:
                followed.replace(fold(log, {}))
                continue
        followed.apply(log[-1:])
    read = Register()
    read.replace(fold(log, {}))

    assert read.all() == followed.all()
    for register in (read, followed):
        assert bool(fold(log, {})) == bool(register)
        for number in range(1, 5):
            assert register.by_id(f"tok_{number}") == register.by_hash(a_token(number).hash)


def test_what_is_told_of_a_token_lets_nobody_in() -> None:
    """Its name, scope and first characters; of one that could not be read, that it is gone."""
    token = a_token(account="acc_1")
    at = {"by": "cli:root", "at": NOON}

    (made,) = audited({}, {"tok_1": token}, **at)
    (revoked,) = audited({"tok_1": token}, {"tok_1": None}, **at)
    (broken,) = audited({"tok_1": Broken("not JSON")}, {"tok_1": None}, **at)

    known = {"name": "token 1", "prefix": "rly_000001", "scope": "read"}
    assert ("token.created", "acc_1", known | {"expires_at": None}) == (made.action, made.account_id, made.details)
    assert ("token.revoked", "acc_1", known) == (revoked.action, revoked.account_id, revoked.details)
    assert ("token.revoked", None, {}) == (broken.action, broken.account_id, broken.details)
    assert {("cli:root", NOON, "tok_1")} == {(one.actor, one.at, one.subject) for one in (made, revoked, broken)}
