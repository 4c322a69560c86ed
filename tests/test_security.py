"""Settings of the connection to Kafka that need each other, or have no effect beside each other."""

import pytest

from relay.security import SETTINGS, contradictions, in_the_clear

BY_PASSWORD = {"SASL_MECHANISM": "PLAIN", "SASL_USERNAME": "relay", "SASL_PASSWORD_FILE": "/password"}
BY_TOKEN = {"SASL_MECHANISM": "OAUTHBEARER", "SASL_TOKEN_FILE": "/token"}


def problems(protocol: str, **given: str) -> list[tuple[str, str]]:
    settings: dict[str, str | None] = dict.fromkeys(SETTINGS)
    settings |= {f"RELAY_KAFKA_{name}": value for name, value in given.items()}
    settings["RELAY_KAFKA_SECURITY_PROTOCOL"] = protocol
    return [(one.field.removeprefix("RELAY_KAFKA_"), str(one)) for one in contradictions(settings)]


@pytest.mark.parametrize(
    ("protocol", "given"),
    [
        ("PLAINTEXT", {}),
        ("SSL", {}),
        ("SSL", {"CA_FILE": "/ca", "CERT_FILE": "/cert", "KEY_FILE": "/key"}),
        ("SSL", {"CERT_FILE": "/cert-and-key"}),
        ("SASL_PLAINTEXT", BY_PASSWORD),
        ("SASL_SSL", BY_PASSWORD | {"SASL_MECHANISM": "SCRAM-SHA-512", "CA_FILE": "/ca"}),
        ("SASL_SSL", BY_PASSWORD | {"SASL_MECHANISM": "SCRAM-SHA-256", "CERT_FILE": "/cert", "KEY_FILE": "/key"}),
        ("SASL_SSL", BY_TOKEN),
        ("SASL_SSL", {"SASL_MECHANISM": "OAUTHBEARER", "SASL_TOKEN_COMMAND": "get-token"}),
    ],
)
def test_what_belongs_together_is_taken(protocol: str, given: dict[str, str]) -> None:
    """Each protocol with what it needs."""
    assert [] == problems(protocol, **given)


@pytest.mark.parametrize(
    ("protocol", "given", "fields"),
    [
        ("PLAINTEXT", BY_PASSWORD, ["SASL_MECHANISM", "SASL_USERNAME", "SASL_PASSWORD_FILE"]),
        ("PLAINTEXT", {"CA_FILE": "/ca"}, ["CA_FILE"]),
        ("SSL", BY_TOKEN, ["SASL_MECHANISM", "SASL_TOKEN_FILE"]),
        ("SSL", {"KEY_FILE": "/key"}, ["KEY_FILE"]),
        ("SASL_PLAINTEXT", BY_PASSWORD | {"CERT_FILE": "/cert"}, ["CERT_FILE"]),
        ("SASL_SSL", {}, ["SASL_MECHANISM"]),
        ("SASL_SSL", {"SASL_MECHANISM": "PLAIN"}, ["SASL_USERNAME", "SASL_PASSWORD_FILE"]),
        ("SASL_SSL", BY_PASSWORD | {"SASL_TOKEN_FILE": "/token"}, ["SASL_TOKEN_FILE"]),
        ("SASL_SSL", {"SASL_MECHANISM": "OAUTHBEARER"}, ["SASL_TOKEN_FILE"]),
        ("SASL_SSL", BY_TOKEN | {"SASL_TOKEN_COMMAND": "get-token"}, ["SASL_TOKEN_FILE"]),
        ("SASL_SSL", BY_TOKEN | {"SASL_USERNAME": "relay"}, ["SASL_USERNAME"]),
    ],
)
def test_what_is_missing_or_would_have_no_effect_is_told(
    protocol: str, given: dict[str, str], fields: list[str]
) -> None:
    """A password beside PLAINTEXT protects nothing, and whoever set it believes that it does."""
    told = problems(protocol, **given)

    assert fields == [field for field, _ in told]
    assert not [text for _, text in told if "(given:" in text]


def test_a_password_or_token_without_encryption_can_be_read_on_the_way() -> None:
    """SCRAM sends neither."""
    assert in_the_clear("SASL_PLAINTEXT", "PLAIN")
    assert in_the_clear("SASL_PLAINTEXT", "OAUTHBEARER")
    assert not in_the_clear("SASL_PLAINTEXT", "SCRAM-SHA-512")
    assert not in_the_clear("SASL_SSL", "PLAIN")
