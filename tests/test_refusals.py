"""What errors of Kafka's client mean to people: who refuses whom, and what to do next."""

import asyncio
import ssl

import pytest
from aiokafka import errors

from relay.errors import NotAllowed, RelayError, Unreachable
from relay.oauthbearer import NoToken
from relay.refusals import cause, lost, told


def an_alert(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}]")
    error.reason = reason
    return error


def wrapped(error: BaseException) -> errors.KafkaError:
    """As aiokafka has it when a connection breaks."""
    outer = errors.KafkaConnectionError("Connection at kafka:9093 closed")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize(
    ("error", "verdict", "words"),
    [
        (errors.SaslAuthenticationFailed("bad"), NotAllowed, "RELAY_KAFKA_SASL_PASSWORD_FILE"),
        (errors.UnsupportedSaslMechanismError("bad"), NotAllowed, "RELAY_KAFKA_SASL_MECHANISM"),
        (errors.TopicAuthorizationFailedError("relay.results"), NotAllowed, "relay.results"),
        (errors.GroupAuthorizationFailedError("relay"), NotAllowed, "deploy/acls.sh"),
        (errors.TransactionalIdAuthorizationFailed(), NotAllowed, "deploy/acls.sh"),
        (NoToken("it ended with status 3"), Unreachable, "status 3"),
        (ssl.SSLCertVerificationError("self-signed"), Unreachable, "RELAY_KAFKA_CA_FILE"),
        (an_alert("TLSV13_ALERT_CERTIFICATE_REQUIRED"), NotAllowed, "RELAY_KAFKA_CERT_FILE"),
        (an_alert("TLSV1_ALERT_UNKNOWN_CA"), NotAllowed, "RELAY_KAFKA_CERT_FILE"),
        (an_alert("WRONG_VERSION_NUMBER"), Unreachable, "RELAY_KAFKA_SECURITY_PROTOCOL"),
        (ConnectionRefusedError(111, "refused"), Unreachable, "RELAY_KAFKA_BOOTSTRAP_SERVERS"),
        (TimeoutError(), Unreachable, "is it running"),
    ],
)
def test_an_error_is_told_with_who_refuses_whom_and_the_next_step(
    error: BaseException, verdict: type[RelayError], words: str
) -> None:
    """However deep the client has buried it."""
    for one in (error, wrapped(error)):
        meaning = told(one, "kafka:9093")
        assert type(meaning) is verdict
        assert words in str(meaning)
        assert "kafka:9093" in str(meaning)


def test_a_broker_that_answered_before_and_refuses_now_is_told_as_such() -> None:
    """Any other is one that stopped answering, with what may have happened meanwhile."""
    refused = lost(errors.TopicAuthorizationFailedError("relay.results"), "kafka:9093", ", and it may have been made")
    gone = lost(errors.KafkaConnectionError("closed"), "kafka:9093", ", and it may have been made")

    assert isinstance(refused, NotAllowed)
    assert "relay.results" in str(refused)
    assert isinstance(gone, Unreachable)
    assert "stopped answering, and it may have been made" in str(gone)


async def test_a_cause_that_is_known_or_cannot_be_found_is_left_as_it_is() -> None:
    """Nobody is connected to for PLAINTEXT, whose errors say all that there is; nor for what is clear already."""
    clear, unclear = errors.SaslAuthenticationFailed(), errors.KafkaConnectionError("no connection")
    nowhere = [("127.0.0.1", 9)]
    secured = {"bootstrap_servers": ["127.0.0.1:9"], "security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN"}

    assert unclear is await cause(unclear, nowhere, {"bootstrap_servers": ["127.0.0.1:9"]})
    assert clear is await cause(clear, nowhere, secured)
    assert isinstance(await cause(unclear, nowhere, secured), ConnectionRefusedError)


async def test_a_broker_that_is_down_does_not_hide_why_another_refuses_us() -> None:
    """The first that says why is believed."""

    async def hello(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")  # no TLS at all
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(hello, "127.0.0.1", 0)
    here = server.sockets[0].getsockname()[:2]
    secured = {"security_protocol": "SSL", "ssl_context": ssl.create_default_context()}
    async with server:
        why = await cause(errors.KafkaConnectionError("no connection"), [("127.0.0.1", 9), here], secured)

    assert isinstance(why, ssl.SSLError)
