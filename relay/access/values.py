"""Who may do what, as values. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from relay.errors import NotAllowed


class Scope(StrEnum):
    """What a token may do; each includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Whoever asks."""

    name: str
    scope: Scope
    account: str | None = None  # None: everything

    def may(self, scope: Scope) -> bool:
        """Whether the scope is theirs."""
        ranks = list(Scope)
        return ranks.index(scope) <= ranks.index(self.scope)

    def require(self, scope: Scope) -> None:
        """
        Raises:
            NotAllowed: It is not theirs.
        """
        if not self.may(scope):
            raise NotAllowed(f"this needs the scope {scope}, and {self.name} has {self.scope}")
