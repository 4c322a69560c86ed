"""
TLS to receivers: always verified, 1.2 or newer, with a subscription's own certificate or authority where it names one.

A subscription holds names; what they stand for the operator has put under RELAY_TLS_DIR, laid out as Kubernetes mounts
a secret of type kubernetes.io/tls. Edge (files).

    <name>/tls.crt, tls.key     `client_cert`: a certificate with its chain, and its key, PEM, not encrypted
    <name>/ca.crt               `ca`: authorities that are trusted besides the public ones
    <name>@<account>/…          the same for one account alone; looked at first

A name without an account is for every account to use. aiohttp keeps a connection under the context that it was made
with, so that none is ever used again with another certificate, or without one.
"""

import ssl
from functools import lru_cache
from pathlib import Path

from relay.model import Tls

KEPT = 64  # contexts; each holds all public authorities anew, 1 MB, and takes 26 ms to make
CERTIFICATE, KEY, AUTHORITIES = "tls.crt", "tls.key", "ca.crt"  # kubernetes.io/tls, and cert-manager
MAX_FILE_BYTES = 1024 * 1024  # of a file here; all public authorities together have a quarter of that

# What OpenSSL says of a certificate (X509_V_ERR_*, openssl/x509_vfy.h), in words for whoever has to mend it.
_OF_A_CERTIFICATE = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    18: "its certificate is self-signed",
    19: "its certificate comes from an unknown authority (one that signed itself)",
    20: "its certificate comes from an unknown authority, or it does not send the chain to a known one",
    21: "its certificate comes from an unknown authority, or it does not send the chain to a known one",
    23: "its certificate was revoked",
    26: "its certificate is not meant for a server",
    62: "its certificate is for another name",
    64: "its certificate is for another address",
    66: "its certificate's key is too weak",
    67: "an authority's key is too weak",
    68: "its certificate is signed with too weak a hash",
}
# Of a handshake (SSL_R_*, openssl/sslerr.h). An alert is what the other side says of us.
_OF_A_HANDSHAKE = {
    "WRONG_VERSION_NUMBER": "it speaks no TLS there",
    "HTTP_REQUEST": "it speaks no TLS there",
    "UNSUPPORTED_PROTOCOL": "it speaks no TLS 1.2 or newer",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it speaks no TLS 1.2 or newer",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "it refuses the handshake: no common cipher, or it asks for a client certificate",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it asks for a client certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not know the authority of our client certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it refuses our client certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it refuses our client certificate",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "it refuses our client certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "our client certificate has expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "our client certificate was revoked",
    "TLSV1_ALERT_ACCESS_DENIED": "it denies our client certificate access",
    "TLSV1_UNRECOGNIZED_NAME": "it does not know that name",
    "TLSV1_ALERT_UNRECOGNIZED_NAME": "it does not know that name",
}


class Unusable(OSError):
    """What a subscription names in RELAY_TLS_DIR cannot be used; the message says why, and cites no path."""


def in_words(error: BaseException) -> str | None:
    """What was against a TLS connection, or its files; None: this error is none of TLS's. Never raises."""
    # what OpenSSL said stands inside: aiohttp's own errors are of the same classes, and empty
    for one in (getattr(error, "os_error", None), error.__cause__, error):
        reason: str = getattr(one, "reason", None) or ""
        match one:
            case Unusable():
                return str(one)
            case ssl.SSLCertVerificationError():  # without a code where Python itself made it
                told: str = getattr(one, "verify_message", None) or reason or "its certificate cannot be verified"
                return _OF_A_CERTIFICATE.get(getattr(one, "verify_code", 0), told)
            case ssl.SSLError():
                return _OF_A_HANDSHAKE.get(reason, f"the TLS connection failed: {reason or 'it ended'}")
            case _:
                pass
    return None


@lru_cache(maxsize=1)
def public() -> ssl.SSLContext:
    """For all that name nothing of their own; never changed."""
    return _verifying()


def _verifying() -> ssl.SSLContext:
    """Trusts the authorities of the operating system."""
    # Not create_default_context: what that checks differs from one Python to the next, and it would write session keys
    # to a file that the environment names. This verifies chain and name from the start.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996 retires the ones before
    context.hostname_checks_common_name = False  # RFC 9525, section 2: a name stands in subjectAltName or nowhere
    context.set_alpn_protocols(["http/1.1"])
    context.load_default_certs()
    return context


