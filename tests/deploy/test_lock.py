"""
The lock: every file that the image is made of, by its hash. Whether it is still that of pyproject.toml is told without
a network: what is declared, what is pinned and who asked for it must fit each other.
"""

import importlib.metadata
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
OURSELVES = "relay (pyproject.toml)"
DECLARED: dict[str, Requirement] = {
    canonicalize_name(one.name): one
    for one in map(Requirement, (*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["console"]))
}  # one image runs every role


@dataclass(frozen=True, slots=True)
class Pin:
    """One version of one package, and what it is there for."""

    version: str
    hashes: tuple[str, ...]
    asked_by: tuple[str, ...]  # other pins, or OURSELVES


def pins() -> Iterator[tuple[str, Pin]]:
    for entry in re.split(r"^(?=[a-z0-9])", LOCK, flags=re.MULTILINE)[1:]:
        first, *rest = entry.splitlines()
        pinned = Requirement(first.removesuffix("\\"))
        (only,) = pinned.specifier
        assert only.operator == "=="
        hashes = tuple(re.findall(r"--hash=(sha256:[0-9a-f]{64})(?: \\)?$", entry, re.MULTILINE))
        asked_by = [re.sub(r"^ +# +(via)? *", "", line) for line in rest if line.lstrip().startswith("#")]
        yield pinned.name, Pin(only.version, hashes, tuple(one for one in asked_by if one))


PINS = dict(pins())


def test_every_line_is_a_pin_with_its_hashes_and_no_registry_is_named() -> None:
    """What is installed is what was looked at; where it comes from is the builder's business."""
    lines = [line for line in LOCK.splitlines() if not line.lstrip().startswith(("#", "--hash=sha256:"))]

    assert len(PINS) == len(lines) == len({canonicalize_name(name) for name in PINS})
    assert all(pin.hashes for pin in PINS.values())
    assert "://" not in LOCK
    assert not re.search(r"^ *-(?!-hash=)", LOCK, re.MULTILINE), "an option would change where files come from"


def test_what_is_declared_is_what_was_locked() -> None:
    """Both ways: a dependency more or less, or a floor above the pin, and the lock has to be made anew."""
    ours = {name for name, pin in PINS.items() if OURSELVES in pin.asked_by}

    assert ours == set(DECLARED)
    outside = {
        name: PINS[name].version for name, one in DECLARED.items() if not one.specifier.contains(PINS[name].version)
    }
    assert {} == outside


def test_every_pin_is_there_for_one_that_is_there() -> None:
    """And so, in the end, for relay."""
    reached, left = set(), {OURSELVES}
    while left:
        reached |= left
        left = {name for name, pin in PINS.items() if set(pin.asked_by) & left} - reached

    assert reached - {OURSELVES} == set(PINS)
    assert {one for pin in PINS.values() for one in pin.asked_by} <= reached


@pytest.mark.parametrize("name", sorted(PINS))
def test_what_a_pinned_version_needs_is_pinned_too(name: str) -> None:
    """By what the package itself says, where it is installed here in that version."""
    try:
        installed = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return  # on this platform nothing needs it
    if installed.version != PINS[name].version:
        return  # of another version nothing can be said
    extras = ("", *(DECLARED[name].extras if name in DECLARED else ()))
    needed = [Requirement(one) for one in installed.requires or ()]
    needed = [
        one for one in needed if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras)
    ]

    assert [] == [str(one) for one in needed if canonicalize_name(one.name) not in PINS]
    assert [] == [str(one) for one in needed if not one.specifier.contains(PINS[canonicalize_name(one.name)].version)]


def test_the_lock_is_for_every_python_that_relay_runs_on() -> None:
    """Made by the command in its head: for all platforms, from the oldest Python on."""
    head = LOCK.splitlines()[1]
    oldest = PROJECT["requires-python"].removeprefix(">=")

    assert f"--extra console --generate-hashes --universal --python-version {oldest} -o requirements.lock" in head
