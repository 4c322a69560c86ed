"""Forms of the pages that are sent twice, as a double click does."""

import asyncio
import re
from urllib.parse import urlencode

import pytest

from tests.api.driver import Answer, Console, hook

FORM = "application/x-www-form-urlencoded"
NONCE = re.compile(r'name="nonce" value="([^"]+)"')
WEBHOOK = {"name": "Twice", "url": "http://receiver.example/hook", "events": "lead.updated"}
MORE = {"signatures": "standard-webhooks", "record_response": "1"}
TOKEN = {"name": "Twice", "scope": "read"}


@pytest.mark.parametrize(
    ("page", "fields", "listing"),
    [("/subscriptions/-new", WEBHOOK | MORE, "/api/v1/subscriptions"), ("/access", TOKEN, "/api/v1/tokens")],
)
async def test_a_form_that_is_sent_twice_makes_one_and_shows_its_secret_both_times(
    console: Console, page: str, fields: dict[str, str], listing: str
) -> None:
    """The browser shows the second answer; the same form opened anew, or filled in otherwise, makes another."""
    customer = await console.make_token("admin", "acct-twice")

    async def nonce() -> dict[str, str]:
        (found,) = NONCE.findall((await console.get(page, token=customer)).body.decode())
        return {"nonce": found}

    async def sent(form: dict[str, str]) -> Answer:
        return await console.post(page, urlencode(form).encode(), token=customer, Content_Type=FORM)

    async def there() -> list[str]:
        items = (await console.get(listing, token=customer)).json["items"]
        return sorted(one["name"] for one in items if one["name"] in {"Twice", "Other"})

    form = fields | await nonce()
    wrong = await sent(form | {"name": ""})
    both = await asyncio.gather(sent(form), sent(form))
    once = await there()
    other, anew = await sent(form | {"name": "Other"}), await sent(fields | await nonce())

    assert [422, 200, 200, 200, 200] == [one.status for one in (wrong, *both, other, anew)]
    assert both[0].body == both[1].body
    assert re.search(rb"whsec_|rly_", both[0].body)
    assert "no-store" == both[1].headers["cache-control"]
    assert ["Twice"] == once
    assert ["Other", "Twice", "Twice"] == await there()


async def test_a_replay_is_started_once_by_a_double_click(console: Console) -> None:
    """Counted first, as often as somebody likes; both clicks lead to the one that there is."""
    assert (await console.post("/api/v1/subscriptions", hook(id="again"))).status == 201
    form = {"subscription": "again", "since": "2026-01-01T00:00:00"}

    async def sent(**more: str) -> Answer:
        return await console.post("/replays/new", urlencode(form | more).encode(), Content_Type=FORM, redirects=False)

    counted = await sent(do="count")
    (nonce,) = NONCE.findall(counted.body.decode())
    both = await asyncio.gather(sent(nonce=nonce), sent(nonce=nonce))

    assert [303, 303] == [one.status for one in both]
    assert both[0].headers["location"] == both[1].headers["location"]
    runs = (await console.get("/api/v1/runs")).json["items"]
    assert 1 == len([one for one in runs if one["subscription_id"] == "again"])
