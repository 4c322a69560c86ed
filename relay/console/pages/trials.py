"""A filter is tried on a recent event, before it is saved. Edge."""

from dataclasses import dataclass
from typing import Any

import orjson

from relay.console.pages import forms
from relay.console.pages.forms import Written
from relay.console.pages.visit import Visit
from relay.errors import Invalid

MAX_BYTES = 8 * 1024  # of a filter (DESIGN.md, section 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of it."""

    tone: str
    title: str
    text: str
    event: str | None = None


async def tried(visit: Visit, written: Written) -> Trial:
    """Whether what was typed lets a recent event through."""
    typed = forms.text(written, "filter")
    try:
        found = await visit.desk.try_filter(visit.who, _read(typed))
    except (ValueError, Invalid) as rule:
        return Trial(tone="bad", title="This is no filter:", text=str(rule))
    text = (
        "It is a sample: the log holds no recent event to try." if found.source is None else f"Tried on {found.source}."
    )
    title = (
        "It holds: this event would be sent." if found.matches else "It does not hold: this event would not be sent."
    )
    return Trial(tone="good" if found.matches else "wait", title=title, text=text, event=forms.pretty(found.event))


def _read(typed: str) -> dict[str, Any] | None:
    """
    Raises:
        ValueError: It is no JSON object.
    """
    if not typed or typed == "null":
        return None
    if len(typed.encode()) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes")
    value = orjson.loads(typed)
    if not isinstance(value, dict):
        raise ValueError("it must be a JSON object")  # noqa: TRY004  a rule that was broken, as all others
    return value
