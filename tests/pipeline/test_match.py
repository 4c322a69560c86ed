"""The index: who gets an event, in which order, at what cost, and what changes to it do; the id of a delivery."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.model import EVENT_TYPES, EVERY_ACCOUNT, Event, Source, State, Subscription, SubscriptionId
from relay.pipeline.match import Endpoint, Index, delivery_id, endpoint, first_delivery, unknown
from tests import builders

VECTORS = json.loads((Path(__file__).parents[2] / "schemas" / "vectors" / "delivery_ids.json").read_text("utf-8"))


def an_event(
    account_id: str = "a",
    event_type: str = "lead.updated",
    bot_id: str | None = None,
    **more: Any,  # noqa: ANN401
) -> Event:
    wanted = {"account_id": account_id, "type": event_type, "bot_id": bot_id, "body": orjson.dumps({"bot": bot_id})}
    return builders.an_event(**wanted | more)


def a_subscription(name: str, account_id: str = "a", **fields: Any) -> Subscription:  # noqa: ANN401  its own
    plain: dict[str, Any] = {"id": SubscriptionId(name), "account_id": account_id, "events": ("lead.updated",)}
    return builders.a_subscription(**plain | fields)


def an_endpoint(name: str, account_id: str = "a", **fields: Any) -> Endpoint:  # noqa: ANN401  its subscription's
    return endpoint(a_subscription(name, account_id, **fields), signer=None, headers={})


def an_index(*endpoints: Endpoint) -> Index:
    index = Index()
    for one in endpoints:
        index.put(one)
    return index


def names(index: Index, event: Event) -> list[str]:
    return [to.subscription.id for to in index.match(event)]


class Asked:
    """Endpoints whose filters remember that they were asked: candidates are what an event costs."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def endpoint(self, name: str, account_id: str = "a", *, wanted: bool = True) -> Endpoint:
        def accepts(_: Mapping[str, Any]) -> bool:
            self.names.append(name)
            return wanted

        return Endpoint(subscription=a_subscription(name, account_id), accepts=accepts, signer=None)


# who gets it


def test_an_event_goes_to_its_accounts_subscriptions_of_its_type() -> None:
    """And to nobody else's, and to no other type's."""
    index = an_index(
        an_endpoint("both", events=("lead.created", "lead.updated")),
        an_endpoint("created", events=("lead.created",)),
        an_endpoint("updated"),
        an_endpoint("anothers", "b"),
    )

    assert ["both", "updated"] == names(index, an_event())
    assert ["both", "created"] == names(index, an_event(event_type="lead.created"))
    assert [] == names(index, an_event(event_type="lead.completed"))
    assert [] == names(index, an_event("nobody"))


def test_an_operators_own_get_every_accounts_events_merged_in_id_order() -> None:
    """The settled map counts on the order, so it is one over both kinds."""
    index = an_index(
        an_endpoint("d"),
        an_endpoint("a", EVERY_ACCOUNT),
        an_endpoint("b"),
        an_endpoint("c", EVERY_ACCOUNT),
        an_endpoint("Z"),
    )

    assert ["Z", "a", "b", "c", "d"] == names(index, an_event())
    assert ["a", "c"] == names(index, an_event("b"))


def test_an_event_whose_account_is_the_operators_sign_goes_to_each_once() -> None:
    """Nothing stops a platform from calling an account `*`; its events are not sent twice."""
    index = an_index(an_endpoint("a", EVERY_ACCOUNT), an_endpoint("b"))

    assert ["a"] == names(index, an_event(EVERY_ACCOUNT))


@pytest.mark.parametrize(
    ("bot_ids", "bot_id", "matches"),
    [((), None, True), ((), "1", True), (("1", "2"), "2", True), (("1",), "2", False), (("1",), None, False)],
)
def test_bots_are_all_or_those_that_are_named(bot_ids: tuple[str, ...], bot_id: str | None, *, matches: bool) -> None:
    """An event without a bot is of none that is named."""
    index = an_index(an_endpoint("s", bot_ids=bot_ids))

    assert (["s"] if matches else []) == names(index, an_event(bot_id=bot_id))


