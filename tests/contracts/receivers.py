"""Receivers that play a script: real sockets on 127.0.0.1 that say what bytes a test wants said, and when."""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

READ_BYTES = 64 * 1024  # at once; also the most of a request's head, and half of what waits for a script to read it


@dataclass(frozen=True, slots=True)
class Heard:
    """One request, byte for byte."""

    line: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        """What the headers of that name, in any case, hold."""
        return [value for one, value in self.headers if one.lower() == name]


@dataclass(slots=True)
class Peer:
    """One connection, as the receiver has it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heard: list[Heard] = field(default_factory=list)
    may_go_on: asyncio.Event = field(default_factory=asyncio.Event)  # for a script that waits for its test
    over: asyncio.Event = field(default_factory=asyncio.Event)  # they have left, or the script has ended

    async def hears(self) -> Heard:
        """The next request. Raises IncompleteReadError or ConnectionError once they have left."""
        line, *rest = (await self.reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        headers = [(name, value.removeprefix(b" ")) for name, _, value in (one.partition(b":") for one in rest)]
        length = next((int(value) for name, value in headers if name.lower() == b"content-length"), 0)
        self.heard.append(Heard(line, headers, await self.reader.readexactly(length)))
        return self.heard[-1]

    async def says(self, data: bytes) -> None:
        """Raises ConnectionError once they have left."""
        if self.writer.transport.is_closing():  # uvloop's would raise a RuntimeError
            raise ConnectionResetError("they have left")
        self.writer.write(data)
        await self.writer.drain()

    async def drips(self, data: bytes, *, every_s: float) -> None:
        """A byte at a time."""
        for at in range(len(data)):
            await self.says(data[at : at + 1])
            await asyncio.sleep(every_s)

    async def is_left(self) -> None:
        """They have closed the connection."""
        while await self.reader.read(READ_BYTES):
            pass

    def resets(self) -> None:
        """They get an RST, and not the end of the stream."""
        raw: socket.socket = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


@dataclass(slots=True)
class Receiver:
    """Its connections, in the order they came."""

    port: int
    scheme: str
    peers: list[Peer] = field(default_factory=list)

    def url(self, path: str = "/", *, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    @property
    def heard(self) -> list[Heard]:
        return [one for peer in self.peers for one in peer.heard]


@contextlib.asynccontextmanager
async def receiving(
    script: Script,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
    window_bytes: int | None = None,
) -> AsyncIterator[Receiver]:
    """
    A receiver that plays the script on each of its connections, and closes it at the script's end.

    The kernel takes no more than about `window_bytes` of what the script does not read; as much as it likes if None.
    """
    listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    if window_bytes is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window_bytes)
    receiver = Receiver(listener.getsockname()[1], "https" if tls else "http")
    plays: list[asyncio.Task[None]] = []

    async with asyncio.TaskGroup() as group:

        def meets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            receiver.peers.append(Peer(reader, writer))
            plays.append(group.create_task(_play(script, receiver.peers[-1])))

        server = await asyncio.start_server(meets, sock=listener, ssl=tls, limit=READ_BYTES)
        try:
            yield receiver
        finally:
            server.close()
            for play in plays:
                play.cancel()


async def _play(script: Script, peer: Peer) -> None:
    try:
        await script(peer)
    except (OSError, asyncio.IncompleteReadError):
        pass  # they have left, for which many a script waits
    finally:
        peer.over.set()
        peer.writer.close()
        with contextlib.suppress(OSError):
            await peer.writer.wait_closed()


def each(answer: bytes) -> Script:
    """Every request of every connection gets this answer."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.hears()
            await peer.says(answer)

    return script


def once(*pieces: bytes, closes: bool = False) -> Script:
    """A request gets these pieces, each in a segment of its own; then the connection is closed, or left standing."""

    async def script(peer: Peer) -> None:
        await peer.hears()
        for piece in pieces:
            await peer.says(piece)
            await asyncio.sleep(0.01)  # else the kernel may join them
        if not closes:
            await peer.is_left()

    return script


def a_certificate(folder: Path, *, address: str = "127.0.0.1") -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A self-signed one for this address: the receiver's side, and that of a client who trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver.example")])
    start = datetime(2019, 6, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start.replace(year=2119))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "receiver.pem"
    path.write_bytes(private + certificate)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(path)
    return theirs, ssl.create_default_context(cadata=certificate.decode())
