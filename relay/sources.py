"""
Where settings are set: what environment and file say of each, and the names in them that mean nothing.

Pure. In a file a variable may also be written in lower case without `RELAY_`; the environment wins.
"""

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any

from relay import settings
from relay.errors import Problem
from relay.settings import shown

PREFIX = "RELAY_"
MASK = "***"  # stands for every value that is secret

# Other people's: the tests' own, and what Kubernetes injects for every service that is called relay or relay-something.
_NOT_OURS = re.compile(r"RELAY_(TEST_.*|(.+_)?SERVICE_.*|.+_PORT.*|PORT(_.*)?)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How one setting is written."""

    variable: str
    read: settings.Reader[object]
    secret: bool = False  # its value is never shown
    example: str = ""  # of what to set, where there is no default


def nothing_to_read(_path: str) -> str:
    """Stands for files where there are none."""
    raise OSError(0, "no files are read here")


def values(
    table: Mapping[str, Setting],
    environ: Mapping[str, str],
    file: Mapping[str, object],
    read_text: Callable[[str], str],
) -> tuple[dict[str, Any], dict[str, Problem]]:
    """What is set, by field, and what is wrong with it; `secret_keys` also from the file that its variable names."""
    given: dict[str, Any] = {}
    problems: dict[str, Problem] = {}
    for field, line in table.items():
        text = ""
        try:
            text = text_of(line.variable, environ, file)
            if text:
                given[field] = line.read(text)
        except ValueError as broken:
            problems[field] = Problem(line.variable, str(broken), MASK if line.secret and text else shown(text))
    if "secret_keys_file" in given:
        variable = table["secret_keys_file"].variable
        if "secret_keys" in given or "secret_keys" in problems:
            problems["secret_keys_file"] = Problem(variable, "is set beside RELAY_SECRET_KEYS: keep one of them", MASK)
            return given, problems
        try:
            given["secret_keys"] = _keys(given["secret_keys_file"], read_text)
        except ValueError as broken:
            problems["secret_keys"] = Problem(variable, str(broken), MASK)
    return given, problems


def _keys(path: str, read_text: Callable[[str], str]) -> tuple[tuple[str, bytes], ...]:
    """The key ring in that file; or ValueError, which does not tell the path: some put the keys themselves there."""
    try:
        return settings.key_ring(read_text(path))
    except OSError as problem:
        raise ValueError(f"names a file that cannot be read: {problem.strerror or 'no reason given'}") from None
    except UnicodeDecodeError:
        raise ValueError("names a file that is not UTF-8") from None


def text_of(variable: str, environ: Mapping[str, str], file: Mapping[str, object]) -> str:
    """
    What the variable is set to; empty when it is not set, or to nothing but blanks.

    Raises:
        ValueError: The file has it twice, or as something that has no spelling in an environment.
    """
    if text := environ.get(variable, "").strip():
        return text
    match [file[key] for key in (variable, _short(variable)) if key in file]:
        case []:
            return ""
        case [value]:
            return _spelled(value).strip()
        case _:
            raise ValueError("is in the file twice, with and without RELAY_: keep one")


def unknown(environ: Mapping[str, str], file: Mapping[str, object], variables: Collection[str]) -> Iterator[Problem]:
    """Each name that looks like a setting and is none. Its value is not told: it may be a misspelt secret."""
    shorts = [_short(variable) for variable in variables]
    for name in environ:
        if name.startswith(PREFIX) and name not in variables and not _NOT_OURS.fullmatch(name):
            yield _problem(name, shorts)
    for name in file:
        if name not in variables and name not in shorts:
            yield _problem(name, shorts)


def _problem(name: str, shorts: Collection[str]) -> Problem:
    # Without the prefix, or every name would resemble every other by its first six letters.
    near = difflib.get_close_matches(_short(name), shorts, n=1)
    guess = f"did you mean {PREFIX}{near[0].upper()}?" if near else "deploy/relay.env.example lists them all"
    return Problem(shown(name), f"is no setting of relay: {guess}")


def _short(variable: str) -> str:
    return variable.removeprefix(PREFIX).lower()


def _spelled(value: object) -> str:
    """A value of the file as an environment would have it, so that both are read by the same rules."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case date() | time():  # TOML has them without quotes; a datetime is a date
            return value.isoformat()
        case [_, *_]:
            return ",".join(_spelled(entry) for entry in value)
        case []:
            raise ValueError("is an empty list: leave it out to have the default")
        case _:
            raise ValueError("is a table: write one value, or a list of them")