class Contexts:
    """Made when first asked for, and anew when their files change: a renewed certificate needs no restart."""

    def __init__(self, folder: str | None = None, *, kept: int = KEPT) -> None:
        """`folder`: RELAY_TLS_DIR; None: there is none, and whoever names something in it is refused."""
        self._most = kept
        self._folder = None if folder is None else Path(folder)
        # by files as they are; the one used last stands at the end. What cannot be used is tried once, for that costs
        # the loop as much as what can be
        self._kept: dict[tuple[object, ...], ssl.SSLContext | str] = {}

    def of(self, account_id: str, own: Tls | None) -> ssl.SSLContext | bool:
        """
        What verifies a connection, in aiohttp's terms: True stands for `public()`.

        Raises:
            Unusable: A name stands for nothing, or for nothing that can be used.
        """
        if own is None:
            return True
        try:
            files = [self._file(name, account_id, file) for name, file in _named(own)]
            key = tuple((path, *_mark(one)) for path in files for one in _read_with(path))
            made = self._kept.pop(key, None) or _tried(files)
        except Unusable:
            raise
        except OSError as error:  # gone, or not ours to read
            raise Unusable(f"a file in RELAY_TLS_DIR cannot be read: {error.strerror}") from error
        except RuntimeError as error:  # before Python 3.13
            raise Unusable("a link in RELAY_TLS_DIR leads in a circle") from error
        self._kept[key] = made
        if len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]
        if isinstance(made, str):
            raise Unusable(made)
        return made

    def _file(self, name: str, account_id: str, file: str) -> Path:
        if self._folder is None:
            raise Unusable(f"it names {name}, and RELAY_TLS_DIR is not set")
        own = [] if "/" in account_id or "\0" in account_id else [f"{name}@{account_id}"]
        for path in (self._folder / place / file for place in (*own, name)):
            if _is_there(path):
                for one in _read_with(path):
                    if not one.resolve().is_relative_to(self._folder.resolve()):
                        raise Unusable(f"{name}/{one.name} leads out of RELAY_TLS_DIR")
                return path
        raise Unusable(f"RELAY_TLS_DIR has no {name}/{file} for this account")


def _named(own: Tls) -> list[tuple[str, str]]:
    pairs = [(own.client_cert, CERTIFICATE), (own.ca, AUTHORITIES)]
    return [(name, file) for name, file in pairs if name is not None]


def _read_with(path: Path) -> tuple[Path, ...]:
    return (path, path.with_name(KEY)) if path.name == CERTIFICATE else (path,)


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # an account that is too long for a file's name, say
        return False


def _mark(path: Path) -> tuple[int, int, int]:
    """Another one when the file was written anew, or replaced, as Kubernetes does by a link to all of them."""
    there = path.stat()
    if there.st_size > MAX_FILE_BYTES:
        raise Unusable(f"{path.parent.name}/{path.name} has over {MAX_FILE_BYTES} bytes")
    return there.st_mtime_ns, there.st_size, there.st_ino


def _tried(files: list[Path]) -> ssl.SSLContext | str:
    """Made, or what is wrong with the files."""
    try:
        return _made(files)
    except Unusable as error:
        return str(error)


def _made(files: list[Path]) -> ssl.SSLContext:
    context = _verifying()
    for path in files:
        try:
            if path.name == CERTIFICATE:
                context.load_cert_chain(path, path.with_name(KEY), password="")
            else:
                context.load_verify_locations(path)
        except ssl.SSLError as error:
            raise Unusable(f"{path.parent.name}/{path.name}: {_wrong_with(path, error)}") from error
    return context


def _wrong_with(path: Path, error: ssl.SSLError) -> str:
    """OpenSSL says `PEM lib` of nearly everything, so this looks for itself."""
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"{KEY} is not the key of {CERTIFICATE}"
    if b"-----BEGIN" not in path.read_bytes():
        return "there is no PEM in it"
    if path.name == CERTIFICATE and b"ENCRYPTED" in path.with_name(KEY).read_bytes():
        return f"{KEY} is encrypted"
    return "it cannot be read"
