"""The newest notices, and what stands now. Pure."""

from bisect import insort
from collections.abc import Iterable
from typing import Any

from relay.model import SubscriptionId
from relay.pipeline.notice import Kind, Word

KEPT = 1_000  # notices; what is older is on the topic
STANDING = 10_000  # endpoints that are failing or disabled, as many as a worker remembers (pipeline/health)


class Board:
    """What was told, of any account; bounded."""

    def __init__(self, *, kept: int = KEPT, standing: int = STANDING) -> None:
        self._kept, self._most = kept, standing
        self._newest: list[tuple[int, int, Word]] = []  # by when they were told, and in the order that they came
        self._standing: dict[SubscriptionId, Word] = {}  # in that order too
        self._count = 0

    def put(self, word: Word) -> None:
        """One more, in the log's order of its subscription."""
        self._count += 1
        insort(self._newest, (word.at_ms, self._count, word))
        if len(self._newest) > self._kept:
            del self._newest[0]
        self._settle(word)
        if len(self._standing) > self._most:
            del self._standing[next(iter(self._standing))]

    def _settle(self, word: Word) -> None:
        """
        What stands of its subscription. What one worker saw does not end what another did: attempts that were under way
        may be told of after it was disabled.
        """
        before = self._standing.get(word.subscription_id)
        match word.kind:
            case Kind.DISABLED:
                self._stand(word)
            case Kind.RE_ENABLED:
                self._standing.pop(word.subscription_id, None)
            case Kind.RECOVERED:
                if before is not None and before.kind is Kind.FAILING:
                    del self._standing[word.subscription_id]
            case Kind.FAILING:
                is_disabled = before is not None and before.kind is Kind.DISABLED and word.version <= before.version
                is_known = before is not None and before.kind is Kind.FAILING and before.since_ms <= word.since_ms
                if not is_disabled and not is_known:
                    self._stand(word)

    def _stand(self, word: Word) -> None:
        self._standing.pop(word.subscription_id, None)
        self._standing[word.subscription_id] = word

    def page(self, *, account: str | None, limit: int = KEPT) -> list[dict[str, Any]]:
        """
        Each as in schemas/notice.v1.json, newest first.

        Args:
            account: Of this one alone; None: of all.
            limit: At most so many.
        """
        return _shown((word for *_, word in reversed(self._newest)), account, limit)

    def standing(self, *, account: str | None, limit: int = STANDING) -> list[dict[str, Any]]:
        """The notices, `failing` or `disabled`, of what is so now; the latest first."""
        return _shown(sorted(self._standing.values(), key=lambda word: -word.at_ms), account, limit)


def _shown(words: Iterable[Word], account: str | None, limit: int) -> list[dict[str, Any]]:
    mine = (dict(word.told) for word in words if account is None or word.account_id == account)
    return [one for one, _ in zip(mine, range(limit), strict=False)]
