"""`relay lanes`: asked of workers that answer, of several, of none, and of what is no worker."""

import asyncio
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager

import orjson
import pytest
from _pytest.capture import CaptureResult

from relay import log
from relay.cli.app import main
from relay.metrics import Metrics
from relay.pipeline.census import MAX_PAGE_BYTES, Asked
from relay.pipeline.listener import listening
from relay.workers import ask_all

Capsys = pytest.CaptureFixture[str]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the address is needed, not even a broker. What a worker logs here stands apart from the answer."""
    log.configure(format_="json", level="info")
    for name in [name for name in os.environ if name.startswith("RELAY_")]:
        monkeypatch.delenv(name)


def a_lane(name: str, **fields: object) -> dict[str, object]:
    lane = {"subscription_id": name, "account_id": "acc", "state": "healthy", "limit": 8, "max_in_flight": None}
    lane |= {"rate_per_s": None, "in_flight": 0, "queued": 0, "deferred": 0, "retry_at": None, "why": None}
    return {**lane, "worker": "w-1", **fields}


BAD = a_lane("bad", state="open", deferred=7, retry_at="2026-11-25T12:00:00.000Z", why="circuit open: \x1b[31mred")


def a_page(*lanes: Mapping[str, object], **fields: object) -> bytes:
    return orjson.dumps({"lanes": lanes, "total": len(lanes), "workers": ["w-1"], "unanswered": [], **fields})


@contextmanager
def looping(start: Callable[[asyncio.Event, Callable[[int], None]], Awaitable[None]]) -> Iterator[int]:
    """Something that listens, on a loop of its own beside the command; its port."""
    there, stop, port = threading.Event(), asyncio.Event(), []

    def told(number: int) -> None:
        port.append(number)
        there.set()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(start(stop, told)))
    thread.start()
    try:
        assert there.wait(10)
        yield port[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@contextmanager
def a_worker(lanes: Callable[[Mapping[str, str]], bytes | None]) -> Iterator[str]:
    """Its address."""

    async def start(stop: asyncio.Event, told: Callable[[int], None]) -> None:
        async with listening(("127.0.0.1", 0), Metrics()) as listener:
            listener.lanes = lanes
            told(listener.port)
            await stop.wait()

    with looping(start) as port:
        yield f"127.0.0.1:{port}"


@contextmanager
def something(answer: bytes, *, then_hangs: bool = False) -> Iterator[str]:
    """That is no worker, and says this to whoever comes."""

    async def start(stop: asyncio.Event, told: Callable[[int], None]) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(answer)
                await writer.drain()
                if then_hangs:
                    await reader.read()
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        told(server.sockets[0].getsockname()[1])
        async with server:
            await stop.wait()

    with looping(start) as port:
        yield f"127.0.0.1:{port}"


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def errors(captured: CaptureResult[str]) -> list[str]:
    """Lines for people; those of the log are the worker's, which has the same stderr here."""
    return [line for line in captured.err.splitlines() if not line.startswith("{")]


