"""Secrets at rest: what opens them, what does not, and that no message or repr tells them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import ConfigProblem
from relay.model import Sealed
from relay.store.keyring import NONCE_BYTES, CannotOpen, KeyRing

OLD, NEW = ("2025", bytes(range(32))), ("2026", bytes(range(32, 64)))
PLAIN = b"a secret nobody may read"
TAG_BYTES = 16  # of GCM, behind the ciphertext

# As forms takes them, and more; a line end, which parts them in what is sealed along, is in none (forms refuses it).
ids = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=20)


def sealed(plain: bytes = PLAIN, *, ring: KeyRing | None = None) -> Sealed:
    """Sealed for sub_1 of acc_1."""
    return (ring or KeyRing([NEW])).seal(plain, account_id="acc_1", subscription_id="sub_1")


def opened(what: Sealed, *, ring: KeyRing | None = None, account: str = "acc_1", subscription: str = "sub_1") -> bytes:
    return (ring or KeyRing([NEW])).open(what, account_id=account, subscription_id=subscription)


@given(st.binary(max_size=5000), ids, ids)
def test_what_was_sealed_opens_for_the_subscription_that_it_was_sealed_for(
    plain: bytes, account: str, id_: str
) -> None:
    """Any bytes, none among them."""
    ring = KeyRing([NEW, OLD])

    once = ring.seal(plain, account_id=account, subscription_id=id_)

    assert plain == ring.open(once, account_id=account, subscription_id=id_)


@given(st.tuples(ids, ids), st.tuples(ids, ids))
def test_what_was_sealed_for_one_subscription_opens_for_no_other(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Whoever can write to the topic cannot move a customer's secret under a webhook of their own."""
    ring = KeyRing([NEW])
    once = ring.seal(PLAIN, account_id=one[0], subscription_id=one[1])

    if one == other:
        assert PLAIN == ring.open(once, account_id=other[0], subscription_id=other[1])
    else:
        with pytest.raises(CannotOpen):
            ring.open(once, account_id=other[0], subscription_id=other[1])


@pytest.mark.parametrize(
    ("account", "subscription"),
    [("acc_2", "sub_1"), ("acc_1", "sub_2"), ("sub_1", "acc_1"), ("acc_", "1sub_1"), ("acc_1sub_1", ""), ("", "")],
)
def test_neither_another_account_nor_another_id_opens_it(account: str, subscription: str) -> None:
    """Each counts by itself: they are not merely written one behind the other."""
    with pytest.raises(CannotOpen, match="not this subscription's"):
        opened(sealed(), account=account, subscription=subscription)


def test_it_does_not_open_under_another_key_id_even_for_the_same_key() -> None:
    """The key's id is sealed along: a record cannot be made to name another key of the ring."""
    ring = KeyRing([("2026", NEW[1]), ("2027", NEW[1])])

    with pytest.raises(CannotOpen, match="'2027' does not open it"):
        opened(Sealed("2027", sealed(ring=ring).data), ring=ring)


@given(st.integers(0, NONCE_BYTES + len(PLAIN) + TAG_BYTES - 1), st.integers(1, 255))
def test_no_byte_of_it_can_be_changed(at: int, by: int) -> None:
    """Nonce, ciphertext and tag alike."""
    data = bytearray(sealed().data)
    data[at] ^= by

    with pytest.raises(CannotOpen):
        opened(Sealed("2026", bytes(data)))


@given(st.binary(max_size=60))
def test_any_other_bytes_are_refused_and_nothing_worse(data: bytes) -> None:
    """Also those too short to hold a nonce."""
    with pytest.raises(CannotOpen):
        opened(Sealed("2026", data))


def test_sealing_twice_gives_different_bytes() -> None:
    """The nonce is new each time: with GCM, one used twice gives the key away."""
    nonces = {sealed().data[:NONCE_BYTES] for _ in range(100)}

    assert 100 == len(nonces)
    assert {NONCE_BYTES + len(PLAIN) + TAG_BYTES} == {len(sealed().data)}


def test_nothing_of_what_was_sealed_is_in_the_bytes_or_the_repr() -> None:
    """Neither the secret nor its ciphertext is printed by accident."""
    one = sealed()

    assert PLAIN not in one.data
    assert "Sealed(key_id='2026')" == repr(one)


def test_a_ring_prints_no_key() -> None:
    """In no spelling: bytes, hex or text."""
    said = repr(KeyRing([NEW, OLD]))

    assert not any(form in said for _, key in (NEW, OLD) for form in (repr(key), key.hex(), str(key)[2:-1]))


def test_the_newest_key_seals_and_every_key_opens() -> None:
    """A key is rotated by putting one in front: what was sealed before still opens."""
    before = sealed(ring=KeyRing([OLD]))
    ring = KeyRing([NEW, OLD])

    after = sealed(ring=ring)

    assert ("2025", "2026", "2026") == (before.key_id, after.key_id, ring.newest)
    assert [PLAIN, PLAIN] == [opened(before, ring=ring), opened(after, ring=ring)]


def test_a_key_that_was_taken_out_of_the_ring_is_missed_by_its_id() -> None:
    """The message names the variable and the key, and holds nothing sealed."""
    before = sealed(ring=KeyRing([OLD]))

    with pytest.raises(CannotOpen) as caught:
        opened(before)

    assert "RELAY_SECRET_KEYS holds no key '2025'" == str(caught.value)


def test_another_key_by_the_same_id_does_not_open_it() -> None:
    """The message says that it may be that, and holds neither secret nor key."""
    with pytest.raises(CannotOpen) as caught:
        opened(sealed(), ring=KeyRing([("2026", OLD[1])]))

    rule = "key '2026' does not open it: it is another key by that name, or not this subscription's"
    assert rule == str(caught.value)
    assert caught.value.__suppress_context__  # the library's own error would say nothing more


def test_an_empty_ring_seals_nothing() -> None:
    """It is refused by the name of the variable; a secret is never stored as it is."""
    ring = KeyRing([])

    with pytest.raises(ConfigProblem) as caught:
        sealed(ring=ring)

    assert ring.newest is None
    assert ["RELAY_SECRET_KEYS"] == [one.field for one in caught.value.problems]
    assert PLAIN.decode() not in str(caught.value)