def test_a_filter_is_asked_of_what_the_events_body_says() -> None:
    """Compiled from the subscription's own."""
    index = an_index(an_endpoint("s", filter={"bot": {"$in": ["1", "2"]}}))

    assert ["s"] == names(index, an_event(bot_id="2"))
    assert [] == names(index, an_event(bot_id="3"))


def test_the_paused_and_the_disabled_match_too() -> None:
    """Their deliveries have outcomes, deferred and dropped, which are told."""
    index = an_index(an_endpoint("a", state=State.PAUSED), an_endpoint("b", state=State.DISABLED))

    assert ["a", "b"] == names(index, an_event())


def test_one_that_never_could_be_read_matches_nothing_and_is_known() -> None:
    """So that what is on its way to it waits, and is not dropped as deleted."""
    index = an_index(unknown(SubscriptionId("s")))

    assert [] == names(index, an_event())
    assert index.get(SubscriptionId("s")) is not None


# what it costs


def test_only_the_accounts_own_and_the_operators_are_candidates() -> None:
    """However many others there are."""
    asked = Asked()
    others = [asked.endpoint(f"other-{n}", f"account-{n}") for n in range(1_000)]
    index = an_index(*others, asked.endpoint("own"), asked.endpoint("operators", EVERY_ACCOUNT))

    matched = names(index, an_event())

    assert ["operators", "own"] == matched
    assert matched == asked.names


def test_a_walk_asks_each_candidate_when_it_comes_to_it() -> None:
    """A fan-out of ten thousand that stops at the third has asked three."""
    asked = Asked()
    walk = an_index(*(asked.endpoint(f"{n:05}", wanted=n != 1) for n in range(10_000))).match(an_event())

    first, second = next(walk), next(walk)

    assert ("00000", "00002") == (first.subscription.id, second.subscription.id)
    assert ["00000", "00001", "00002"] == asked.names


def test_a_bot_that_is_not_wanted_spares_the_filter() -> None:
    """The cheaper question comes first."""
    asked = Asked()
    one = asked.endpoint("s")
    index = an_index(
        Endpoint(subscription=a_subscription("s", bot_ids=("1",)), accepts=one.accepts, signer=None),
    )

    assert [] == names(index, an_event(bot_id="2"))
    assert [] == asked.names


# changes


def test_a_subscription_is_put_replaced_and_removed() -> None:
    """The newest under an id is the one in force, also under another account and other events."""
    index = an_index(an_endpoint("s", version=1))
    index.put(moved := an_endpoint("s", "b", events=("lead.created",), version=2))

    assert len(index) == 1
    assert index.get(SubscriptionId("s")) is moved
    assert [] == names(index, an_event())
    assert ["s"] == names(index, an_event("b", "lead.created"))

    index.remove(SubscriptionId("s"))
    index.remove(SubscriptionId("never was"))

    assert len(index) == 0
    assert index.get(SubscriptionId("s")) is None
    assert [] == names(index, an_event("b", "lead.created"))


def test_a_walk_goes_on_over_what_it_began_with() -> None:
    """Changes are for the next event: a fan-out has one answer to who was in it."""
    index = an_index(an_endpoint("a"), an_endpoint("b", EVERY_ACCOUNT), an_endpoint("c"))
    walk = index.match(an_event())
    begun = next(walk).subscription.id

    index.remove(SubscriptionId("c"))
    index.put(an_endpoint("d"))

    assert ["a", "b", "c"] == [begun, *(to.subscription.id for to in walk)]
    assert ["a", "b", "d"] == names(index, an_event())


