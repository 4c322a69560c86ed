"""
The JSON operator filter: read once, all problems told at once, and compiled into closures. Pure.

    filter     = {} (everything), or a condition whose names are the event's own
    condition  = {name: condition, …}         all hold; a name steps into an object, never into an array
               | {"$operator": operand, …}    all hold for the value that the names lead to
               | any other JSON value         as {"$eq": value}

A dot in a name steps too ("lead.account_id"), unless the object has that very name: then the name is what is meant.
Of an array the first 1,000 elements count. `$neq`, `$nin` and `$not` are exactly the opposite of `$eq`, `$in` and the
condition; everything else about arrays, missing values and types follows from that and from `_any_of`.
schemas/vectors/filters.json pins each rule.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from typing import Any, Final

import orjson

from relay.errors import Invalid, Problem

MAX_DEPTH = 8  # objects and arrays in one another; bounds what a match may nest, and dots make longer paths
MAX_CONDITIONS = 100  # comparisons, of each object or array in $in too; bounds what one event may cost one subscription
MAX_ELEMENTS = 1_000  # of an array that are looked at: a condition takes 0.1 us each, and 1 MiB may hold 500,000
MAX_BYTES = 8 * 1024  # compact JSON; a subscription stays a small record, and a refusal cheap
_TOO_LARGE = f"takes at most {MAX_BYTES} bytes as compact JSON"
_SHOWN = 60  # characters of a refused value: enough to find it by, and it fits one line

Test = Callable[[object], bool]
"""Holds it for this value (or `_MISSING`)? Never raises, whatever JSON it is given."""

_MISSING: Final = object()  # where the names lead nowhere; equal to nothing, of no JSON type


def compile_filter(filter: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], bool]:  # noqa: A002  the record's own word
    """
    What tells whether an event is wanted; it never raises, and later changes to `filter` do not reach it.

    >>> wanted = compile_filter({"lead.stage": {"$in": ["won", "lost"]}})
    >>> wanted({"lead": {"stage": "won"}}), wanted({"lead": {}})
    (True, False)

    Raises:
        Invalid: All that is wrong with it; of one too deep, too large or not JSON, only that.
    """
    compiler = _Compiler()
    written = _own_copy(filter)
    test = compiler.condition(written, "filter", named=False) if written else _always
    if compiler.conditions > MAX_CONDITIONS:
        rule = f"holds at most {MAX_CONDITIONS} conditions; $in takes many plain values in one"
        compiler.problems.append(Problem("filter", rule, str(compiler.conditions)))
    if compiler.problems:
        raise Invalid(*compiler.problems)
    return test


# What may be read at all. Nothing here recurses: a filter may be nested, or refer to itself, as it likes.


def _own_copy(written: object) -> dict[str, Any]:
    if not isinstance(written, Mapping):
        raise Invalid(Problem("filter", "must be an object", type(written).__name__))
    plain = dict(written)
    _bound(plain)
    try:
        body = orjson.dumps(plain)
    except TypeError as error:  # a name that is no text, a number of more than 64 bits, half a surrogate pair
        raise Invalid(Problem("filter", f"must be JSON: {error}")) from None
    if len(body) > MAX_BYTES:
        raise Invalid(Problem("filter", _TOO_LARGE, f"{len(body)} bytes"))
    copy: dict[str, Any] = orjson.loads(body)
    return copy


def _bound(written: dict[Any, Any]) -> None:
    """Refuses, before any of it is written out, what is too deep or that aliases (YAML has them) make too large."""
    size = 0  # never more than its JSON takes
    rest: list[tuple[object, int]] = [(written, 1)]
    while rest:
        value, depth = rest.pop()
        size += len(value) if isinstance(value, str | list | dict) else 1
        if size > MAX_BYTES:
            raise Invalid(Problem("filter", _TOO_LARGE))
        if isinstance(value, dict | list):
            if depth > MAX_DEPTH:
                raise Invalid(Problem("filter", f"nests at most {MAX_DEPTH} deep; dots save some: lead.data.Email"))
            rest += [(inner, depth + 1) for inner in value]
            rest += [(inner, depth + 1) for inner in value.values()] if isinstance(value, dict) else []
        elif not (value is None or type(value) in (bool, int, str) or (type(value) is float and isfinite(value))):
            raise Invalid(Problem("filter", "must be JSON; no float that is not finite, no date", type(value).__name__))


# From what was written to tests. Every method gives a test, also beside a problem, so that all problems are found.


class _Compiler:
    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.conditions = 0

    def condition(self, written: object, field: str, *, named: bool) -> Test:
        """`named`: a name stands above it, so there is a value to compare; the event itself is always an object."""
        if not isinstance(written, dict):
            return self._operator("$eq", written, field, named=named)
        if not written:
            return self._refuse(field, 'is empty: write a condition, {"$eq": {}} for an empty object, or leave it out')
        operators = [key for key in written if key.startswith("$")]
        if operators and len(operators) < len(written):
            self._refuse(field, "has operators and names in one object: put them in $and", list(written))
        return _all_of(
            [
                self._operator(key, inner, f"{field}.{key}", named=named)
                if key.startswith("$")
                else self._name(key, inner, f"{field}.{key}")
                for key, inner in written.items()
            ]
        )

    def _name(self, name: str, written: object, field: str) -> Test:
        if any(step.startswith("$") for step in name.split(".")):
            return self._refuse(field, 'has an operator after a dot: give it an object, as in {"score": {"$gt": 5}}')
        return _under(name, self.condition(written, field, named=True))

    def _operator(self, name: str, operand: object, field: str, *, named: bool) -> Test:
        if name in _OPERATORS:
            return self._comparison(name, operand, field, named=named)
        if name == "$not":
            return _not(self.condition(operand, field, named=named))
        if name in ("$and", "$or"):
            if not isinstance(operand, list) or not operand:
                return self._refuse(field, "needs an array of at least one condition", operand)
            tests = [self.condition(one, f"{field}[{index}]", named=named) for index, one in enumerate(operand)]
            return _all_of(tests) if name == "$and" else _one_of(tests)
        near = get_close_matches(name[1:].lower(), _BY_LOWER, n=1)
        hint = f"did you mean {_BY_LOWER[near[0]]}?" if near else f"there are {', '.join(_BY_LOWER.values())}"
        return self._refuse(field, f"is no operator; {hint}", name)

    def _comparison(self, name: str, operand: object, field: str, *, named: bool) -> Test:
        needed, test = _OPERATORS[name]
        self.conditions += _compared(operand) if needed is _VALUES else 1
        if not named:
            return self._refuse(field, "compares nothing: put it under a name of the event", operand)
        if not needed.fits(operand):
            return self._refuse(field, f"needs {needed.needs}", operand)
        return test(operand)

    def _refuse(self, field: str, rule: str, *value: object) -> Test:
        shown = "".join(orjson.dumps(one).decode() for one in value)
        self.problems.append(Problem(field, rule, shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"))
        return _always


def _compared(operand: object) -> int:
    """How many comparisons $in is: plain values are looked up all at once, objects and arrays one by one."""
    return max(1, sum(isinstance(one, dict | list) for one in operand) if isinstance(operand, list) else 1)


# The tests.


def _always(_: object) -> bool:
    return True


def _not(test: Test) -> Test:
    return lambda given: not test(given)


def _all_of(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda given: all(test(given) for test in tests)


def _one_of(tests: list[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda given: any(test(given) for test in tests)


def _any_of(test: Test) -> Test:
    """On an array: for any of its first elements, and no deeper; on anything else, for itself."""
    return lambda given: any(map(test, given[:MAX_ELEMENTS])) if isinstance(given, list) else test(given)


def _under(name: str, test: Test) -> Test:
    names = name.split(".")

    def under(given: object) -> bool:
        if not isinstance(given, dict):
            return test(_MISSING)
        if name in given or len(names) == 1:
            return test(given.get(name, _MISSING))
        found: object = given
        for step in names:
            found = found.get(step, _MISSING) if isinstance(found, dict) else _MISSING
        return test(found)

    return under


def _same(wanted: object, given: object) -> bool:
    """Compared whole; a boolean is no number, at any depth. No deeper than `wanted`, whatever is given."""
    if isinstance(wanted, list):
        return isinstance(given, list) and len(wanted) == len(given) and all(map(_same, wanted, given))
    if isinstance(wanted, dict):
        return (
            isinstance(given, dict)
            and wanted.keys() == given.keys()
            and all(_same(inner, given[key]) for key, inner in wanted.items())
        )
    if isinstance(wanted, bool) or isinstance(given, bool):
        return wanted is given
    return wanted == given


def _among(wanted: list[object]) -> Test:
    """$in, and $eq as one of one: an array is met by the whole value, anything else by any element."""
    simple = frozenset(one for one in wanted if not isinstance(one, bool | list | dict))
    flags = {one for one in wanted if isinstance(one, bool)}
    objects = [one for one in wanted if isinstance(one, dict)]
    whole = [one for one in wanted if isinstance(one, list)]

    def among(given: object) -> bool:
        if isinstance(given, bool):
            return given in flags
        if isinstance(given, list | dict):
            return any(_same(one, given) for one in objects)
        return given in simple

    element = _any_of(among)
    return (lambda given: element(given) or any(_same(one, given) for one in whole)) if whole else element


def _holding(holds: Callable[[Any, Any], bool]) -> Callable[[Any], Test]:
    """`holds(given, wanted)`, asked only of two strings or two numbers; strings by code point."""

    def test(wanted: object) -> Test:
        alike = _is_text if _is_text(wanted) else _is_number
        return _any_of(lambda given: alike(given) and holds(given, wanted))

    return test


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class _Operand:
    needs: str
    fits: Callable[[object], bool]


_ANY = _Operand("any value", _always)
_TEXT = _Operand("a string", _is_text)
_FLAG = _Operand("true or false", lambda operand: isinstance(operand, bool))
_VALUES = _Operand("an array of at least one value", lambda operand: isinstance(operand, list) and operand != [])
_SORTABLE = _Operand("a number or a string", lambda operand: _is_number(operand) or _is_text(operand))

_OPERATORS: Final[Mapping[str, tuple[_Operand, Callable[[Any], Test]]]] = {
    "$eq": (_ANY, lambda wanted: _among([wanted])),
    "$neq": (_ANY, lambda wanted: _not(_among([wanted]))),
    "$gt": (_SORTABLE, _holding(operator.gt)),
    "$gte": (_SORTABLE, _holding(operator.ge)),
    "$lt": (_SORTABLE, _holding(operator.lt)),
    "$lte": (_SORTABLE, _holding(operator.le)),
    "$in": (_VALUES, _among),
    "$nin": (_VALUES, lambda wanted: _not(_among(wanted))),
    "$startsWith": (_TEXT, _holding(str.startswith)),
    "$endsWith": (_TEXT, _holding(str.endswith)),
    "$contains": (_TEXT, _holding(operator.contains)),
    "$exist": (_FLAG, lambda wanted: lambda given: (given is not _MISSING) is wanted),
}
_BY_LOWER: Final = {name[1:].lower(): name for name in (*_OPERATORS, "$and", "$or", "$not")}
