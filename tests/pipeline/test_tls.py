"""TLS to receivers, on real sockets: what is verified, what is told, and whose certificate goes where."""

import asyncio
import gc
import os
import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from threading import Thread

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from relay.model import Answer, Failure, Reason, Reply, Request, Tls
from relay.pipeline.egress import Egress
from relay.pipeline.tls import MAX_FILE_BYTES, Contexts, Unusable, in_words, public
from relay.pipeline.wire import WireDeliver
from tests.contracts.authority import CLIENT, START, Authority
from tests.contracts.receivers import Peer, Receiver, each, receiving

NAME = "receiver.example"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LOOPBACK = Egress(allowed=[ip_network("127.0.0.0/8")])
TRUSTING = Tls(ca="corp")
TO_THE_END = timedelta(days=365)


class Here(AbstractResolver):
    """Every name is this machine's."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        del family
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        pass


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """One that subscriptions may name as `corp`."""
    authority = Authority()
    authority.is_trusted(tmp_path / "corp")
    return authority


def opened(folder: Path | None) -> AbstractAsyncContextManager[WireDeliver]:
    contexts = Contexts(None if folder is None else str(folder))
    return WireDeliver(LOOPBACK, connect_timeout_s=5, response_bytes=100, resolver=Here(), contexts=contexts)


def to(receiver: Receiver, tls: Tls | None, *, account: str = "acc_1", host: str = NAME) -> Request:
    return Request(
        url=receiver.url(host=host).replace("http:", "https:"),
        headers={},
        body=b"{}",
        timeout_s=10,
        account_id=account,
        tls=tls,
    )


def told(reply: Reply) -> str:
    """What was against it; there was nothing but TLS against it."""
    assert isinstance(reply, Failure), reply
    assert Reason.TLS == reply.reason
    return reply.detail.partition(": ")[2]


def subjects(receiver: Receiver) -> list[str | None]:
    """Of the client certificates, in the order of connections."""
    shown = [peer.writer.get_extra_info("peercert") for peer in receiver.peers]
    return [dict(one[0] for one in held["subject"])["commonName"] if held else None for held in shown]


@contextmanager
def refusing(tls: ssl.SSLContext) -> Iterator[Receiver]:
    """A receiver that says why it refuses, as OpenSSL's do: asyncio's own hangs up on its alert."""

    def meet(connection: ssl.SSLSocket) -> None:
        try:
            connection.do_handshake()
            connection.recv(4096)
            connection.sendall(OK)
        except ssl.SSLError:
            connection.shutdown(socket.SHUT_WR)
            while os.read(connection.fileno(), 4096):  # what is left unread at the end would reset the connection
                pass

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as secured:
                    meet(secured)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve)
        thread.start()
        try:
            yield Receiver(listener.getsockname()[1], "https")
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


# What is verified


def test_verification_is_on_from_tls_1_2_and_no_environment_weakens_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what all use, and of what one subscription uses; nothing writes down the keys of sessions."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    Authority().is_trusted(tmp_path / "corp")

    own = Contexts(str(tmp_path)).of("acc_1", TRUSTING)

    assert isinstance(own, ssl.SSLContext)
    for context in (public(), own):
        assert (ssl.CERT_REQUIRED, True) == (context.verify_mode, context.check_hostname)
        assert ssl.TLSVersion.TLSv1_2 == context.minimum_version
        assert context.keylog_filename is None
        assert context.get_ca_certs() or ssl.get_default_verify_paths().cafile is None


async def test_a_receiver_of_an_authority_that_is_named_is_called_by_its_name(
    authority: Authority, tmp_path: Path
) -> None:
    """SNI has the name; an address has none to say (RFC 6066, section 3)."""
    asked: list[str | None] = []
    theirs = authority.serves(tmp_path / "theirs", NAME, "127.0.0.1")
    theirs.sni_callback = lambda _, name, __: asked.append(name)

    async with receiving(each(OK), tls=theirs) as receiver, opened(tmp_path) as call:
        replies = [await call(to(receiver, TRUSTING, host=host)) for host in (NAME, "127.0.0.1")]

    assert [200, 200] == [one.status for one in replies if isinstance(one, Answer)]
    assert [NAME, None] == asked


OUT_OF_ORDER: dict[str, tuple[tuple[str, ...], dict[str, object]]] = {
    "its certificate has expired": ((NAME,), {"lasts": TO_THE_END}),
    "its certificate is not valid yet": ((NAME,), {"start": START.replace(year=2110), "lasts": TO_THE_END}),
    "its certificate is for another name": (("other.example",), {}),
    "its certificate is not meant for a server": ((NAME,), {"use": CLIENT}),
}


@pytest.mark.parametrize("cause", OUT_OF_ORDER)
async def test_a_certificate_out_of_order_is_told_in_words(cause: str, authority: Authority, tmp_path: Path) -> None:
    """And nothing is sent."""
    names, how = OUT_OF_ORDER[cause]
    theirs = authority.serves(tmp_path / "theirs", *names, **how)

    async with receiving(each(OK), tls=theirs) as receiver, opened(tmp_path) as call:
        reply = await call(to(receiver, TRUSTING))

    assert cause == told(reply)
    assert [] == receiver.heard


async def test_a_name_that_stands_in_the_subject_alone_is_none(authority: Authority, tmp_path: Path) -> None:
    """As RFC 9525 has it; so has every browser."""
    theirs = authority.serves(tmp_path / "theirs", subject=NAME)

    async with receiving(each(OK), tls=theirs) as receiver, opened(tmp_path) as call:
        assert "its certificate is for another name" == told(await call(to(receiver, TRUSTING)))


async def test_another_address_and_an_unknown_authority_are_told(authority: Authority, tmp_path: Path) -> None:
    """An authority that one subscription names is trusted for that one alone."""
    theirs = authority.serves(tmp_path / "theirs", NAME)

    async with receiving(each(OK), tls=theirs) as receiver, opened(tmp_path) as call:
        trusted = await call(to(receiver, TRUSTING))
        address = told(await call(to(receiver, TRUSTING, host="127.0.0.1")))
        unknown = told(await call(to(receiver, None)))

    assert isinstance(trusted, Answer)
    assert "its certificate is for another address" == address
    assert unknown.startswith("its certificate comes from an unknown authority")


async def test_a_receiver_without_tls_1_2_is_refused(authority: Authority, tmp_path: Path) -> None:
    """It would have answered a client that takes less."""
    theirs = authority.serves(tmp_path / "theirs", NAME)
    lax = ssl.create_default_context(cadata=authority.certificate.decode())
    for context in (theirs, lax):
        context.set_ciphers("ALL:@SECLEVEL=0")  # else OpenSSL itself refuses
        with warnings.catch_warnings(action="ignore"):
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1

    with refusing(theirs) as receiver:
        async with opened(tmp_path) as call:
            reply = await call(to(receiver, TRUSTING))
        _, writer = await asyncio.open_connection("127.0.0.1", receiver.port, ssl=lax, server_hostname=NAME)
        writer.close()

    assert "it speaks no TLS 1.2 or newer" == told(reply)


async def test_a_receiver_without_tls_is_told(tmp_path: Path) -> None:
    """It answers in plain HTTP."""

    async def script(peer: Peer) -> None:
        await peer.says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await peer.is_left()

    async with receiving(script) as receiver, opened(tmp_path) as call:
        assert "it speaks no TLS there" == told(await call(to(receiver, None)))


# Client certificates


@pytest.fixture(params=["TLSv1_2", "TLSv1_3"])
def demanding(request: pytest.FixtureRequest, authority: Authority, tmp_path: Path) -> ssl.SSLContext:
    """A receiver's side that takes no client without a certificate of this authority's; 1.3 refuses after its own."""
    theirs = authority.serves(tmp_path / "theirs", NAME)
    theirs.maximum_version = ssl.TLSVersion[request.param]
    theirs.verify_mode = ssl.CERT_REQUIRED
    theirs.load_verify_locations(cadata=authority.certificate.decode())
    return theirs


async def test_a_client_certificate_is_shown(demanding: ssl.SSLContext, authority: Authority, tmp_path: Path) -> None:
    """Whoever has none, or one of another authority, is refused and told so."""
    authority.issues(tmp_path / "crm", subject="us", use=CLIENT)
    Authority("another").issues(tmp_path / "strange", subject="us", use=CLIENT)

    with refusing(demanding) as receiver:
        async with opened(tmp_path) as call:
            shown = await call(to(receiver, Tls(client_cert="crm", ca="corp")))
        async with opened(tmp_path) as call:
            without = told(await call(to(receiver, TRUSTING)))
        async with opened(tmp_path) as call:
            strange = told(await call(to(receiver, Tls(client_cert="strange", ca="corp"))))

    assert isinstance(shown, Answer)
    assert "asks for a client certificate" in without
    assert "it does not know the authority of our client certificate" == strange


async def test_no_connection_is_used_with_another_certificate_than_it_was_made_with(
    authority: Authority, tmp_path: Path
) -> None:
    """Nor without one; each has its own, and uses that one again."""
    for name in ("a", "b"):
        authority.issues(tmp_path / name, subject=name, use=CLIENT)
    theirs = authority.serves(tmp_path / "theirs", NAME)
    theirs.verify_mode = ssl.CERT_OPTIONAL
    theirs.load_verify_locations(cadata=authority.certificate.decode())
    each_twice = [Tls(client_cert=name, ca="corp") for name in ("a", "b")] + [TRUSTING]

    async with receiving(each(OK), tls=theirs) as receiver, opened(tmp_path) as call:
        for tls in each_twice * 2:
            assert isinstance(await call(to(receiver, tls)), Answer)

        assert ["a", "b", None] == subjects(receiver)
        assert [2, 2, 2] == [len(peer.heard) for peer in receiver.peers]


async def test_a_renewed_certificate_is_shown_from_the_next_request_on(authority: Authority, tmp_path: Path) -> None:
    """No restart, and no connection of the old one's."""
    authority.issues(tmp_path / "crm", subject="old", use=CLIENT)
    theirs = authority.serves(tmp_path / "theirs", NAME)
    theirs.verify_mode = ssl.CERT_OPTIONAL
    theirs.load_verify_locations(cadata=authority.certificate.decode())
    tls = Tls(client_cert="crm", ca="corp")

    async with receiving(each(OK), tls=theirs) as receiver, opened(tmp_path) as call:
        await call(to(receiver, tls))
        authority.issues(tmp_path / "crm", subject="new", use=CLIENT)
        await call(to(receiver, tls))

        assert ["old", "new"] == subjects(receiver)