def test_who_walks_comes_up_for_air_between_filters() -> None:
    """Also where none of them wants the event: they are customers' own, and take their time."""
    asked = Asked()
    index = an_index(*(asked.endpoint(name, wanted=name == "c") for name in "abcd"))
    walk = index.walk(an_event())

    met = [(to and to.subscription.id, len(asked.names)) for to in walk]

    assert [(None, 1), (None, 2), ("c", 3), (None, 4)] == met


CHANGES = st.lists(
    st.tuples(
        st.sampled_from("stuvw"),
        st.none() | st.tuples(st.sampled_from("ab*"), st.sets(st.sampled_from(EVENT_TYPES), min_size=1)),
    ),
    max_size=30,
)


@given(CHANGES, st.sampled_from("abc"), st.sampled_from(EVENT_TYPES))
def test_after_any_changes_the_index_matches_as_a_plain_list_would(
    changes: list[tuple[str, tuple[str, set[str]] | None]], account_id: str, event_type: str
) -> None:
    """The same subscriptions, in id order; nothing of what was removed stays behind."""
    index, plain = Index(), dict[str, tuple[str, set[str]]]()
    for name, put in changes:
        if put is None:
            index.remove(SubscriptionId(name))
            plain.pop(name, None)
        else:
            index.put(an_endpoint(name, put[0], events=tuple(put[1])))
            plain[name] = put

    matched = names(index, an_event(account_id, event_type))

    wanted = [name for name, (of, types) in sorted(plain.items()) if of in (account_id, "*") and event_type in types]
    assert wanted == matched
    assert len(plain) == len(index)
    assert {(of, one) for of, types in plain.values() for one in types} == set(index._buckets)


# what is made of a match


def test_an_endpoint_shows_no_path_and_keeps_its_secrets_to_itself() -> None:
    """Neither in a result nor in a log line or traceback."""
    subscription = a_subscription("s", url="https://example.com/hooks/t0ken?key=1")

    to = endpoint(subscription, signer=None, headers={"authorization": "Bearer s3cret"})

    assert "https://example.com/…" == to.shown_url
    assert sha256(b"https://example.com/hooks/t0ken?key=1").hexdigest() == to.url_sha256
    assert "s3cret" not in repr(to)


def test_a_first_delivery_is_of_the_subscription_as_it_matched() -> None:
    """Its account and incarnation: one made anew under the same id gets nothing of it."""
    to = an_endpoint("s", EVERY_ACCOUNT, created_at="2026-01-01T00:00:00.000Z")

    delivery = first_delivery(an_event("b"), to, namespace="", timestamp_ms=7, now_ms=9)

    assert (EVERY_ACCOUNT, "2026-01-01T00:00:00.000Z") == (delivery.account_id, delivery.incarnation)
    assert (1, 0, 9, "event", None) == (
        delivery.attempt,
        delivery.deferrals,
        delivery.matched_ms,
        delivery.trigger,
        delivery.run_id,
    )
    assert delivery_id(an_event("b"), to.subscription.id, namespace="", timestamp_ms=7) == delivery.id


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in VECTORS])
def test_a_deliverys_id_is_the_one_in_its_vector(case: Mapping[str, Any]) -> None:
    """From relay, and from the rule as schemas/README.md words it."""
    event = an_event(source=Source(case["topic"], case["partition"], case["offset"]))
    parts = ("namespace", "topic", "partition", "offset", "timestamp_ms", "subscription_id")

    made = delivery_id(event, case["subscription_id"], namespace=case["namespace"], timestamp_ms=case["timestamp_ms"])
    plain = sha256("\n".join(str(case[part]) for part in parts).encode()).hexdigest()

    assert case["delivery_id"] == made
    assert case["delivery_id"] == f"dlv_{plain[:32]}"


def test_the_vectors_ids_all_differ() -> None:
    """Each differs from another case in one part, and that is enough."""
    assert len(VECTORS) == len({case["delivery_id"] for case in VECTORS})
