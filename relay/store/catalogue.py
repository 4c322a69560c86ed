"""
A worker's index is as the topic of subscriptions is: read to its end before the first event, and followed from then on.

A subscription that cannot be read or opened stays under its last readable matching fields with nothing to sign with, so
its deliveries are put off and seen, never skipped without a word (DESIGN.md section 8).
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress

import structlog
from aiokafka.errors import KafkaError

from relay import settings
from relay.broker import kafka_settings
from relay.config import Config
from relay.errors import ConfigProblem, Problem
from relay.metrics import Metrics
from relay.model import Record, Sealed, Subscription, SubscriptionId
from relay.pipeline.match import Endpoint, Index, endpoint, unknown
from relay.pipeline.notice import Kind
from relay.pipeline.sign import OpenedSecret, Signer
from relay.settings import shown
from relay.store.edits import Stored, Unreadable, re_enabled
from relay.store.following import Following
from relay.store.keyring import CannotOpen, KeyRing
from relay.store.rewrap import sealed_of
from relay.store.subscriptions import fold
from relay.topics import Topics

log = structlog.get_logger()


def opened(subscription: Subscription, keys: KeyRing) -> Endpoint:
    """
    Ready to be called.

    Raises:
        CannotOpen: One of its secrets or headers; nothing may be sent without.
    """

    def plain(sealed: Sealed, header: str | None = None) -> bytes:
        return keys.open(sealed, account_id=subscription.account_id, subscription_id=subscription.id, header=header)

    secrets = [
        OpenedSecret(value=plain(one.sealed), active_ms=one.active_ms, expires_ms=one.expires_ms)
        for one in subscription.secrets
    ]
    if all(one.expires_ms is not None for one in secrets):
        raise CannotOpen("it has no secret that lasts, and nothing is sent unsigned")
    try:
        headers = {name: plain(sealed, name).decode() for name, sealed in subscription.headers.items()}
        return endpoint(subscription, signer=Signer(secrets, subscription.signatures), headers=headers)
    except ValueError:  # a whsec_ that is no base64, a pair that is none: no writer of ours stores that
        raise CannotOpen("a secret or header is none that could be used") from None


def opens_any(subscription: Subscription, keys: KeyRing) -> bool:
    """Whether the ring opens anything that is sealed for it, be it of use or not: then it is no stranger's."""
    headers: list[tuple[Sealed, str | None]] = [(sealed, name) for name, sealed in subscription.headers.items()]
    for sealed, header in [*((one.sealed, None) for one in subscription.secrets), *headers]:
        with suppress(CannotOpen):
            keys.open(sealed, account_id=subscription.account_id, subscription_id=subscription.id, header=header)
            return True
    return False


class Catalogue:
    """Keeps the index of one worker."""

    def __init__(self, config: Config, index: Index, metrics: Metrics, *, transactions: bool) -> None:
        self._index = index
        self._metrics = metrics
        self._keys = KeyRing(config.secret_keys)
        self._following = Following(
            kafka_settings(config),
            Topics(config.topic_prefix).subscriptions,
            committed_only=transactions,
            all_of_it=self._take,
            more=self._apply,
            troubled=_troubled,
        )
        self._stored: dict[SubscriptionId, Stored] = {}
        self._unreadable: set[SubscriptionId] = set()

    async def load(self) -> None:
        """
        The index holds every subscription that there is now, and no other.

        Raises:
            KafkaError: The broker is in trouble.
        """
        await self._following.load()

    def _take(self, records: Sequence[Record]) -> None:
        stored = fold(records, {})
        for gone in self._stored.keys() - stored.keys():
            self._remove(gone)
        self._stored = stored
        for subscription_id in stored:
            self._put(subscription_id)
        self._count()
        log.info("subscriptions.loaded", subscriptions=len(self._index), unreadable=len(self._unreadable))

    def refuse_a_strange_ring(self) -> None:
        """
        At its start a worker whose ring opens nothing ends: it was given another's, and would put all off unseen.

        Raises:
            ConfigProblem: It opens nothing that is sealed. Where it opens anything, only the others wait.
        """
        there = [one for one in self._stored.values() if isinstance(one, Subscription) and [*sealed_of(one)]]
        if there and not any(opens_any(one, self._keys) for one in there):
            ids = sorted({sealed.key_id for one in there for sealed in sealed_of(one)})
            rule = f"opens none of the {len(there)} subscriptions that are stored: they are sealed with"
            raise ConfigProblem(Problem("RELAY_SECRET_KEYS", f"{rule} {', '.join(map(shown, ids))}"))

    async def follow(self) -> None:
        """Changes are in force as they are written, until cancelled. Never raises for trouble of the broker's."""
        await self._following.follow()

    async def close(self) -> None:
        """Disconnected; the index stays as it is."""
        await self._following.close()

    def _apply(self, records: Iterable[Record]) -> None:
        for record in records:
            subscription_id = SubscriptionId((record.key or b"").decode(errors="backslashreplace"))
            before, shown = self._stored.get(subscription_id), settings.shown(subscription_id)
            fold([record], self._stored)
            if subscription_id in self._stored:
                self._put(subscription_id)
                log.info("subscription.changed", subscription_id=shown)
                if re_enabled(before, self._stored[subscription_id]):
                    self._metrics.notices.add(Kind.RE_ENABLED.value)
                    log.info("subscription.re_enabled", subscription_id=shown)
            else:
                self._remove(subscription_id)
                log.info("subscription.removed", subscription_id=shown)
            self._count()

    def _put(self, subscription_id: SubscriptionId) -> None:
        one = self._stored[subscription_id]
        self._unreadable.discard(subscription_id)
        if isinstance(one, Unreadable):
            self._cannot(subscription_id, one.last, one.why)
            return
        try:
            self._index.put(opened(one, self._keys))
        except CannotOpen as why:
            self._cannot(subscription_id, one, str(why))

    def _cannot(self, subscription_id: SubscriptionId, last: Subscription | None, why: str) -> None:
        self._unreadable.add(subscription_id)
        shown = settings.shown(subscription_id)  # whoever writes to the topic may call it anything, at any length
        log.error("subscription.unreadable", subscription_id=shown, reason=why, matches=last is not None)
        self._index.put(unknown(subscription_id) if last is None else endpoint(last, signer=None, headers={}))

    def _remove(self, subscription_id: SubscriptionId) -> None:
        self._unreadable.discard(subscription_id)
        self._index.remove(subscription_id)

    def _count(self) -> None:
        self._metrics.subscriptions.set(len(self._index))
        self._metrics.unreadable.set(len(self._unreadable))


def _troubled(error: KafkaError) -> None:
    log.warning("subscriptions.troubled", error=repr(error))