async def test_what_a_name_stands_for_is_missing_and_nobody_is_called(authority: Authority, tmp_path: Path) -> None:
    """A name that is not there, or no folder at all."""
    theirs = authority.serves(tmp_path / "theirs", NAME)

    async with receiving(each(OK), tls=theirs) as receiver:
        async with opened(tmp_path) as call:
            missing = told(await call(to(receiver, Tls(client_cert="crm"))))
        async with opened(None) as call:
            nowhere = told(await call(to(receiver, TRUSTING)))

    assert "RELAY_TLS_DIR has no crm/tls.crt for this account" == missing
    assert "it names corp, and RELAY_TLS_DIR is not set" == nowhere
    assert [] == receiver.peers


# What a name stands for


def test_a_name_with_an_account_is_that_accounts_alone_and_looked_at_first(tmp_path: Path) -> None:
    """An account whose name could lead elsewhere has no folder of its own."""
    for folder in ("shared", "shared@acc_1", "own@acc_1", "own@.."):
        Authority(folder).is_trusted(tmp_path / folder)
    contexts = Contexts(str(tmp_path))

    shared, first = (contexts.of(account, Tls(ca="shared")) for account in ("acc_2", "acc_1"))

    assert shared is not first
    assert contexts.of("acc_3", Tls(ca="shared")) is shared
    assert contexts.of("acc_1", Tls(ca="own"))
    for account in ("acc_2", "*", "acc_1/../acc_1", "", "a" * 256, "acc_1\0"):
        with pytest.raises(Unusable, match=r"has no own/ca\.crt for this account"):
            contexts.of(account, Tls(ca="own"))


