"""
Tokens on their compacted topic: followed, made and revoked. Edge (aiokafka).

Written as subscriptions are, in transactions that fence a rival, each change with its entry of the audit. Who may make
or revoke which is seen to here: nobody hands out more than they have.
"""

from collections.abc import Callable, Sequence

import structlog
from aiokafka.errors import KafkaError

from relay.access import forms, tokens
from relay.access.codec import encode_token
from relay.access.register import Broken, Changes, Existing, Register, audited, fold
from relay.access.values import Principal, Scope, Token
from relay.clock import Clock, SystemClock
from relay.config import Config
from relay.ending import within
from relay.errors import Conflict, NotAllowed, NotFound, Unreachable
from relay.model import Outgoing, Record
from relay.pipeline.results import rfc3339
from relay.settings import shown
from relay.store.entry import outgoing
from relay.store.follow import PARTITION
from relay.store.following import Followed
from relay.store.writer import Writer
from relay.topics import Topics

log = structlog.get_logger()

MOST_TOKENS = 100_000  # that there may be at once: each console holds them all, at some 1 KiB each
# Of one change: a rival that was fenced in the midst of its commit may hold the topic up until its transaction is timed
# out and the broker has looked, 20 s in all (`writer.TRANSACTION_MS`); twice that, and some.
EDIT_S = 60.0
FIRST = Principal(name="console", scope=Scope.ADMIN)  # who makes the first one


