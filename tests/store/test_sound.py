"""What must hold of a stored subscription; tests/test_hostile.py has the records that are refused for it."""

from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config import Config
from relay.model import SubscriptionId
from relay.store.forms import read_form
from relay.store.keyring import KeyRing
from relay.store.sealing import made
from relay.store.sound import RULES, is_reserved, own_tls
from tests.builders import NOON_MS, a_subscription

json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=70),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["client_cert", "ca", "pem"]), inner, max_size=3)
    ),
    max_leaves=4,
)


@pytest.mark.parametrize("name", RULES)
def test_an_ordinary_one_is_sound(name: str) -> None:
    """By each rule; so what is refused is refused for what it says."""
    assert RULES[name](a_subscription())


@pytest.mark.parametrize(
    "said",
    [
        {"headers": {f"X-{n}": "v" for n in range(50)}, "tls": {"client_cert": "a", "ca": "b"}, "timeout_s": 0.1},
        {"bot_ids": ["é" * 128] * 1000, "url": "https://a.example/" + "a" * 2030, "account_id": "é" * 128},
        {"events": ["LeadUpdated", "lead:updated"], "signatures": ["standard-webhooks", "standard-webhooks"]},
    ],
)
def test_what_a_form_takes_is_sound(said: dict[str, Any]) -> None:
    """Else it would be written and never read again."""
    needed = {"account_id": "acc_1", "name": "CRM", "url": "https://a.example/", "events": "*"}
    values = read_form(needed | said, config=Config())
    keys = KeyRing([("k" * 64, bytes(32))])

    one = made(SubscriptionId("sub_1"), values, b"secret", keys, by="ann", now_ms=NOON_MS)

    assert [] == [name for name, holds in RULES.items() if not holds(one)]


@given(json)
def test_a_name_in_a_folder_is_one_step_down_from_it(written: object) -> None:
    """Whatever was written; or it is refused."""
    try:
        tls = own_tls(written)
    except ValueError:
        return

    for name in () if tls is None else (one for one in (tls.client_cert, tls.ca) if one is not None):
        assert PurePosixPath("/tls", name).parent == PurePosixPath("/tls")
        assert name.isascii()
        assert name.isprintable()
        assert not name.startswith(".")


def test_what_frames_a_request_is_reserved() -> None:
    """And what relay says in each."""
    assert all(map(is_reserved, ("host", "content-length", "transfer-encoding", "webhook-id", "relay-attempt")))
    assert not any(map(is_reserved, ("authorization", "x-team", "__proto__")))
