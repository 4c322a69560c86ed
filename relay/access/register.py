"""All tokens, as their topic tells them: by id, and by the hash of what their holders show. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from relay.access.codec import decode_token
from relay.access.values import Token
from relay.errors import Malformed
from relay.model import Record
from relay.store.entry import Action, AuditEntry


@dataclass(frozen=True, slots=True)
class Broken:
    """A record that this version cannot read: its token, whatever it was, lets nobody in."""

    why: str


Existing = Mapping[str, Token | Broken]
Changes = Mapping[str, Token | None]


def fold(records: Iterable[Record], onto: dict[str, Token | Broken]) -> dict[str, Token | Broken]:
    """What there is after these records, the newest of each id. Never raises."""
    for record in records:
        token_id = (record.key or b"").decode(errors="backslashreplace")
        if record.value is None:
            onto.pop(token_id, None)
            continue
        try:
            onto[token_id] = decode_token(record.key, record.value)
        except Malformed as why:
            onto[token_id] = Broken(str(why))
    return onto


def audited(existing: Existing, changes: Changes, *, by: str, at: str) -> list[AuditEntry]:
    """The entries of a change: what a token may do, and for whom; nothing that would let anybody in."""
    entries: list[AuditEntry] = []
    for token_id, new in changes.items():
        old = existing.get(token_id)
        one = new or (old if isinstance(old, Token) else None)
        details: dict[str, Any] = {"name": one.name, "prefix": one.prefix, "scope": one.scope.value} if one else {}
        if new is not None:
            details["expires_at"] = new.expires_at
        entries.append(
            AuditEntry(
                at=at,
                actor=by,
                action=Action.TOKEN_REVOKED if new is None else Action.TOKEN_CREATED,
                account_id=one.account_id if one else None,
                subject=token_id,
                details=details,
            )
        )
    return entries


class Register:
    """What there is now. One that was revoked does not come back: ids are never reused."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token | Broken] = {}
        self._by_hash: dict[str, Token] = {}
        self._gone: set[str] = set()  # as many as were revoked since the start, and no more

    def replace(self, tokens: Existing) -> None:
        """There are these, and no others."""
        for token_id in self._tokens.keys() - tokens.keys():
            self.remove(token_id)
        for token_id, one in tokens.items():
            self._put(token_id, one)

    def apply(self, records: Iterable[Record]) -> None:
        """Changed as these say, in their order."""
        for record in records:
            for token_id, one in fold([record], {}).items():
                self._put(token_id, one)
            if record.value is None:
                self.remove((record.key or b"").decode(errors="backslashreplace"))

    def add(self, token: Token) -> None:
        """It was made just now, by ourselves: it counts before its record is read. Not where it was revoked already."""
        if token.id not in self._gone:
            self._put(token.id, token)

    def remove(self, token_id: str) -> None:
        """It counts no more."""
        one = self._tokens.pop(token_id, None)
        if isinstance(one, Token):
            self._by_hash.pop(one.hash, None)
        self._gone.add(token_id)

    def __bool__(self) -> bool:
        """Whether there is any, also one that cannot be read."""
        return bool(self._tokens)

    def by_hash(self, hashed: str) -> Token | None:
        return self._by_hash.get(hashed)

    def by_id(self, token_id: str) -> Token | None:
        one = self._tokens.get(token_id)
        return one if isinstance(one, Token) else None

    def all(self) -> list[Token]:
        """Those that can be read, newest first."""
        there = [one for one in self._tokens.values() if isinstance(one, Token)]
        return sorted(there, key=lambda one: (one.created_at, one.id), reverse=True)

    def _put(self, token_id: str, one: Token | Broken) -> None:
        before = self._tokens.get(token_id)
        if isinstance(before, Token):
            self._by_hash.pop(before.hash, None)
        self._tokens[token_id] = one
        if isinstance(one, Token):
            self._by_hash[one.hash] = one
