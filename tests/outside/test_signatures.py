"""Requests of the real worker, captured as they arrived, and verifiers that others wrote."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from relay.embedded import EmbeddedBroker
from tests.absent import without
from tests.kafka.driver import Relay, an_event, until
from tests.kafka.journal import Journal
from tests.outside import node, verifiers
from tests.outside.stage import command
from tests.outside.verifiers import Captured, Verifier, spoiled

RAW = "schlüssel-für-zoë-ключ".encode()
WHSEC = b"whsec_" + b64encode(bytes(range(32)))
# The pair of Svix's own documentation; the vector of its tests is in schemas/vectors.
WHSK = b"whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
WITHOUT_A_PAIR = "artibot-sha1,standard-webhooks,sha256"
ALL_OF_SHA1 = f"{WITHOUT_A_PAIR},standard-webhooks-ed25519"
ALL_OF_URL = "standard-webhooks,sha256,standard-webhooks-ed25519,artibot-url"
STARTED_S = 90  # a worker joins its groups in 3 s on a quiet machine
FOR_IDS_TOO = ("body", "signature", "id", "timestamp")
FOR_BODIES = ("body", "signature")


class Customer(NamedTuple):
    """A subscription: what it was made with, and then rotated to."""

    signatures: str
    secret: bytes
    rotated_to: bytes | None = None
    activate_in: str = "0s"
    live: bool = False  # rotated while the worker runs

    @property
    def listed(self) -> list[bytes]:
        """The secrets that a receiver may have, newest first."""
        return [self.rotated_to, self.secret] if self.rotated_to else [self.secret]

    @property
    def single(self) -> list[bytes]:
        """The one of headers that hold one value."""
        return [self.secret if self.activate_in != "0s" else self.listed[0]]


CUSTOMERS = {
    "short": Customer(WITHOUT_A_PAIR, b"test"),
    "raw": Customer(ALL_OF_URL, RAW),
    "whsec": Customer(ALL_OF_SHA1, WHSEC),
    "whsk": Customer("standard-webhooks-ed25519", WHSK),
    "rotated": Customer(ALL_OF_SHA1, RAW, WHSEC),
    "rotated-live": Customer(ALL_OF_SHA1, RAW, WHSEC, live=True),
    "rotated-later": Customer(ALL_OF_URL, WHSEC, RAW, activate_in="1h"),
    "rotated-from-a-short-one": Customer(ALL_OF_SHA1, b"test", WHSEC),
}


class Scheme(NamedTuple):
    """Who verifies it, in which header, and of which parts a byte may not change."""

    header: str
    verifiers: Sequence[Verifier]
    parts: Sequence[str]


SCHEMES: Mapping[str, Scheme] = {
    "artibot-sha1": Scheme("x-artibot-signature", [verifiers.by_gidgethub_sha1], FOR_BODIES),
    "artibot-url": Scheme("x-artibot-signature", [verifiers.by_artibots_sample], FOR_BODIES),
    "sha256": Scheme("x-relay-signature-256", [verifiers.by_gidgethub_sha256], FOR_BODIES),
    "standard-webhooks": Scheme("webhook-signature", [verifiers.by_standardwebhooks, verifiers.by_svix], FOR_IDS_TOO),
    "standard-webhooks-ed25519": Scheme("webhook-signature", [verifiers.by_cryptography], FOR_IDS_TOO),
}


@dataclass(frozen=True, slots=True)
class Sent:
    """What one customer got, and the public keys that they were told, newest first."""

    request: Captured
    public_keys: list[bytes | None]


def registered(relay: Relay, name: str, url: str) -> None:
    """With its secret, and rotated if it is to be before the worker starts."""
    one = CUSTOMERS[name]
    where = ("--id", name, "--account", "acct-1", "--name", name, "--url", url, "--events", "*")
    did(relay, "create", *where, "--signatures", WITHOUT_A_PAIR, "--secret-file", "-", stdin=one.secret)
    if one.rotated_to and not one.live:
        rotate(relay, name)
    did(relay, "update", name, "--signatures", one.signatures)


def rotate(relay: Relay, name: str) -> None:
    one = CUSTOMERS[name]
    assert one.rotated_to
    did(relay, "rotate", name, "--activate-in", one.activate_in, "--secret-file", "-", stdin=one.rotated_to)


def public_keys(relay: Relay, name: str) -> list[bytes | None]:
    """As `get` tells them, newest first."""
    told = json.loads(did(relay, "get", name, "-o", "json"))["secrets"]
    return [None if secret.get("public_key") is None else secret["public_key"].encode() for secret in told]


def did(relay: Relay, *arguments: str, stdin: bytes = b"") -> str:
    """A command of `relay subscriptions` that must succeed; its stdout."""
    done = command(relay.env, "subscriptions", *arguments, stdin=stdin)
    assert done.status == 0, done.err
    return done.out


async def captured(folder: Path) -> dict[str, Sent]:
    """What the real worker sends to every customer; to one of them after a rotation while it runs."""
    with EmbeddedBroker() as broker:
        async with Journal() as journal:
            with Relay(broker.bootstrap, "signed", folder) as relay:
                for name in CUSTOMERS:
                    await asyncio.to_thread(registered, relay, name, journal.url(f"ok/{name}?a=%2F"))
                worker = relay.worker()
                await relay.emit([an_event("zoë")])
                await until(lambda: len(journal.calls) == len(CUSTOMERS), STARTED_S)
                for name in [name for name, one in CUSTOMERS.items() if one.live]:
                    await asyncio.to_thread(rotate, relay, name)
                await until(lambda: relay.logged("subscription.changed", 1))
                await relay.emit([an_event("zoë")])
                await until(lambda: len(journal.calls) == 2 * len(CUSTOMERS))
                assert await relay.end(worker) == 0
                told = {name: await asyncio.to_thread(public_keys, relay, name) for name in CUSTOMERS}
            calls = {call.path.split("/")[2].partition("?")[0]: call for call in journal.calls}
            base = journal.url("").removesuffix("/")
    return {
        name: Sent(Captured(base + calls[name].path, calls[name].headers, calls[name].body), told[name])
        for name in CUSTOMERS
    }


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Sent]:
    """By customer."""
    return asyncio.run(captured(tmp_path_factory.mktemp("signed")))


def keys(customer: Customer, sent: Sent, scheme: str) -> list[bytes]:
    """What a receiver may verify with, each of which must do."""
    if scheme == "standard-webhooks-ed25519":
        return [key for key in sent.public_keys if key is not None]
    return customer.listed if scheme == "standard-webhooks" else customer.single


EACH = [
    pytest.param(name, scheme, id=f"{name} {scheme}")
    for name, customer in CUSTOMERS.items()
    for scheme in customer.signatures.split(",")
]


@pytest.mark.parametrize(("name", "scheme"), EACH)
def test_others_take_what_the_worker_sent_and_nothing_else(sent: dict[str, Sent], name: str, scheme: str) -> None:
    """With every secret that a receiver may have while it is rotated; not with one byte changed, nor with another's."""
    request, how = sent[name].request, SCHEMES[scheme]
    known = keys(CUSTOMERS[name], sent[name], scheme)

    assert known
    for verifier in (*how.verifiers, verifiers.by_relays_own(scheme)):
        assert [True] * len(known) == [verifier(request, key) for key in known], verifier
        for part in how.parts:
            assert not any(verifier(spoiled(request, how.header, part), key) for key in known), (verifier, part)
    for verifier in how.verifiers:
        assert not verifier(request, another(scheme))


