"""Tokens from a file and from a program: kept fresh by others, bounded in size and time, and told to nobody."""

import asyncio
import os
import select
import shlex
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from aiokafka.errors import KafkaError

from relay import oauthbearer
from relay.oauthbearer import TOKEN_BYTES, NoToken, TokenCommand, TokenFile, token_of
from tests.kafka.driver import until


def a_program(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


@pytest.mark.parametrize("raw", [b"eyJhbGciOiJub25lIn0.e30.", b"a~b+c/d-e_f==", b"t\n", b"t\r\n", b"x" * TOKEN_BYTES])
def test_a_token_is_what_rfc_6750_says(raw: bytes) -> None:
    """The end of its line is none of it."""
    assert raw.decode().strip() == token_of(raw, "IT")


@pytest.mark.parametrize(
    "raw", [b"", b"\n", b"two words", b"hunter2\x01auth=x", b"hunter2\n\n", "hünter2".encode(), b"\xff", b"=", b"a=b"]
)
def test_what_is_no_token_is_refused_unseen(raw: bytes) -> None:
    """Above all what would end the field that it is sent in."""
    with pytest.raises(NoToken, match="IT gives no token") as told:
        token_of(raw, "IT")

    assert "hunter2" not in repr(told.value)


def test_a_token_beyond_64_kib_is_none() -> None:
    """Whoever names a log by mistake does not send it to the broker."""
    with pytest.raises(NoToken, match="more than 65536 bytes"):
        token_of(b"x" * (TOKEN_BYTES + 1), "IT")


async def test_a_file_is_read_for_each_connection(tmp_path: Path) -> None:
    """Somebody else renews it; what is there now counts."""
    file = tmp_path / "token"
    source = TokenFile(str(file))
    with pytest.raises(NoToken, match="cannot be read: No such file"):
        await source.token()

    for token in ("first", "second"):
        file.write_text(token + "\n")
        assert token == await source.token()


async def test_a_pipe_or_an_endless_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Neither is a token."""
    os.mkfifo(tmp_path / "pipe")
    async with asyncio.timeout(5):
        for path in (str(tmp_path / "pipe"), "/dev/zero", str(tmp_path), "a\0b"):
            with pytest.raises(NoToken):
                await TokenFile(path).token()


async def test_a_program_is_asked_once_for_all_that_want_a_token_at_once(tmp_path: Path) -> None:
    """A start makes ten connections."""
    count = tmp_path / "count"
    code = f"open({str(count)!r}, 'a').write('x'); print('token-' + str(len(open({str(count)!r}).read())))"
    source = TokenCommand(a_program(code))

    assert ["token-1"] * 10 == await asyncio.gather(*(source.token() for _ in range(10)))


def test_a_program_is_asked_again_when_its_token_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here at once; and by commands that run several loops, one after another."""
    monkeypatch.setattr(oauthbearer, "KEEP_S", 0)
    count = tmp_path / "count"
    code = f"open({str(count)!r}, 'a').write('x'); print('token-' + str(len(open({str(count)!r}).read())))"
    source = TokenCommand(a_program(code))

    assert [asyncio.run(source.token()), asyncio.run(source.token())] == ["token-1", "token-2"]


async def test_a_program_sees_none_of_relays_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Among them may be the key ring."""
    monkeypatch.setenv("RELAY_SECRET_KEYS", "hunter2")
    code = "import os; print('leaked' if any(name.startswith('RELAY_') for name in os.environ) else 'clean')"

    assert await TokenCommand(a_program(code)).token() == "clean"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("/nowhere/get-token", "cannot be started: No such file"),
        (a_program("print('hunter2'); raise SystemExit(3)"), "ended with status 3"),
        (a_program("import sys; sys.stdout.write('hunter2' * 100_000)"), "more than 65536 bytes"),
        (a_program("print('hunter2 is')"), "gives no token"),
        (a_program("pass"), "gives no token"),
    ],
)
async def test_a_program_that_gives_no_token_is_trouble_like_any_of_a_connection(command: str, why: str) -> None:
    """The client tries again. Nothing of what was printed is told."""
    with pytest.raises(KafkaError, match=why) as told:
        await TokenCommand(command).token()

    assert "hunter2" not in str(told.value)


async def test_a_program_that_does_not_end_is_given_up() -> None:
    """Whatever it would have printed."""
    with pytest.raises(NoToken, match=r"did not end within 0\.1 s"):
        await TokenCommand("sleep 60", timeout_s=0.1).token()


class Pipe:
    """A program that starts another and waits for it; both hold the other end for as long as they live."""

    def __init__(self, folder: Path) -> None:
        path = folder / "pipe"
        os.mkfifo(path)
        self.end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.words = shlex.join(["sh", "-c", f"exec 3>{shlex.quote(str(path))}; sleep 60 & echo started >&3; wait"])

    def read(self) -> bytes | None:
        """None: somebody holds the other end, and says nothing."""
        with suppress(BlockingIOError):
            return os.read(self.end, 100)
        return None


async def test_a_program_that_is_given_up_ends_with_all_that_it_started(tmp_path: Path) -> None:
    """Here because nobody waits for it any more."""
    pipe = Pipe(tmp_path)
    asking = asyncio.gather(TokenCommand(pipe.words).token())
    await until(lambda: pipe.read() == b"started\n")
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking

    await until(lambda: pipe.read() == b"")
    os.close(pipe.end)


@pytest.mark.parametrize("turns", range(1, 9))
async def test_so_it_does_where_nobody_waits_for_it_while_it_begins(tmp_path: Path, turns: int) -> None:
    """It has started another already, and its beginning has not been heard of: the loop stands still meanwhile."""
    pipe = Pipe(tmp_path)
    asking = asyncio.gather(TokenCommand(pipe.words).token())
    for _ in range(turns):
        await asyncio.sleep(0)
    select.select([pipe.end], [], [], 0.3)
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking

    await until(lambda: pipe.read() == b"")
    os.close(pipe.end)