def nobody() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def test_the_worker_of_the_settings_is_asked(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table; whatever stands in it, the terminal does not obey it."""
    with a_worker(lambda _: a_page(BAD, a_lane("good", limit=16))) as address:
        monkeypatch.setenv("RELAY_METRICS_ADDRESS", address)

        assert main(["lanes"]) == 0

    captured = capsys.readouterr()
    header, bad, good = (line.rstrip() for line in captured.out.splitlines())
    assert header.split() == [
        *("subscription_id", "account_id", "state", "limit", "in_flight", "queued", "deferred", "retry_at", "why"),
    ]
    assert bad.split()[:8] == ["bad", "acc", "open", "8", "0", "0", "7", "2026-11-25T12:00:00.000Z"]
    assert r"circuit open: \x1b[31mred" in bad
    assert good.split() == ["good", "acc", "healthy", "16", "0", "0", "0", "-", "-"]
    assert errors(captured) == []


def test_several_workers_are_one_list_worst_first(capsys: Capsys) -> None:
    """As JSON with every field, each lane with its worker."""
    pages = (a_page(a_lane("busy", queued=3), a_lane("good")), a_page({**BAD, "worker": "w-2"}, workers=["w-2"]))
    with a_worker(lambda _: pages[0]) as one, a_worker(lambda _: pages[1]) as two:
        assert main(["lanes", "--at", one, "--at", two, "-o", "json"]) == 0
        told = orjson.loads(capsys.readouterr().out)
        assert main(["lanes", "--at", one, "--at", two]) == 0

    assert [("bad", "w-2"), ("busy", "w-1"), ("good", "w-1")] == [
        (one["subscription_id"], one["worker"]) for one in told
    ]
    assert {**BAD, "worker": "w-2"} == told[0]
    assert capsys.readouterr().out.splitlines()[0].split()[-1] == "worker"


def test_filters_are_asked_of_the_worker_which_knows_all_of_them(capsys: Capsys) -> None:
    """A page holds the worst alone, and one that is well may be wanted."""
    asked: list[dict[str, str]] = []

    def lanes(query: Mapping[str, str]) -> bytes:
        asked.append(dict(query))
        return a_page()

    with a_worker(lanes) as address:
        assert main(["lanes", "--at", address, "--subscription", "a&b=ü", "--state", "limited"]) == 0
        assert main(["lanes", "--at", address, "-o", "json"]) == 0
        asyncio.run(ask_all([("127.0.0.1", int(address.rpartition(":")[2]))], Asked(account="acct-1")))

    captured = capsys.readouterr()
    assert [{"subscription": "a&b=ü", "state": "limited"}, {}, {"account": "acct-1"}] == asked
    assert errors(captured) == ["no lanes: nothing came lately for what you ask for"]
    assert captured.out == "[]\n"


def test_what_is_not_shown_is_told(capsys: Capsys) -> None:
    """How many there are, and which process said nothing: then not all were asked, and the status says so."""
    with a_worker(lambda _: a_page(BAD, total=2_345, unanswered=[3])) as address:
        assert main(["lanes", "--at", address, "-o", "json"]) == 5

    captured = capsys.readouterr()
    assert [BAD] == orjson.loads(captured.out)
    assert errors(captured) == [
        "1 of 2345 lanes, the worst; --subscription or --state shows others",
        f"relay: process 3 at {address} did not answer: it starts or hangs; its log says which",
    ]


def test_where_nobody_answers_the_next_step_is_told(capsys: Capsys) -> None:
    """Exit status 5, as of a broker; what others said is shown."""
    there = nobody()
    with a_worker(lambda _: a_page(BAD)) as address:
        assert main(["lanes", "--at", there, "--at", address, "-o", "json"]) == 5
        some = capsys.readouterr()
    assert main(["lanes", "--at", there, "-o", "json"]) == 5
    none = capsys.readouterr()

    assert [BAD] == orjson.loads(some.out)
    assert none.out == ""
    (error,) = errors(some)
    assert [error] == errors(none)
    assert error.startswith(f"relay: no worker answers at {there} (Connection refused): ")
    assert error.endswith(
        "is one running, with this RELAY_METRICS_ADDRESS? `relay lanes --at host:port` asks elsewhere"
    )


def test_a_worker_that_starts_says_so(capsys: Capsys) -> None:
    """It waits for its broker, perhaps."""
    with a_worker(lambda _: None) as address:
        assert main(["lanes", "--at", address]) == 5

    (error,) = errors(capsys.readouterr())
    assert error == f"relay: the worker at {address} is starting: its log says what it waits for"


@pytest.mark.parametrize("answer", [b"", http(b"")[:20], http(b"[" * 10)[:-5]])
def test_one_that_hangs_is_waited_for_no_longer_than_2_s(capsys: Capsys, answer: bytes) -> None:
    """Before its answer, or in the middle of it."""
    with something(answer, then_hangs=True) as address:
        assert main(["lanes", "--at", address]) == 5

    assert f"no worker answers at {address} (" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (http(b"not found", "404 Not Found"), "HTTP 404"),
        (http(b"", "302 Found", "Location: http://127.0.0.1:1/"), "HTTP 302"),
        (http(b"{"), "unexpected end of data"),
        (http(b"[]"), "is no JSON object"),
        (http(b"<html>"), "unexpected character"),
        (http(b"\x1f\x8b", "200 OK", "Content-Encoding: gzip"), "tells of no lanes"),
        (http(a_page({})), "subscription_id is missing"),
        (http(b" " * (MAX_PAGE_BYTES + 1)), f"over {MAX_PAGE_BYTES} bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", "no worker answers"),
        (b"220 mail.example ESMTP\r\n", "no worker answers"),
    ],
)  # fmt: skip
def test_what_is_no_worker_is_told_without_a_traceback(capsys: Capsys, answer: bytes, said: str) -> None:
    """Whatever listens there may say anything, and as much as it likes."""
    with something(answer) as address:
        assert main(["lanes", "--at", address, "-o", "json"]) in {1, 5}

    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert "Traceback" not in captured.err
    assert len(errors(captured)) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--at", "nonsense"], "at: must be host:port"),
        (["--at", "127.0.0.1:0"], "at: port 0 cannot be asked: `metrics.listening` in the worker's log has the port"),
        (["--at", "[::zz]:9464"], "at: "),
        (["--state", "sad"], '"open", "probing", "limited", "healthy"'),
    ],
)
def test_what_cannot_be_asked_is_refused(capsys: Capsys, arguments: list[str], said: str) -> None:
    """Exit status 2, before anybody is asked."""
    assert main(["lanes", *arguments]) == 2

    assert said in capsys.readouterr().err


def test_a_configured_port_0_is_no_address(capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker has some port, and its log alone says which."""
    monkeypatch.setenv("RELAY_METRICS_ADDRESS", "127.0.0.1:0")

    assert main(["lanes"]) == 2

    assert "RELAY_METRICS_ADDRESS: port 0 cannot be asked" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["a" * 70, "a..b", "no-such-host.invalid"])
def test_a_name_that_leads_nowhere_is_nobody(capsys: Capsys, host: str) -> None:
    """However it is wrong."""
    assert main(["lanes", "--at", f"{host}:9464"]) == 5

    assert f"no worker answers at {host}:9464" in capsys.readouterr().err
