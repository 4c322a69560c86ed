"""What the files named in the configuration hold, as clients are told it; and what is no such file."""

import ssl
from pathlib import Path

import pytest

from relay.config import Config
from relay.credentials import credentials
from relay.errors import ConfigProblem
from relay.oauthbearer import TokenCommand, TokenFile
from tests.kafka.secured import Authority

BY_PASSWORD = {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "SCRAM-SHA-512", "SASL_USERNAME": "relay"}
BY_TOKEN = {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "OAUTHBEARER"}


def told(**given: object) -> dict[str, object]:
    return dict(credentials(Config.read({f"RELAY_KAFKA_{name}": str(value) for name, value in given.items()})))


def problem(**given: object) -> str:
    with pytest.raises(ConfigProblem) as refused:
        told(**given)
    assert refused.value.__cause__ is None
    return str(refused.value)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


def test_plaintext_needs_nothing() -> None:
    """Clients speak it unless told otherwise."""
    assert {} == told()


def test_brokers_are_verified_by_name_against_the_authority_that_was_named(authority: Authority) -> None:
    """And none else; TLS 1.2 at least. Without one, against those of the system."""
    named, system = told(SECURITY_PROTOCOL="SSL", CA_FILE=authority.file), told(SECURITY_PROTOCOL="SSL")

    context = named["ssl_context"]
    assert isinstance(context, ssl.SSLContext)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert [one["subject"] for one in context.get_ca_certs()] == [((("commonName", "authority"),),)]
    assert isinstance(system["ssl_context"], ssl.SSLContext)
    assert system["ssl_context"].verify_mode == ssl.CERT_REQUIRED


def test_a_password_is_the_text_of_its_file(tmp_path: Path) -> None:
    """Less one line's end; blanks are part of it."""
    for number, (text, password) in enumerate([("one\n", "one"), ("two\r\n", "two"), (" ü \n\n", " ü \n")]):
        file = tmp_path / str(number)
        file.write_bytes(text.encode())
        assert password == told(**BY_PASSWORD, SASL_PASSWORD_FILE=file)["sasl_plain_password"]


def test_all_clients_of_a_process_share_what_was_read(authority: Authority, tmp_path: Path) -> None:
    """So a token is asked for once for all of them, and a file is read once."""
    given = {**BY_TOKEN, "CA_FILE": authority.file, "SASL_TOKEN_FILE": tmp_path / "token"}

    first, second = told(**given), told(**given)

    assert first["ssl_context"] is second["ssl_context"]
    assert first["sasl_oauth_token_provider"] is second["sasl_oauth_token_provider"]
    assert isinstance(first["sasl_oauth_token_provider"], TokenFile)
    assert isinstance(told(**BY_TOKEN, SASL_TOKEN_COMMAND="a b")["sasl_oauth_token_provider"], TokenCommand)


def test_a_file_that_is_no_such_thing_is_a_problem_of_its_variable(authority: Authority, tmp_path: Path) -> None:
    """With the rule; a key or a password that was put where its file's name belongs is not told."""
    mine, other = authority.certify("mine"), authority.certify("other")
    (tmp_path / "text").write_text("no PEM")
    (tmp_path / "key").write_bytes(other.read_bytes().split(b"-----BEGIN CERT", maxsplit=1)[0])
    (tmp_path / "cert").write_bytes(b"-----BEGIN CERT" + mine.read_bytes().split(b"-----BEGIN CERT")[1])
    tls = {"SECURITY_PROTOCOL": "SSL"}

    assert "CA_FILE: names a file that cannot be read: No such file" in problem(**tls, CA_FILE="/nowhere/ca")
    assert "CA_FILE: names a file without certificates" in problem(**tls, CA_FILE=tmp_path / "text")
    assert "CERT_FILE: names a file that is no certificate" in problem(**tls, CERT_FILE=tmp_path / "text")
    assert "CERT_FILE: names a file that is no certificate" in problem(**tls, CERT_FILE=tmp_path / "cert")
    assert "mismatch" in problem(**tls, CERT_FILE=tmp_path / "cert", KEY_FILE=tmp_path / "key")
    assert "KEY_FILE: is encrypted" in problem(**tls, CERT_FILE=authority.certify("locked", b"hunter2"))
    assert "KEY_FILE: names a file that cannot be read" in problem(**tls, CERT_FILE=mine, KEY_FILE="hunter2")
    assert "hunter2" not in problem(**tls, CERT_FILE=mine, KEY_FILE="hunter2")


@pytest.mark.parametrize("raw", [b"", b"\n", b"\xff", b"hunter2\0", b"hunter2" * 147])
def test_what_no_broker_would_take_for_a_password_is_told_unseen(tmp_path: Path, raw: bytes) -> None:
    """1 to 1024 bytes of UTF-8; NUL ends it in PLAIN."""
    (tmp_path / "password").write_bytes(raw)

    told = problem(**BY_PASSWORD, SASL_PASSWORD_FILE=tmp_path / "password")

    assert "SASL_PASSWORD_FILE: must name a file of 1 to 1024 bytes" in told
    assert "hunter2" not in told


def test_a_password_in_place_of_its_file_is_not_told() -> None:
    """It happens."""
    for mistaken in ("hunter2", "hunter2\0"):
        told = problem(**BY_PASSWORD, SASL_PASSWORD_FILE=mistaken)
        assert "SASL_PASSWORD_FILE: names" in told
        assert "hunter2" not in told
