"""
Which settings of the connection to Kafka belong together. Pure.

What would have no effect is refused: a password beside PLAINTEXT is one that somebody believes to protect something.
"""

from collections.abc import Iterator, Mapping

from relay.errors import Problem

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
BY_PASSWORD = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
BY_TOKEN = "OAUTHBEARER"  # noqa: S105  a name
MECHANISMS = (*BY_PASSWORD, BY_TOKEN)

PROTOCOL, MECHANISM = "RELAY_KAFKA_SECURITY_PROTOCOL", "RELAY_KAFKA_SASL_MECHANISM"
USERNAME, PASSWORD = "RELAY_KAFKA_SASL_USERNAME", "RELAY_KAFKA_SASL_PASSWORD_FILE"
TOKEN_FILE, TOKEN_COMMAND = "RELAY_KAFKA_SASL_TOKEN_FILE", "RELAY_KAFKA_SASL_TOKEN_COMMAND"
CA, CERT, KEY = "RELAY_KAFKA_CA_FILE", "RELAY_KAFKA_CERT_FILE", "RELAY_KAFKA_KEY_FILE"
SETTINGS = (PROTOCOL, MECHANISM, USERNAME, PASSWORD, TOKEN_FILE, TOKEN_COMMAND, CA, CERT, KEY)


def uses_tls(protocol: str) -> bool:
    return protocol in ("SSL", "SASL_SSL")


def uses_sasl(protocol: str) -> bool:
    return protocol.startswith("SASL_")


def in_the_clear(protocol: str, mechanism: str | None) -> bool:
    """Whether whoever listens on the way can use what is sent there to prove who we are; SCRAM never sends that."""
    return protocol == "SASL_PLAINTEXT" and mechanism in ("PLAIN", BY_TOKEN)


def contradictions(given: Mapping[str, str | None]) -> Iterator[Problem]:
    """
    What of these settings is missing beside the others, or would have no effect beside them.

    Args:
        given: The value of each of SETTINGS; of the secret ones none is told again.
    """
    protocol, mechanism = str(given[PROTOCOL]), given[MECHANISM]
    if not uses_tls(protocol):
        yield from _idle(
            given, (CA, CERT, KEY), f"{PROTOCOL} is {protocol}, which uses no certificates: SASL_SSL or SSL"
        )
    elif given[KEY] and not given[CERT]:
        yield Problem(KEY, f"needs the certificate that it belongs to: {CERT}")
    of_sasl = (MECHANISM, USERNAME, PASSWORD, TOKEN_FILE, TOKEN_COMMAND)
    if not uses_sasl(protocol):
        yield from _idle(given, of_sasl, f"{PROTOCOL} is {protocol}, which asks nobody who they are: SASL_SSL does")
    elif mechanism is None:
        yield Problem(MECHANISM, f"is not set, and {protocol} needs it: {' or '.join(MECHANISMS)}")
    elif mechanism == BY_TOKEN:
        yield from _idle(given, (USERNAME, PASSWORD), f"{MECHANISM} is {mechanism}: the token says who we are")
        if bool(given[TOKEN_FILE]) == bool(given[TOKEN_COMMAND]):
            yield Problem(TOKEN_FILE, f"set this or {TOKEN_COMMAND}, and not both: {mechanism} needs a token")
    else:
        yield from _idle(given, (TOKEN_FILE, TOKEN_COMMAND), f"{MECHANISM} is {mechanism}: it takes a password")
        for needed in (USERNAME, PASSWORD):
            if not given[needed]:
                yield Problem(needed, f"is not set, and {mechanism} needs it")


def _idle(given: Mapping[str, str | None], names: tuple[str, ...], why: str) -> Iterator[Problem]:
    for name in names:
        if given[name]:
            yield Problem(name, f"would have no effect: {why}")