def test_a_link_that_leads_out_is_not_followed_and_one_within_is(tmp_path: Path) -> None:
    """Kubernetes mounts every file as a link to a folder beside it."""
    mounted, outside = tmp_path / "mounted", tmp_path / "outside"
    Authority().is_trusted(outside)
    Authority().is_trusted(mounted / "k8s" / "..2026_01_01")
    (mounted / "k8s" / "..data").symlink_to("..2026_01_01")
    (mounted / "k8s" / "ca.crt").symlink_to("..data/ca.crt")
    (mounted / "link").symlink_to(outside)
    issued = Authority().issues(mounted / "half")
    (issued / "tls.key").rename(outside / "tls.key")
    (issued / "tls.key").symlink_to(outside / "tls.key")
    contexts = Contexts(str(mounted))

    assert contexts.of("acc_1", Tls(ca="k8s"))
    with pytest.raises(Unusable, match=r"^link/ca.crt leads out of RELAY_TLS_DIR$"):
        contexts.of("acc_1", Tls(ca="link"))
    with pytest.raises(Unusable, match=r"^half/tls.key leads out of RELAY_TLS_DIR$"):
        contexts.of("acc_1", Tls(client_cert="half"))


def spoil(folder: Path, authority: Authority) -> dict[str, str]:
    """Folders with files that cannot be used, and what is told of each."""
    authority.issues(folder / "locked", password=b"hunter2")
    for name in ("mixed", "nothing", "keyless", "large"):
        authority.issues(folder / name)
    (folder / "mixed/tls.key").write_bytes((authority.issues(folder / "else") / "tls.key").read_bytes())
    (folder / "nothing/tls.crt").write_bytes(b"nonsense")
    (folder / "keyless/tls.key").unlink()
    (folder / "large/tls.crt").write_bytes(b" " * (MAX_FILE_BYTES + 1))
    return {
        "locked": "locked/tls.crt: tls.key is encrypted",
        "mixed": "mixed/tls.crt: tls.key is not the key of tls.crt",
        "nothing": "nothing/tls.crt: there is no PEM in it",
        "keyless": "a file in RELAY_TLS_DIR cannot be read: No such file or directory",
        "large": f"large/tls.crt has over {MAX_FILE_BYTES} bytes",
    }


