"""Who asks, and what they may do. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum

from relay.errors import NotAllowed

MARK = "rly_"  # what every token begins with: scanners for leaked secrets find it by that


class Scope(StrEnum):
    """What somebody may do; each includes those before it."""

    READ = "read"  # see everything but secrets
    WRITE = "write"  # change subscriptions, send again
    ADMIN = "admin"  # tokens, the audit, erasing

    def includes(self, other: "Scope") -> bool:
        """Whether whoever has this one may do what needs the other."""
        ranks = list(Scope)
        return ranks.index(self) >= ranks.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Somebody who asks: the holder of a token, a user whom a proxy vouches for, whoever runs a command."""

    name: str  # as `updated_by` and the audit have it: `token:tok_… (its name)`, `proxy:alice`, `cli:root`
    scope: Scope
    account: str | None = None  # None: every account's; else this one's alone

    def may(self, scope: Scope) -> bool:
        """Whether their scope includes this one."""
        return self.scope.includes(scope)

    def require(self, scope: Scope) -> None:
        """
        They may.

        Raises:
            NotAllowed: They may not.
        """
        if not self.may(scope):
            raise NotAllowed(f"this needs the scope {scope}, and {self.name} has {self.scope}")

    def sees(self, account_id: str | None) -> bool:
        """Whether what is this account's is theirs to see; what is nobody's, or `*`, is an operator's."""
        return self.account is None or self.account == account_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as it is stored: what was handed out is not in it, and cannot be had from it."""

    id: str  # `tok_…`
    name: str  # what people call it
    prefix: str  # its first characters, so that people know it again
    hash: str = field(repr=False)  # SHA-256 of the whole, hex
    scope: Scope
    account_id: str | None  # None: every account's
    created_at: str  # RFC 3339 UTC with milliseconds
    created_by: str
    expires_at: str | None  # likewise; None: it does not

    def expired(self, now: str) -> bool:
        """Whether it is over by now, RFC 3339 UTC with milliseconds: as text those stand in the order of time."""
        return self.expires_at is not None and self.expires_at <= now

    @property
    def principal(self) -> Principal:
        """Who its holder is."""
        return Principal(name=f"token:{self.id} ({self.name})", scope=self.scope, account=self.account_id)
