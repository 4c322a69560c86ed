"""Dead letters at the desk: what was given up, or could not be read. Edge."""

from collections.abc import Mapping, Sequence

from relay.access.values import Principal, Scope
from relay.console.desk.means import Seat
from relay.errors import Invalid, NotFound, Problem
from relay.replay.dead_letters import DeadLetters
from relay.replay.letters import DeadLetter
from relay.replay.values import MOST_AT_ONCE
from relay.store.entry import Action

Place = tuple[int, int]  # partition and offset


class Burying(Seat):
    """To look takes the scope `read`, to send again `write`. What could not be read is nobody's but an operator's."""

    async def dead_letters(
        self, who: Principal, *, cursor: str | None = None, limit: int = 50
    ) -> tuple[list[DeadLetter], str | None]:
        """Some, newest first, each with the beginning of its value; and what asks for those before them."""
        who.require(Scope.READ)
        async with self._means.asking.of(who.account):
            return await DeadLetters(self._means.config).page(account=who.account, cursor=cursor, limit=limit)

    async def dead_letter(self, who: Principal, partition: int, offset: int) -> DeadLetter:
        """With all of its value."""
        who.require(Scope.READ)
        async with self._means.asking.of(who.account):
            one = await DeadLetters(self._means.config).one(partition, offset, account=who.account)
        if one is None:
            raise NotFound("there is no such dead letter, or no longer")
        return one

    async def requeue(self, who: Principal, places: Sequence[Place]) -> Mapping[Place, str | None]:
        """These are sent once more, with the bytes that they hold; of each None, or why it is not."""
        who.require(Scope.WRITE)
        if not 1 <= len(places) <= MOST_AT_ONCE:
            raise Invalid(Problem("places", f"takes 1 to {MOST_AT_ONCE}", str(len(places))))
        async with self._means.asking.of(who.account):
            outcomes = await self._means.replays.get().requeue(places, account=who.account, by=who.name)
        sent = [f"{partition}/{offset}" for (partition, offset), why in outcomes.items() if why is None]
        if sent:
            await self._audit(who, Action.REQUEUED, who.account, "dead-letters", places=sent)
        return outcomes
