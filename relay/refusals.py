"""
What a broker's no means, and what to do next. Edge (aiokafka).

Its client keeps the cause of a connection that failed to itself: it logs it, and raises that there is no connection. So
whoever has to tell somebody connects once more and looks.
"""

import asyncio
import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aiokafka.conn import AIOKafkaConnection, OAuthAuthenticator
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
)

from relay.errors import NotAllowed, RelayError, Unreachable
from relay.oauthbearer import NoToken
from relay.security import CA, CERT, MECHANISM, PASSWORD, PROTOCOL, TOKEN_COMMAND, TOKEN_FILE, USERNAME

LOOK_S = 1.5  # for the cause, of all brokers together; commands have 10 s in all
UNAUTHORISED = (
    TopicAuthorizationFailedError,
    GroupAuthorizationFailedError,
    ClusterAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)
_STATUS = re.compile(rb'"status" *: *"([a-z_]{1,40})"')  # what RFC 7628, section 3.2.2 has a server say
# Errors, whether the broker refuses us or cannot be reached, and what is told; the error stands in the braces.
_MEANINGS: tuple[tuple[tuple[type[BaseException], ...], type[RelayError], str], ...] = (
    (
        (SaslAuthenticationFailed, IllegalSaslStateError),
        NotAllowed,
        f"does not believe who we are ({{}}): look at {USERNAME} and {PASSWORD}, or {TOKEN_FILE}, or {TOKEN_COMMAND}",
    ),
    ((UnsupportedSaslMechanismError,), NotAllowed, f"refuses {MECHANISM} ({{}}): set one that this listener has"),
    (
        UNAUTHORISED,
        NotAllowed,
        "knows us and does not allow this ({}): deploy/acls.sh lists what each role must be allowed",
    ),
    ((NoToken,), Unreachable, "could not be asked: {}"),
    (
        (ssl.SSLCertVerificationError,),
        Unreachable,
        (
            f"is not trusted ({{}}): {CA} must hold who signed its certificate, and the certificate must name "
            "the host that clients connect to, of advertised listeners too"
        ),
    ),
    ((ssl.SSLError,), Unreachable, f"does not agree on TLS ({{}}): does {PROTOCOL} suit that listener?"),
)
# OpenSSL's words for what the other side tells us before it hangs up.
_OF_OUR_CERTIFICATE = ("CERTIFICATE_REQUIRED", "BAD_CERTIFICATE", "UNKNOWN_CA", "CERTIFICATE_UNKNOWN", "ACCESS_DENIED")


def told(error: BaseException, servers: str) -> RelayError:
    """
    What people have to hear of it: NotAllowed where the broker is there and refuses us, else Unreachable. Both say what
    to do next; neither tells a password or a token.
    """
    causes = list(_causes(error))
    for cause in causes:
        if known := _known(cause, servers):
            return known
    told_as = next((str(one) for one in causes if str(one)), type(error).__name__)
    return Unreachable(
        f"no Kafka answers at {servers} ({told_as}): is it running, is RELAY_KAFKA_BOOTSTRAP_SERVERS right, does "
        f"{PROTOCOL} suit that listener, and are its advertised listeners reachable from here?"
    )


def lost(error: BaseException, servers: str, doubt: str = "") -> RelayError:
    """As `told`, of a broker that answered before: Unreachable is in fewer words, and says what may have happened."""
    refused = told(error, servers)
    return (
        refused if isinstance(refused, NotAllowed) else Unreachable(f"the broker stopped answering{doubt}: {error!r}")
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _known(error: BaseException, servers: str) -> RelayError | None:
    if isinstance(error, ssl.SSLError) and any(word in str(error) for word in _OF_OUR_CERTIFICATE):
        return NotAllowed(f"Kafka at {servers} refuses our certificate ({error}): look at {CERT}")
    for errors, verdict, message in _MEANINGS:
        if isinstance(error, errors):
            return verdict(f"Kafka at {servers} " + message.format(error))
    return None


async def cause(
    error: BaseException, addresses: Iterable[tuple[str, int]], settings: Mapping[str, Any]
) -> BaseException:
    """
    Why these brokers cannot be connected to, looked at once more; the error itself where they can, or do not say.

    Args:
        error: What the client said.
        addresses: Host and port of each broker.
        settings: Of every client; where they hold no `security_protocol` the client's own word is enough.
    """
    connection = {name: value for name, value in settings.items() if name != "bootstrap_servers"}
    if "security_protocol" not in connection or any(_known(one, "") for one in _causes(error)):
        return error
    first: BaseException | None = None
    for host, port in addresses:
        look = _Look(host, port, **connection)
        try:
            async with asyncio.timeout(LOOK_S):
                await look.connect()
        except (KafkaError, OSError) as why:  # TimeoutError is an OSError
            if _known(why, ""):
                return why  # one that is down says nothing of why another refuses us
            first = first or (None if isinstance(why, TimeoutError) else why)
        finally:
            look.close()
    return first or error


class _Look(AIOKafkaConnection):  # type: ignore[misc]
    """A connection that hears what a broker says of a token; aiokafka's own takes any answer for a yes (0.14)."""

    def authenticator_oauth(self) -> "_Heard":
        return _Heard(sasl_oauth_token_provider=self._sasl_oauth_token_provider)


class _Heard(OAuthAuthenticator):  # type: ignore[misc]
    async def step(self, payload: bytes | None) -> tuple[str, bool] | None:
        """
        Raises:
            SaslAuthenticationFailed: The broker answered with an error (RFC 7628, section 3.2.2).
        """
        if payload:
            status = _STATUS.search(payload[:1024])  # and no more of it: who knows what a broker repeats
            raise SaslAuthenticationFailed(f"status {status[1].decode()}" if status else "no status told")
        step: tuple[str, bool] | None = await super().step(payload)
        return step
