"""What people are shown."""

import orjson

from relay.console import views
from relay.console.ages import LATE_S, aged
from relay.console.etags import etag, matches
from relay.model import Sealed, Secret, Subscription, SubscriptionId
from relay.replay.shown import Sent
from relay.replay.values import Lost, Preview
from relay.store.history.values import Age, Gap
from tests.replay.made import a_run
from tests.store.history.results import NOON_MS, a_row

ONE = Subscription(
    id=SubscriptionId("sub_1"), account_id="acct-1", name="Hook", url="https://x/", events=("lead.updated",),
    secrets=(Secret(sealed=Sealed("k1", b"sealed bytes")),), headers={"x-key": Sealed("k1", b"sealed bytes")},
)  # fmt: skip


def test_no_secret_and_no_header_is_shown() -> None:
    """Not even sealed; a public key is its receiver's to know."""
    shown = views.subscription(ONE, ["whpk_x"])

    assert [{"active_at": None, "expires_at": None, "public_key": "whpk_x"}] == shown["secrets"]
    assert {"x-key": "***"} == shown["headers"]
    assert b"sealed" not in orjson.dumps(shown)


def test_a_delivery_is_shown_with_its_times_in_words_also_a_state_of_a_newer_relays() -> None:
    delivery = a_row(1, verdict="retry")[1]

    assert "pending" == views.delivery(delivery)["state"]
    assert "2019-06-07T12:00:00.000Z" == views.delivery(delivery)["created_at"]
    assert "other" == views.delivery(delivery._replace(state=9))["state"]


def test_what_was_sent_is_text_or_base64() -> None:
    def shown(body: bytes | None) -> tuple[str | None, str | None]:
        told = views.sent(Sent(body=body, why=None, headers={}, url=None))
        return told["body"], told["body_encoding"]

    assert [("é", None), ("/w==", "base64"), (None, None)] == [shown(one) for one in ("é".encode(), b"\xff", None)]


def test_offsets_and_what_was_read_are_shown_to_whoever_may_see_every_account() -> None:
    """They count what all accounts write; whoever is bound to one learns how its own events fare, and no more."""
    place, figures = ("leads.events", 0), {"matched": 2, "sent": 1, "skipped": 1, "read": 900}
    at = {"starts": {place: 100}, "positions": {place: 1000}, "until": {place: 2000}}
    run = a_run(**figures, **at, lost=(Lost(topic=place[0], partition=0, first=50, end=100),))
    preview = Preview(events=1900, matched=2, to_send=1, lost=run.lost, exact=True)

    whole, bound = views.run(run, account=None), views.run(run, account="acc_1")
    counted, told = views.preview(preview, account=None), views.preview(preview, account="acc_1")

    assert (900, {"leads.events/0": 100}, 1900) == (whole["read"], whole["starts"], counted["events"])
    hidden = {"starts", "positions", "until", "lost", "read"}
    assert dict.fromkeys(hidden) == {name: bound[name] for name in bound if bound[name] != whole[name]}
    assert {"events": None, "lost": None} == {name: told[name] for name in told if told[name] != counted[name]}


def test_an_age_is_told_in_words_once_it_matters() -> None:
    """A projector looks each 2 s where the log ends."""
    gap = Gap(partition=0, incarnation=0, first_offset=1, end_offset=5, kind="lost")
    age = Age(as_of_ms=NOON_MS, gaps=(gap,))

    fine, late = (views.age(aged(age, NOON_MS + ms)) for ms in (1_000, round(LATE_S * 1000) + 1_000))
    ahead = aged(age, NOON_MS - 5_000)  # of another clock

    assert (1.0, None) == (fine["behind_s"], fine["trouble"])
    assert "it is 16 s behind the log" == late["trouble"]
    assert 0.0 == ahead.behind_s
    assert [{"partition": 0, "first_offset": 1, "end_offset": 5, "kind": "lost"}] == late["gaps"]


def test_a_tag_is_a_versions_and_an_incarnations() -> None:
    """What a client sends may be anything."""
    tag = etag(ONE)

    assert matches(tag, tag)
    assert matches(f'"another", {tag}', tag)
    assert matches(" * ", tag)
    for junk in ("", "3", f"W/{tag}", tag[1:], '"', ",,,", tag.upper() + "x", "é", ",".join(['"x"'] * 1000) + tag):
        assert not matches(junk, tag)