def another(scheme: str) -> bytes:
    """A key of somebody else's."""
    if scheme == "standard-webhooks-ed25519":
        return b"whpk_" + b64encode(bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"))
    return b"somebody else's secret altogether"


def test_each_customer_has_the_public_keys_of_its_secrets(sent: dict[str, Sent]) -> None:
    """One a secret, newest first; none of one that is too short for a pair, which signs in the other schemes only."""
    assert [b"whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="] == sent["whsk"].public_keys
    assert sent["rotated"].public_keys == sent["rotated-later"].public_keys[::-1]
    assert (sent["whsec"].public_keys[0], None) == tuple(sent["rotated-from-a-short-one"].public_keys)
    assert [None] == sent["short"].public_keys


def test_while_a_secret_is_rotated_the_header_of_one_value_has_the_active_one(sent: dict[str, Sent]) -> None:
    """The new one at once, or the old one for as long as was asked."""
    takes: Callable[[Captured, bytes], bool] = verifiers.by_gidgethub_sha256

    assert [True, False] == [takes(sent["rotated"].request, secret) for secret in (WHSEC, RAW)]
    assert [True, False] == [takes(sent["rotated-later"].request, secret) for secret in (WHSEC, RAW)]
    assert [True, False] == [takes(sent["rotated-live"].request, secret) for secret in (WHSEC, RAW)]


def test_what_was_captured_is_what_the_path_makes(sent: dict[str, Sent]) -> None:
    """Headers of the schemes that were asked for and no others; as many entries as keys, one space between."""
    rotated = sent["rotated"].request.headers["webhook-signature"].split(" ")

    assert ["v1", "v1a", "v1", "v1a"] == [entry.partition(",")[0] for entry in rotated]
    assert {"webhook-signature"} == {name for name in sent["whsk"].request.headers if "signature" in name}
    assert "zoë".encode() in sent["raw"].request.body or b"zo\\u00eb" in sent["raw"].request.body


def test_node_takes_what_the_worker_sent_and_nothing_else(sent: dict[str, Sent]) -> None:
    """Standard Webhooks' own library for JavaScript, all requests in one run of it."""
    try:
        node.library()
    except node.NoNode as reason:
        without("standardwebhooks for Node", reason)
    those = [(sent[name].request, secret) for name, customer in CUSTOMERS.items()
             if "standard-webhooks" in customer.signatures.split(",") for secret in customer.listed]  # fmt: skip
    changed = [
        (spoiled(request, "webhook-signature", part), secret) for request, secret in those for part in FOR_IDS_TOO
    ]

    assert [True] * len(those) + [False] * len(changed) == node.taken([*those, *changed])
