"""What was asked, field by field -> values, or every problem at once. Pure."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from relay.errors import Invalid, Problem
from relay.instants import epoch_ms
from relay.settings import cited

T = TypeVar("T")

MAX_TEXT = 4 * 1024  # characters of a field: the longest that means something is a header's value
MAX_CURSOR = 400  # characters: of a listing in memory, of the history, of the audit
MAX_QUERY = 256  # of a field of a query: ids and words
MAX_WHOLE = 2**63 - 1
MAX_DIGITS = 19


class Asked:
    """Fields of a body, or of a query; `done` comes last, and tells what nobody has asked for."""

    def __init__(
        self,
        given: Mapping[str, object],
        *,
        problems: Iterable[Problem] = (),
        most: int = MAX_TEXT,
        into: "Asked | None" = None,
    ) -> None:
        """
        Args:
            given: Field -> what was written.
            problems: What is wrong already.
            most: Characters of a text, where nothing else is said.
            into: Whose problems these are too.
        """
        self._given = given
        self._most = most
        self._known: list[str] = []
        self.problems: list[Problem] = list(problems) if into is None else into.problems

    def text(self, name: str, *, most: int | None = None) -> str | None:
        """As it was written; None: it was not."""
        return self._read(name, lambda value: _text(value, self._most if most is None else most))

    def secret(self, name: str) -> str | None:
        """As `text`, but that it is wrong is told without it."""
        return self._read(name, lambda value: _text(value, self._most), told=lambda _: "")

    def cursor(self) -> str | None:
        """Of the page before."""
        return self.text("cursor", most=MAX_CURSOR)

    def needed(self, name: str, *, most: int | None = None) -> str:
        """As `text`, and it must be there."""
        value = self.text(name, most=most)
        if value is None and not any(problem.field == name for problem in self.problems):
            self.problems.append(Problem(name, "is needed"))
        return value or ""

    def whole(self, name: str) -> int | None:
        """A whole number, as JSON has it or as a query does."""
        return self._read(name, _whole)

    def number(self, name: str, *, below: int) -> int:
        """As `whole`; it must be there, and from 0 to below that."""
        value = self.whole(name)
        if value is None:
            self.needed(name)
        elif not 0 <= value < below:
            self.wrong(name, f"must be from 0 to {below - 1}", value)
        return value or 0

    def flag(self, name: str) -> bool | None:
        """True or false, likewise."""
        return self._read(name, _flag)

    def time_ms(self, name: str) -> int | None:
        """An RFC 3339 time, as milliseconds since the epoch."""
        return self._read(name, _time)

    def texts(self, name: str, *, most: int) -> list[str] | None:
        """A list of texts; of a query, with commas between."""
        return self._read(name, lambda value: _texts(value, most))

    def mappings(self, name: str, *, most: int) -> list[Mapping[str, Any]] | None:
        """A list of JSON objects."""
        return self._read(name, lambda value: [_object(one) for one in _list(value, most)])

    def mapping(self, name: str) -> Mapping[str, Any] | None:
        """A JSON object."""
        return self._read(name, _object)

    def one_of(self, name: str, choices: Iterable[str]) -> str | None:
        """One of these words."""
        words = tuple(choices)

        def read(value: object) -> str:
            if value not in words:
                raise ValueError("is one of " + ", ".join(words))
            return str(value)

        return self._read(name, read)

    def kind(self, name: str, kind: tuple[str, tuple[type, ...]]) -> None:
        """It is of one of these types, if it is there at all."""
        words, types = kind
        if name in self._given and type(self._given[name]) not in types:
            self.problems.append(Problem(name, f"must be {words}", cited(self._given[name])))

    def wrong(self, name: str, rule: str, value: object) -> None:
        """What somebody else has found of it."""
        self.problems.append(Problem(name, rule, cited(value)))

    def rest(self, but: Iterable[str]) -> dict[str, object]:
        """All the other fields, for somebody else to read."""
        rest = {name: value for name, value in self._given.items() if name not in set(but)}
        self._known += rest
        return rest

    def done(self) -> None:
        """
        Raises:
            Invalid: All that is wrong.
        """
        self.close()
        if self.problems:
            raise Invalid(*self.problems)

    def close(self) -> None:
        """What nobody has asked for is wrong too."""
        for name in self._given:
            if name not in self._known:
                near = difflib.get_close_matches(name[:100], self._known, 1)
                self.problems.append(Problem(cited(name), "is unknown here" + (f": {near[0]}?" if near else "")))

    def _read(self, name: str, read: Callable[[Any], T], *, told: Callable[[object], str] = cited) -> T | None:
        self._known.append(name)
        value = self._given.get(name)
        if value is None:
            return None
        try:
            return read(value)
        except ValueError as rule:
            self.problems.append(Problem(name, str(rule), told(value)))
            return None


def once(pairs: Iterable[tuple[str, str]]) -> Asked:
    """A query: each name at most once."""
    given: dict[str, object] = {}
    problems: list[Problem] = []
    for name, value in pairs:
        if name in given:
            problems.append(Problem(cited(name), "is given more than once"))
        given[name] = value
    return Asked(given, problems=problems, most=MAX_QUERY)


def _text(value: object, most: int) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004  a rule that was broken, as all others
    if len(value) > most:
        raise ValueError(f"takes at most {most} characters")
    return value


def _whole(value: object) -> int:
    text = value if isinstance(value, str) else str(value) if type(value) is int else ""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS) or abs(int(text)) > MAX_WHOLE:
        raise ValueError("must be a whole number")
    return int(text)


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    raise ValueError("must be true or false")


def _time(value: object) -> int:
    return epoch_ms(_text(value, 40))


def _texts(value: object, most: int) -> list[str]:
    listed = [one for one in value.split(",") if one] if isinstance(value, str) else value
    return [_text(one, MAX_TEXT) for one in _list(listed, most)]


def _list(value: object, most: int) -> list[Any]:
    if not isinstance(value, list) or not 1 <= len(value) <= most:
        raise ValueError(f"must be a list of 1 to {most}")
    return value


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("must be a JSON object")  # noqa: TRY004
    return value