class Access:
    """Who is let in. Followed between `start` and `close`; the other calls need neither."""

    def __init__(self, config: Config, *, clock: Clock | None = None) -> None:
        topics = Topics(config.topic_prefix)
        self._topic, self._audit = topics.tokens, topics.audit
        self._clock = clock or SystemClock()
        self._register = Register()
        self._writer = Writer(config, self._topic, beside=(self._audit,))
        self._followed = Followed(
            config,
            self._topic,
            look=self._writer.look,
            all_of_it=self._take,
            more=self._apply,
            troubled=_troubled,
        )

    async def start(self) -> None:
        """
        All tokens that there are now count.

        Raises:
            Unreachable: The broker does not answer.
            NotAllowed: It refuses us.
            TopicProblem: There is no such topic.
        """
        await self._followed.start()

    async def follow(self) -> None:
        """Tokens made or revoked elsewhere count, or count no more, within a second or two; until cancelled."""
        await self._followed.follow()

    async def close(self) -> None:
        """Disconnected; what was known stays known."""
        await self._followed.close()

    def find(self, token: str) -> Token | None:
        """The one that this is, if it counts. Whatever it is handed: a made-up token is no error."""
        return self._counting(self._register.by_hash(tokens.hashed(token))) if tokens.is_one(token) else None

    def find_id(self, token_id: str) -> Token | None:
        """The one with this id, if it counts."""
        return self._counting(self._register.by_id(token_id))

    def authenticate(self, token: str) -> Principal | None:
        """Who holds this token; None: nobody, for it is none, or was revoked, or has expired."""
        found = self.find(token)
        return None if found is None else found.principal

    def tokens(self) -> list[Token]:
        """All that are known, expired ones too, newest first."""
        return self._register.all()

    async def read(self) -> list[Token]:
        """
        All that there are now, newest first, asked of the broker.

        Raises:
            Unreachable, NotAllowed, TopicProblem: As of `start`.
        """
        register = Register()
        register.replace(fold(await self._writer.records(), {}))
        return register.all()

    async def create(
        self, *, name: str, scope: str, account: str | None = None, expires_at: str | None = None, by: Principal
    ) -> tuple[Token, str]:
        """
        The new token, and what its holder shows: this once, for it is stored nowhere.

        Args:
            name: What people call it.
            scope: `read`, `write` or `admin`.
            account: Whose it sees; None: every account's.
            expires_at: RFC 3339 with a zone, and still to come; None: never.
            by: Who makes it.

        Raises:
            Invalid: All that is wrong with it.
            NotAllowed: They may not, or not for this account.
            Conflict, Unreachable, TopicProblem: As of `Writer.write`.
        """
        by.require(Scope.ADMIN)
        if not by.sees(account):
            raise NotAllowed(f"{by.name} is bound to the account {by.account}, and so is every token that it makes")
        token, secret = self._made(name=name, scope=scope, account=account, expires_at=expires_at, by=by)

        def create(existing: Existing) -> Changes:
            if len(existing) >= MOST_TOKENS:
                raise Conflict(f"there are {MOST_TOKENS} tokens: revoke some first")
            return {token.id: token}

        await self._edit(create, by)
        self._register.add(token)
        return token, secret

    async def revoke(self, token_id: str, *, by: Principal) -> None:
        """
        It counts no more, nor do the sessions that began with it; here at once, elsewhere within a second or two.

        Raises:
            NotFound: There is none; or it is none of theirs to see.
            NotAllowed: They may not.
            Conflict, Unreachable, TopicProblem: As of `Writer.write`.
        """
        by.require(Scope.ADMIN)

        def revoke(existing: Existing) -> Changes:
            one = existing.get(token_id)
            if one is None or not by.sees(one.account_id if isinstance(one, Token) else None):
                raise NotFound(f"there is no token {shown(token_id)}: `relay tokens list` shows all")
            return {token_id: None}

        await self._edit(revoke, by)
        self._register.remove(token_id)

    async def first_token(self) -> str | None:
        """
        What the holder of the first token shows, an admin of every account; None: there are tokens already. After
        `start` that is mostly known: no writer is fenced then, and whoever may only read starts too.

        Raises:
            Conflict, Unreachable, NotAllowed, TopicProblem: As of `Writer.write`.
        """
        if self._register:
            return None
        token, secret = self._made(name="first", scope=Scope.ADMIN, account=None, expires_at=None, by=FIRST)
        made = await self._edit(lambda existing: {} if existing else {token.id: token}, FIRST)
        if not made:
            return None
        self._register.add(token)
        return secret

    def _made(
        self, *, name: str, scope: str, account: str | None, expires_at: str | None, by: Principal
    ) -> tuple[Token, str]:
        secret = tokens.make()
        token = forms.made(
            token_id=tokens.new_id(),
            hashed=tokens.hashed(secret),
            prefix=tokens.prefix(secret),
            name=name,
            scope=scope,
            account=account,
            expires_at=expires_at,
            by=by.name,
            now_ms=self._clock.now_ms(),
        )
        return token, secret

    async def _edit(self, edit: Callable[[Existing], Changes], by: Principal) -> Changes:
        """As `Subscriptions.edit`."""
        changes: Changes = {}

        async def decide(records: Sequence[Record]) -> list[Outgoing]:
            nonlocal changes
            existing = fold(records, {})
            changes = edit(existing)
            written = [
                Outgoing(
                    topic=self._topic,
                    key=key.encode(),
                    value=None if one is None else encode_token(one),
                    partition=PARTITION,
                )
                for key, one in changes.items()
            ]
            if not self._writer.has(self._audit):
                return written
            at = rfc3339(self._clock.now_ms())
            return [*written, *(outgoing(one, self._audit) for one in audited(existing, changes, by=by.name, at=at))]

        late = f"the broker has not done this for {EDIT_S:.0f} s, and the tokens may have been changed"
        await within(self._writer.write(decide), EDIT_S, Unreachable(late))
        return changes

    def _counting(self, token: Token | None) -> Token | None:
        return None if token is None or token.expired(rfc3339(self._clock.now_ms())) else token

    def _take(self, records: Sequence[Record]) -> None:
        there = fold(records, {})
        self._register.replace(there)
        for token_id, one in there.items():
            _tell(token_id, one)

    def _apply(self, records: Sequence[Record]) -> None:
        self._register.apply(records)
        for token_id, one in fold(records, {}).items():
            _tell(token_id, one)


def _tell(token_id: str, one: Token | Broken) -> None:
    if isinstance(one, Broken):
        log.error("token.unreadable", token_id=shown(token_id), reason=one.why)


def _troubled(error: KafkaError) -> None:
    log.warning("tokens.troubled", error=repr(error))
