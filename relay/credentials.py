"""
Who we are to Kafka, and whom we trust: what the files named in the configuration hold, as the clients take it. Edge.

Certificates, keys and the password are read once a process, so that a new one needs a restart as any setting does.
Tokens live for minutes: they are asked for anew whenever a connection needs one. Nothing here tells what it has read.
"""

import ssl
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Never

from aiokafka.abc import AbstractTokenProvider

from relay import security
from relay.config import Config
from relay.errors import ConfigProblem, Problem
from relay.oauthbearer import TokenCommand, TokenFile
from relay.settings import shown
from relay.sources import MASK

PASSWORD_BYTES = 1024  # brokers keep SCRAM's hashed, and take no longer ones of any service that we know


@lru_cache(maxsize=2)  # each client asks, and most processes have one configuration
def credentials(config: Config) -> Mapping[str, Any]:
    """
    What every client of aiokafka is told about protocol, trust and identity; nothing where it is PLAINTEXT.

    Raises:
        ConfigProblem: A file that cannot be read, or holds something else.
    """
    protocol = config.kafka_security_protocol
    told: dict[str, Any] = {}
    if security.uses_tls(protocol):
        told["ssl_context"] = _tls(config)
    if security.uses_sasl(protocol):
        told["sasl_mechanism"] = config.kafka_sasl_mechanism
        if config.kafka_sasl_mechanism == security.BY_TOKEN:
            told["sasl_oauth_token_provider"] = _tokens(config)
        else:
            told["sasl_plain_username"] = config.kafka_sasl_username
            told["sasl_plain_password"] = _password(str(config.kafka_sasl_password_file))
    return told | {"security_protocol": protocol} if told else told


def _tls(config: Config) -> ssl.SSLContext:
    """Broker certificates are verified, names included; TLS 1.2 at least. Without a CA of our own, the system's."""
    files = {
        security.CA: config.kafka_ca_file,
        security.CERT: config.kafka_cert_file,
        security.KEY: config.kafka_key_file,
    }
    for variable, path in files.items():
        if path is not None:
            _readable(variable, path)
    try:
        # not create_default_context: it would write session keys to a file that the environment names
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies chain and name
        if config.kafka_ca_file is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(config.kafka_ca_file)
    except ssl.SSLError as error:
        raise ConfigProblem(Problem(security.CA, f"names a file without certificates in PEM ({_why(error)})")) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if config.kafka_cert_file is not None:
        try:
            context.load_cert_chain(config.kafka_cert_file, config.kafka_key_file, _ask_nobody)
        except ssl.SSLError as error:
            rule = (
                f"names a file that is no certificate in PEM with its key, there or in {security.KEY} ({_why(error)})"
            )
            raise ConfigProblem(Problem(security.CERT, rule)) from None
        except _Encrypted:
            rule = (
                "is encrypted, and there is no setting for its passphrase: decrypt it, and let the file's mode guard it"
            )
            raise ConfigProblem(Problem(security.KEY, rule)) from None
    return context


def _readable(variable: str, path: str) -> None:
    """OpenSSL does not say which file it could not read."""
    given = MASK if variable in (security.KEY, security.PASSWORD) else shown(path)  # some put those themselves here
    try:
        Path(path).open("rb").close()
    except OSError as error:
        raise ConfigProblem(Problem(variable, f"names a file that cannot be read: {error.strerror}", given)) from None
    except ValueError:  # a NUL in it
        raise ConfigProblem(Problem(variable, "names no file", given)) from None


def _why(error: ssl.SSLError) -> str:
    return (error.reason or "not PEM").lower().replace("_", " ")


class _Encrypted(Exception):
    """A private key that wants a passphrase; OpenSSL would ask for it at the terminal."""


def _ask_nobody() -> Never:
    raise _Encrypted


def _password(path: str) -> str:
    """The file's text less one line's end."""
    _readable(security.PASSWORD, path)
    with Path(path).open("rb") as file:
        raw = file.read(PASSWORD_BYTES + 3)
    raw = raw.removesuffix(b"\n").removesuffix(b"\r")
    try:
        password = raw.decode()
    except UnicodeDecodeError:
        password = ""
    if not password or "\0" in password or len(raw) > PASSWORD_BYTES:
        rule = f"must name a file of 1 to {PASSWORD_BYTES} bytes of UTF-8, without NUL"
        raise ConfigProblem(Problem(security.PASSWORD, rule))
    return password


def _tokens(config: Config) -> AbstractTokenProvider:
    if config.kafka_sasl_token_file is not None:
        return TokenFile(config.kafka_sasl_token_file)
    return TokenCommand(str(config.kafka_sasl_token_command))
