"""What people have sent: a test, and deliveries once more. Edge."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from relay.console.pages import bodies, forms, story, words
from relay.console.pages.frame import Banner
from relay.console.pages.rendering import segment
from relay.console.pages.visit import Visit, handled, see
from relay.errors import NotFound
from relay.store.history.values import Detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """What became of a test send."""

    id: str
    is_settled: bool
    chip: words.Chip | None = None
    words: str = ""
    elapsed: str = ""
    headers: Mapping[str, str] | None = None
    answer: bodies.Shown | None = None


async def test(visit: Visit) -> web.StreamResponse:
    """A test is sent; the webhook's page shows what the receiver answers."""
    written = await visit.written()
    event_type = forms.text(written, "event_type")
    delivery_id = await visit.desk.test(visit.who, visit.id, event_type=event_type)
    return see(f"/subscriptions/{segment(visit.id)}{forms.query({'test': delivery_id, 'type': event_type})}#test-send")


async def tested(visit: Visit, delivery_id: str) -> Tested:
    """What became of a test that was sent."""
    try:
        return _tested(await visit.desk.delivery(visit.who, delivery_id))
    except NotFound:  # not in the history yet
        return Tested(id=delivery_id, is_settled=False)


def _tested(detail: Detail) -> Tested:
    step = story.chosen(story.steps(detail), None)
    if step is None or not story.is_settled(detail, None):
        return Tested(id=detail.delivery.delivery_id, is_settled=False)
    return Tested(
        id=detail.delivery.delivery_id,
        is_settled=True,
        chip=step.chip,
        words=step.words,
        elapsed=step.elapsed if step.is_made else "",
        headers=story.headers(step.result.get("response_headers")),
        answer=bodies.answer(step.result),
    )


async def redeliver(visit: Visit) -> web.StreamResponse:
    """One delivery is sent once more; its page shows what becomes of it."""
    done = await visit.desk.redeliver(visit.who, [visit.id])
    why = next(iter(done.outcomes.values()))
    path = f"/deliveries/{segment(visit.id)}"
    if why is not None:
        return await visit.problem(HTTPStatus.CONFLICT, f"It was not sent again: {why}.", back=path)
    return see(path + forms.query({"run": done.runs[0]}))


async def redeliver_chosen(visit: Visit) -> web.StreamResponse:
    """Those that were ticked are sent once more."""
    written = await visit.written()
    ids = forms.every(written, "id")
    if not ids:
        return await visit.problem(HTTPStatus.UNPROCESSABLE_ENTITY, "Nothing was chosen.", back="/deliveries")
    done = await visit.desk.redeliver(visit.who, ids)
    sent = sum(why is None for why in done.outcomes.values())
    visit.banners.append(
        Banner(
            tone="good" if sent == len(ids) else "wait",
            title=f"{words.count(sent)} of {words.count(len(ids))} on their way.",
            text="" if sent == len(ids) else "Why the others are not stands below.",
        )
    )
    rows = [{"id": one, "why": why} for one, why in done.outcomes.items()]
    return await visit.page("redelivered.html", rows=rows, runs=done.runs)


ROUTES = [
    web.post("/subscriptions/{id}/test", handled(test)),
    web.post("/deliveries/redeliver", handled(redeliver_chosen)),
    web.post("/deliveries/{id}/redeliver", handled(redeliver)),
]
