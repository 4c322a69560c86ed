"""Templates -> HTML: everything is escaped, and what a template names must be there. Edge (jinja2)."""

from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from relay.console.pages import frame, words
from relay.console.pages.assets import Assets

FOLDER = Path(__file__).parents[1] / "templates"


def environment(assets: Assets) -> Environment:
    """What renders pages; templates are compiled when they are first asked for, and kept."""
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals["static"] = assets.url
    made.filters |= {
        "instant": words.instant,
        "absolute": words.absolute,
        "relative": words.relative,
        "duration": words.duration,
        "event_name": words.event_name,
        "size": words.size,
        "sentence": words.sentence,
        "count": words.count,
        "figure": words.figure,
        "person": frame.person,
        "segment": segment,
    }
    return made


def segment(text: str) -> str:
    """One segment of a path, whatever an id holds."""
    return quote(text, safe="")
