"""Certificates as receivers and clients show them: from an authority of the test's own, in order or out of it."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

START = datetime(2019, 6, 1, tzinfo=UTC)
CENTURY = timedelta(days=36_500)
PEM = serialization.Encoding.PEM
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


class Authority:
    """Signs what it is asked to."""

    def __init__(self, name: str = "an authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self.certificate = self._signed(self._name, self._key, authority=True)

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *names: str,
        start: datetime = START,
        lasts: timedelta = CENTURY,
        use: x509.ObjectIdentifier | None = None,
        authority: bool = False,
    ) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + lasts)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), False)
        if use is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([use]), False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(PEM)

    def issues(
        self,
        folder: Path,
        *names: str,
        subject: str = "somebody",
        start: datetime = START,
        lasts: timedelta = CENTURY,
        use: x509.ObjectIdentifier = SERVER,
        password: bytes | None = None,
    ) -> Path:
        """The folder, which holds the certificate of these names or addresses, its key, and ours."""
        key = ec.generate_private_key(ec.SECP256R1())
        hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tls.crt").write_bytes(self._signed(_named(subject), key, *names, start=start, lasts=lasts, use=use))
        (folder / "tls.key").write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, hidden))
        return self.is_trusted(folder)

    def is_trusted(self, folder: Path) -> Path:
        """The folder, which holds our certificate."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ca.crt").write_bytes(self.certificate)
        return folder

    def serves(self, folder: Path, *names: str, **how: object) -> ssl.SSLContext:
        """A receiver's side with such a certificate."""
        held = self.issues(folder, *names, **how)  # type: ignore[arg-type]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(held / "tls.crt", held / "tls.key")
        return context


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
