"""
A real Kafka that asks who somebody is: four doors, an authorizer behind all of them, certificates made on the spot.

The door without a lock is the tests' own: whoever comes through it is ANONYMOUS, and may do everything. Through the
others come users by password, token or certificate, who may do what they were granted.
"""

import base64
import ipaddress
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.kafka.driver import ROOT
from tests.kafka.server import Node, Server, free_ports

PASSWORD = "a-password+of/users"
USERS = ("worker", "console", "operator", "nobody")
SCRAMS = ("SCRAM-SHA-256", "SCRAM-SHA-512")
JAAS = "org.apache.kafka.common.security"
ACLS_S = 30
LOGGED = """logger.acl.name=kafka.authorizer.logger
logger.acl.level=info
"""  # info tells who was denied what
OPERATIONS = {"DescribeConfigs": "DESCRIBE_CONFIGS"}  # others are themselves in upper case
RESOURCES = {"--topic": ResourceType.TOPIC, "--group": ResourceType.GROUP}
RESOURCES |= {"--transactional-id": ResourceType.TRANSACTIONAL_ID}


class Authority:
    """Signs certificates; `file` is what trusts it."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self._signed = self._sign(self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=0))
        self.file = self._write(f"{name}.pem", self._signed.public_bytes(serialization.Encoding.PEM))

    def certify(self, name: str, password: bytes | None = None) -> Path:
        """A file with the key and the certificate of this name, good for servers at 127.0.0.1 and for clients."""
        key = ec.generate_private_key(ec.SECP256R1())
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        secret = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)
        signed = self._sign(_named(name), key.public_key(), address)
        return self._write(f"{name}.pem", pem + signed.public_bytes(serialization.Encoding.PEM))

    def _sign(self, name: x509.Name, key: ec.EllipticCurvePublicKey, more: x509.ExtensionType) -> x509.Certificate:
        now = datetime.fromtimestamp(_now_s(), UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(more, critical=isinstance(more, x509.BasicConstraints))
            .sign(self._key, hashes.SHA256())
        )

    def _write(self, name: str, raw: bytes) -> Path:
        path = self._folder / name
        path.write_bytes(raw)
        return path


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def unsecured_token(user: str, *, expires_s: float) -> str:
    """What a broker without an identity service believes (RFC 7519, section 6): nobody has signed it."""
    claims = {"sub": user, "iat": _now_s(), "exp": expires_s}
    parts = (base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in ({"alg": "none"}, claims))
    return b".".join([*parts, b""]).decode()


class Secured:
    """One that answers, for as long as its `with`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.authority = Authority(folder, "authority")
        self.stranger = Authority(folder, "stranger")
        plain, sasl, mtls, clear, controller = free_ports(5)
        self.open = f"127.0.0.1:{plain}"
        self.sasl, self.mtls, self.clear = (f"127.0.0.1:{port}" for port in (sasl, mtls, clear))
        doors = {"PLAINTEXT": plain, "SASL": sasl, "MTLS": mtls, "CLEAR": clear}
        listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in doors.items())
        users = [f"{scram}=[name={user},password={PASSWORD}]" for scram in SCRAMS for user in USERS]
        node = folder / "node"
        self._node = Node(
            node, 0, [(plain, controller)], ("-Xmx512m", "-Xms256m"), users=users,
            listeners=f"{listeners},CONTROLLER://127.0.0.1:{controller}",
            **{"advertised.listeners": listeners, **self._settings()},
        )  # fmt: skip
        self.log = node / "broker.log"
        with (node / "log4j2.properties").open("a") as log4j:
            log4j.write(LOGGED)

    def _settings(self) -> dict[str, str]:
        """Of the doors, and of who may pass."""
        server = self.authority.certify("kafka")
        tls = {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(server)}
        tls |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(self.authority.file)}
        known = " ".join(f'user_{user}="{PASSWORD}"' for user in USERS)
        sasl = {f"{scram.lower()}.sasl.jaas.config": f"{JAAS}.scram.ScramLoginModule required;" for scram in SCRAMS}
        sasl |= {
            "plain.sasl.jaas.config": f"{JAAS}.plain.PlainLoginModule required {known};",
            "oauthbearer.sasl.jaas.config": f"{JAAS}.oauthbearer.OAuthBearerLoginModule required;",
        }
        offered = {"sasl.enabled.mechanisms": ",".join((*SCRAMS, "PLAIN", "OAUTHBEARER"))}
        doors = {
            "sasl": tls | sasl | offered,
            "mtls": tls | {"ssl.client.auth": "required", "ssl.principal.mapping.rules": "RULE:^CN=(.*)$/$1/"},
            "clear": sasl | {"sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN"},
        }
        protocols = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL:SASL_SSL,MTLS:SSL,CLEAR:SASL_PLAINTEXT"
        return {
            "listener.security.protocol.map": protocols,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        } | {f"listener.name.{door}.{name}": value for door, some in doors.items() for name, value in some.items()}

    def __enter__(self) -> Self:
        self._node.start()
        self._node.wait()
        Server(self.open).wait()
        self._admin = AdminClient({"bootstrap.servers": self.open})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._node.end()
        shutil.rmtree(self.folder / "node" / "data", ignore_errors=True)

    def grant(self, role: str, user: str, environ: dict[str, str]) -> None:
        """What deploy/acls.sh would grant, and nothing else."""
        command = [str(ROOT / "deploy" / "acls.sh"), role, f"User:{user}", "--bootstrap-server", "unused:1"]
        shown = environ | {"PATH": os.environ["PATH"], "KAFKA_ACLS": "echo"}
        lines = subprocess.run(command, env=shown, check=True, capture_output=True, text=True, timeout=ACLS_S).stdout
        bindings = [one for line in lines.splitlines() for one in _bindings(line.split())]
        for done in self._admin.create_acls(bindings).values():
            done.result(ACLS_S)

    def denied(self, user: str) -> list[str]:
        """What this user was denied, line by line."""
        return re.findall(rf"Principal = User:{user} is Denied .*", self.log.read_text())


def _bindings(words: list[str]) -> Iterator[AclBinding]:
    """What one line of kafka-acls.sh asks for."""
    pairs = list(pairwise(words))
    (principal,) = [value for option, value in pairs if option == "--allow-principal"]
    kind = (
        ResourcePatternType.PREFIXED
        if ("--resource-pattern-type", "prefixed") in pairs
        else ResourcePatternType.LITERAL
    )
    operations = [value for option, value in pairs if option == "--operation"]
    for option, name in pairs:
        for operation in operations if option in RESOURCES else ():
            what = AclOperation[OPERATIONS.get(operation, operation.upper())]
            yield AclBinding(RESOURCES[option], name, kind, principal, "*", what, AclPermissionType.ALLOW)


def _now_s() -> float:
    """Certificates and tokens are valid by the wall clock."""
    return time.time()  # noqa: TID251
