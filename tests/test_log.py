"""The log: which lines there are, how they look, and what never stands in them."""

import ast
import contextlib
import io
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from relay import log

ROOT = Path(__file__).parents[1]
METHODS = {"debug", "info", "warning", "error", "exception"}


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The process's logging is as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def written() -> set[str]:
    """Every event name in the source: `log.info("…")`, and in `write("…")` of the one that chooses its level."""
    calls = [
        node
        for path in (ROOT / "relay").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and node.args
    ]
    return {
        call.args[0].value
        for call in calls
        if isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
        if (
            isinstance(call.func, ast.Attribute) and call.func.attr in METHODS and ast.unparse(call.func.value) == "log"
        )
        or (isinstance(call.func, ast.Name) and call.func.id == "write" and "." in call.args[0].value)
    }


def test_every_line_that_the_source_writes_is_listed_and_no_other() -> None:
    """EVENTS is all of it."""
    assert set(log.EVENTS) == written()


def test_the_runbook_lists_every_line_with_its_meaning() -> None:
    """Name and meaning are the code's; what to do is the runbook's own."""
    text = (ROOT / "deploy/RUNBOOK.md").read_text().partition("## Log events")[2].partition("## Metrics")[0]

    rows = re.findall(r"^\| `([^`]+)` \| (.+?) \| .*\|$", text, re.MULTILINE)

    assert log.EVENTS == dict(rows)


def test_a_line_is_one_json_object_where_nobody_looks_on() -> None:
    """Names, level and time; bytes and exceptions are no reason to fail."""
    stream = io.StringIO()
    log.configure(format_=None, level="info", stream=stream)

    structlog.get_logger().info("delivery.settled", verdict="retry", odd=b"\xff")

    line = json.loads(stream.getvalue())
    assert ("delivery.settled", "info", "retry") == (line["event"], line["level"], line["verdict"])
    assert line["timestamp"].endswith("Z")


class Writes(io.StringIO):
    """Remembers what was written at once."""

    def __init__(self) -> None:
        super().__init__()
        self.at_once: list[str] = []

    def write(self, text: str) -> int:
        self.at_once.append(text)
        return super().write(text)


def test_a_line_is_written_at_once_with_its_end() -> None:
    """Several processes share one stderr, which may be unbuffered: between two writes of one, another's may come."""
    stream = Writes()
    log.configure(format_="json", level="info", stream=stream)

    structlog.get_logger().info("delivery.settled")

    assert [stream.getvalue()] == stream.at_once
    assert stream.getvalue().endswith("}\n")


def test_what_is_below_the_level_is_not_written() -> None:
    """RELAY_LOG_LEVEL."""
    stream = io.StringIO()
    log.configure(format_="json", level="warning", stream=stream)

    structlog.get_logger().info("delivery.settled")

    assert stream.getvalue() == ""


def test_libraries_speak_in_the_same_form_and_only_when_something_is_wrong() -> None:
    """A line of aiokafka's is JSON too."""
    stream = io.StringIO()
    log.configure(format_="json", level="debug", stream=stream)

    logging.getLogger("aiokafka").info("not news")
    logging.getLogger("aiokafka.conn").debug("Request to kafka:9093: SaslAuthenticateRequest(password)")
    logging.getLogger("aiokafka").error("news: %s", 1)

    line = json.loads(stream.getvalue())
    assert ("news: 1", "aiokafka", "error") == (line["event"], line["logger"], line["level"])


def test_a_person_at_a_terminal_reads_words() -> None:
    """RELAY_LOG_FORMAT=console."""
    stream = io.StringIO()
    log.configure(format_="console", level="info", stream=stream)

    structlog.get_logger().info("worker.started", version="1")

    assert "worker.started" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.mark.parametrize("format_", ["console", "json"])
def test_a_traceback_tells_where_and_not_what_was_held_there(format_: str) -> None:
    """Local variables are secrets, headers and bodies; the renderer's own choice for people would print them."""
    stream = io.StringIO()
    log.configure(format_=format_, level="info", stream=stream)
    held = "canary"[:3]
    held += "ry of a secret"

    try:
        int(held[:0])
    except ValueError:
        structlog.get_logger().exception("delivery.failed")
        logging.getLogger("aiokafka").exception("news")

    assert "test_log.py" in stream.getvalue()
    assert "ValueError" in stream.getvalue()
    assert held not in stream.getvalue()


def test_a_logger_that_is_kept_writes_to_the_stderr_of_the_moment(capsys: pytest.CaptureFixture[str]) -> None:
    """Its first line may go to a stderr that is closed by the time of its second."""
    log.configure(format_="json", level="info")
    kept = structlog.get_logger()
    first = io.StringIO()
    with contextlib.redirect_stderr(first):
        kept.info("worker.started")
    first.close()

    kept.info("worker.stopped")

    assert "worker.stopped" in capsys.readouterr().err


@pytest.mark.parametrize("format_", ["console", "json"])
@pytest.mark.parametrize("hostile", ["\x1b]0;owned\x07", "\x9b31m", "a\nb", "\N{RIGHT-TO-LEFT OVERRIDE}b"], ids=ascii)
def test_nothing_that_a_terminal_obeys_is_written(format_: str, hostile: str) -> None:
    """A lead's id is whatever somebody published; in JSON a line holds no control character."""
    stream = io.StringIO()
    log.configure(format_=format_, level="info", stream=stream)

    structlog.get_logger().info("delivery.settled", lead_id=hostile, source=[hostile])
    logging.getLogger("aiokafka").warning("news of %s", hostile)
    try:
        raise ValueError(hostile)  # noqa: TRY301  that is the line
    except ValueError:
        structlog.get_logger().exception("delivery.failed")

    lines = stream.getvalue().split("\n")
    if format_ == "console":
        assert all(line.isprintable() for line in lines)
    else:
        assert 4 == len(lines)
        assert not re.search("[\x00-\x1f\x7f-\x9f]", "".join(lines))
        assert hostile == json.loads(lines[0])["lead_id"]
