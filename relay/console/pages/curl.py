"""A request -> the command that makes it again. Pure."""

from collections.abc import Mapping
from shlex import quote

NOT_COPIED = {"content-length", "host", "connection", "transfer-encoding"}  # curl's own to set


def command(url: str, headers: Mapping[str, str], body: bytes | None) -> str:
    r"""
    For a POSIX shell, one argument a line. A body that is no text is left out, for a shell's argument holds no NUL.

    >>> print(command("https://a.example/hook", {"relay-event": "lead.updated"}, b"{}"))
    curl -X POST https://a.example/hook \
      -H 'relay-event: lead.updated' \
      --data-binary '{}'
    """
    lines = [f"curl -X POST {quote(url)}"]
    lines += [
        f"-H {quote(f'{name}: {value}' if value else f'{name};')}"
        for name, value in headers.items()
        if name not in NOT_COPIED
    ]
    text = _text(body)
    if text is not None:
        lines.append(f"--data-binary {quote(_literal(text))}")
    return " \\\n  ".join(lines)


def _literal(text: str) -> str:
    """`@` in front would name a file, and no JSON begins with it: a space there changes no JSON."""
    return f" {text}" if text.startswith("@") else text


def _text(body: bytes | None) -> str | None:
    try:
        return None if body is None or b"\0" in body else body.decode()
    except UnicodeDecodeError:
        return None
