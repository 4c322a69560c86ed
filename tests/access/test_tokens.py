"""Tokens at random, and their hashes."""

import pytest

from relay.access.tokens import hashed, is_one, make, new_id, prefix


def test_a_token_is_marked_long_and_never_the_same() -> None:
    """32 bytes in base64url behind `rly_`; what is shown of it tells it apart from others."""
    made = [make() for _ in range(100)]

    assert all(is_one(one) and len(one) == 47 for one in made)
    assert 100 == len(set(made)) == len({hashed(one) for one in made}) == len({prefix(one) for one in made})
    assert all(one.startswith(prefix(one)) and len(prefix(one)) == 10 for one in made)


def test_ids_are_never_the_same() -> None:
    """They are what a token is called by once it is revoked, too."""
    assert 100 == len({new_id() for _ in range(100)})
    assert new_id().startswith("tok_")


def test_a_token_is_stored_as_its_sha_256() -> None:
    """So that whoever reads the topic has no token, and another program can compute it."""
    assert "8ebacf4806d89b7738b46316e9d6f073766b61c7d9f464eca5495d1486cecda9" == hashed("rly_" + "a" * 43)


@pytest.mark.parametrize(
    "text",
    [
        *("", "rly_", "rly_" + "a" * 42, "rly_" + "a" * 44, "rly_" + "a" * 42 + "=", "RLY_" + "a" * 43),
        *("rly_" + "a" * 43 + "\n", " rly_" + "a" * 43, "rly_" + "é" * 43, "x" * 100_000),
    ],
)
def test_anything_else_is_no_token(text: str) -> None:
    """It is not even hashed."""
    assert not is_one(text)