def test_files_that_cannot_be_used_are_told_by_what_is_wrong_with_them(authority: Authority, tmp_path: Path) -> None:
    """Nobody is asked for a password, and no path is cited."""
    contexts = Contexts(str(tmp_path))
    expected = spoil(tmp_path, authority)

    causes = {}
    for name in expected:
        with pytest.raises(Unusable) as caught:
            contexts.of("acc_1", Tls(client_cert=name))
        causes[name] = str(caught.value)

    assert expected == causes
    assert str(tmp_path) not in "".join(causes.values())


def test_authorities_that_are_none_are_told(tmp_path: Path) -> None:
    """An empty file, and one of something else."""
    for content in (b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        (Authority().is_trusted(tmp_path / "corp") / "ca.crt").write_bytes(content)

        with pytest.raises(Unusable, match=r"^corp/ca.crt: "):
            Contexts(str(tmp_path)).of("acc_1", TRUSTING)


def test_contexts_are_kept_while_they_are_used_and_only_so_many(tmp_path: Path) -> None:
    """Each is a megabyte; the one that was used longest ago goes first."""
    for name in "abc":
        Authority().is_trusted(tmp_path / name)
    contexts = Contexts(str(tmp_path), kept=2)

    a, _, again, _ = (contexts.of("acc_1", Tls(ca=name)) for name in "abac")

    assert again is a
    assert contexts.of("acc_2", Tls(ca="a")) is a
    assert 2 == len(contexts._kept)


def contexts_alive() -> int:
    gc.collect()
    return sum(isinstance(one, ssl.SSLContext) for one in gc.get_objects())


@pytest.mark.usefixtures("authority")
async def test_nothing_is_kept_of_what_a_certificate_was_renewed_from(tmp_path: Path) -> None:
    """A context is a megabyte, and there is one of each renewal."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"https://127.0.0.1:{gone.getsockname()[1]}/"
    request = Request(url=url, headers={}, body=b"{}", timeout_s=10, account_id="acc_1", tls=TRUSTING)
    contexts = Contexts(str(tmp_path), kept=1)
    async with WireDeliver(LOOPBACK, connect_timeout_s=5, response_bytes=100, contexts=contexts) as client:
        await client(request)
        before = contexts_alive()

        for second in range(5):
            os.utime(tmp_path / "corp/ca.crt", (second, second))
            reply = await client(request)
            assert isinstance(reply, Failure)
            assert Reason.CONNECT == reply.reason

        assert before == contexts_alive()


# In words


@pytest.mark.parametrize("error", [ValueError("x"), OSError(13, "no"), TimeoutError(), ConnectionResetError()])
def test_what_is_not_tlss_has_no_words_of_its(error: BaseException) -> None:
    """It has another reason."""
    assert in_words(error) is None


def test_an_error_that_nobody_knows_is_told_by_its_name() -> None:
    """Later versions of OpenSSL have more."""
    unheard = ssl.SSLError(1, "[SSL] something")
    unheard.reason = "A_NEW_ONE"

    assert "the TLS connection failed: A_NEW_ONE" == in_words(unheard)
    assert "the TLS connection failed: it ended" == in_words(ssl.SSLError(1, "x"))
    assert "its certificate cannot be verified" == in_words(ssl.SSLCertVerificationError(1, "x"))
