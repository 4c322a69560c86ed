"""An account that asks without end keeps nobody else from asking."""

import asyncio

from relay.console.turns import OF_ONE, QUESTIONS, Turns


async def test_one_account_leaves_room_for_another() -> None:
    """However much it asks; and all together ask no more than so many at once."""
    turns, over = Turns(), asyncio.Event()
    asking: list[str | None] = []

    async def ask(account: str | None) -> None:
        async with turns.of(account):
            asking.append(account)
            await over.wait()

    async with asyncio.TaskGroup() as group:
        for account in ("acct-1", "acct-2", None, "acct-3"):
            for _ in range(QUESTIONS):
                group.create_task(ask(account))
            await asyncio.sleep(0)
        seen = list(asking)
        over.set()

    assert ["acct-1"] * OF_ONE + ["acct-2"] * OF_ONE + [None] * (QUESTIONS - 2 * OF_ONE) == seen
    assert 4 * QUESTIONS == len(asking)
