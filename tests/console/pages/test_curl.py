"""What is copied into a terminal runs as it reads."""

import json
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.console.pages import curl

PRINTED = "import json, sys; json.dump(sys.argv[1:], sys.stdout)"
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


def arguments(command: str) -> list[str]:
    """What a POSIX shell makes of it, with a program in curl's place that tells them."""
    shell = f"curl() {{ {sys.executable} -c '{PRINTED}' \"$@\"; }}\n{command}"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, check=True, timeout=30)
    told: list[str] = json.loads(done.stdout)
    return told


@settings(max_examples=12)
@given(TEXT.filter(lambda value: value[:1] != "@"), TEXT)
def test_a_shell_reads_every_argument_as_it_was(body: str, value: str) -> None:
    """Quotes, dollars and line ends run nothing: a lead's name comes from strangers."""
    command = curl.command("https://a.example/hook?a=b&c=$(id)", {"x-team": value, "host": "a.example"}, body.encode())

    header = f"x-team: {value}" if value else "x-team;"
    assert [
        *("-X", "POST", "https://a.example/hook?a=b&c=$(id)"),
        *("-H", header, "--data-binary", body),
    ] == arguments(command)


def test_a_body_names_no_file_and_bytes_that_are_no_text_are_left_out() -> None:
    """`@` in front would have curl send a file of whoever pastes it."""
    assert "--data-binary ' @/etc/passwd'" in curl.command("https://a.example", {}, b"@/etc/passwd")
    assert "--data-binary" not in curl.command("https://a.example", {}, b"\xff\xfe")
    assert "--data-binary" not in curl.command("https://a.example", {}, None)
