"""What all commands share: options, how a file is read, how a list is shown. Answers on stdout, all else on stderr."""

import getpass
import os
import re
import sys
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import orjson
import uvloop
import yaml
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from relay import log
from relay.config import Config, load
from relay.errors import Invalid, Problem
from relay.settings import shown

T = TypeVar("T")

MAX_FILE_BYTES = 16 * 1024 * 1024  # of what a person hands over: far more than any of these files has
STDIN = "-"

SECRET = re.compile("(secret|header)[-_]file")  # options whose files hold secrets; some write these in their place
_CONTROLS = re.compile("[\x7f-\x9f]")  # control characters that JSON need not escape, and terminals obey

Output = Literal["table", "json"]
SecretFile = Annotated[str | None, Parameter(allow_leading_hyphen=True)]  # `-` is stdin
File = Annotated[str, Parameter(allow_leading_hyphen=True)]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Configured:
    """Where every command's settings are."""

    config: Path | None = None
    """A TOML file of settings; the environment wins."""

    def load(self, *needs: str) -> Config:
        """
        The configuration, and the log set up as it says.

        Raises:
            ConfigProblem: All that is wrong.
        """
        config = load(os.environ, self.config, needs=needs)
        log.configure(format_=config.log_format, level=config.log_level)
        return config


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Common(Configured):
    """Options of every command that answers with a table or JSON."""

    output: Annotated[Output, Parameter(name=["--output", "-o"])] = "table"
    """How the answer is written."""

    def show(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, empty: str) -> None:
        """A list: a JSON array, or a table of these columns."""
        if self.output == "json":
            write_json(list(rows))
        elif rows:
            write_table(rows, columns)
        else:
            tell(empty)

    def show_one(self, row: Mapping[str, Any]) -> None:
        """One thing: a JSON object, or a line a field."""
        if self.output == "json":
            write_json(row)
            return
        width = max(len(name) for name in row)
        for name, value in row.items():
            print(f"{name:<{width}}  {cell(value)}")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Its result; on uvloop, as everything of relay's."""
    return uvloop.run(main)


def write_json(value: object) -> None:
    sys.stdout.write(_json(value, orjson.OPT_INDENT_2) + "\n")
    sys.stdout.flush()


def json_line(value: object) -> str:
    """For one of many: JSON in a line, its end included."""
    return _json(value) + "\n"


def _json(value: object, option: int | None = None) -> str:
    written = orjson.dumps(value, option=option).decode()
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", written)


def write_table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """As wide as the terminal; elsewhere as wide as it needs to be, for what reads it cuts nothing."""
    console = Console(emoji=False)  # an id may hold `:b:`
    if not console.is_terminal:
        console = Console(width=10_000, emoji=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(cell(row[column]) for column in columns))
    console.print(table, highlight=False, markup=False)


def cell(value: object) -> str:
    """A value in a table."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Sequence) and all(isinstance(one, str) for one in value):
        return plain(",".join(value)) or "-"
    return plain(orjson.dumps(value).decode())


def plain(text: str) -> str:
    r"""
    Nothing in it that a terminal would obey: others write to these topics too, and whatever stands there is shown.

    >>> print(plain("Zoë\x1b[31m\n"))
    Zoë\x1b[31m\n
    """
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def tell(lines: str) -> None:
    """For people: on stderr, so that stdout is the answer alone."""
    print("\n".join(plain(line) for line in lines.split("\n")), file=sys.stderr, flush=True)


def read_file(path: str, *, what: str) -> bytes:
    """
    The bytes of a file, or of stdin.

    Raises:
        Invalid: It cannot be read, or is too large; its name is cited, but where some put the secret itself.
    """
    named = "" if SECRET.match(what) else path
    try:
        if path == STDIN:
            raw = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                raw = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise Invalid(Problem(what, f"cannot be read: {error.strerror or error}", named)) from None
    except ValueError:  # a NUL in it, or what no file system has a byte for
        raise Invalid(Problem(what, "cannot be read: no file has such a name", shown(named))) from None
    if len(raw) > MAX_FILE_BYTES:
        raise Invalid(Problem(what, f"is over {MAX_FILE_BYTES} bytes", named))
    return raw


class _Loader(yaml.SafeLoader):
    """What Python could not write again is not read: of a number in hexadecimal it reads any length."""

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        number = super().construct_yaml_int(node)
        str(number)  # ValueError beyond 4,300 digits, as it is when the file has them in decimal
        return number


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def read_yaml(path: str, *, what: str) -> Any:  # noqa: ANN401  whatever it holds
    """
    What a YAML or JSON file holds.

    Raises:
        Invalid: It cannot be read, or is neither; of a file of secrets no more is told than where.
    """
    raw = read_file(path, what=what)
    try:
        return yaml.load(raw, _Loader)  # noqa: S506  it is a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        if SECRET.match(what):  # the parser cites what it read
            mark = getattr(error, "problem_mark", None)
            raise Invalid(Problem(what, "is no YAML" + (f": see its line {mark.line + 1}" if mark else ""))) from None
        why = " ".join(str(error).split())[:300] or type(error).__name__
        raise Invalid(Problem(what, f"is no YAML: {why}", path)) from None


def who() -> str:
    """Who runs this, for `updated_by`."""
    try:
        return f"cli:{plain(getpass.getuser())}"  # LOGNAME may hold anything
    except (OSError, KeyError):  # a container's numeric user has no name
        return f"cli:{os.getuid()}"
