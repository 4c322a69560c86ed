"""Static files: what is of others is what they published, and what is served is what is there."""

import re
from hashlib import sha256
from pathlib import Path

import pytest

from relay.console.pages.assets import FOLDER, Assets
from relay.console.pages.rendering import FOLDER as TEMPLATES

VENDOR = FOLDER / "vendor"
ROWS = re.findall(
    r"^\| `([^`]+)` \| .* \| ([0-9.]+) \| .*`(\w+\.LICENSE)` \| `([0-9a-f]{64})` \|$",
    (VENDOR / "README.md").read_text(),
    re.MULTILINE,
)


def test_every_file_of_others_is_recorded_with_its_version_and_licence() -> None:
    """What is not recorded is not there."""
    there = {path.name for path in VENDOR.iterdir()} - {"README.md"}

    assert there == {name for name, _, _, _ in ROWS} | {licence for _, _, licence, _ in ROWS}


@pytest.mark.parametrize(("name", "version", "licence", "mark"), ROWS)
def test_a_file_of_others_is_byte_for_byte_what_was_recorded(name: str, version: str, licence: str, mark: str) -> None:
    """Nobody has changed it since it was looked at."""
    body = (VENDOR / name).read_bytes()

    assert mark == sha256(body).hexdigest()
    assert name.endswith(".css") or version.encode() in body or name.startswith("uPlot")
    assert (VENDOR / licence).stat().st_size > 500


def test_a_url_holds_what_the_file_is() -> None:
    """So that a browser may keep it: a new version has a new one."""
    assets = Assets()

    assert f"/static/console.css?{sha256((FOLDER / 'console.css').read_bytes()).hexdigest()[:16]}" == assets.url(
        "console.css"
    )
    with pytest.raises(KeyError):
        assets.url("nothing.js")


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_no_template_needs_what_the_policy_forbids(path: Path) -> None:
    """No inline script, no handler, no style attribute, nothing from elsewhere, nothing marked as safe."""
    text = path.read_text()

    assert not re.search(
        r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=|\|\s*safe|autoescape|https?://(?!crm\.example)", text
    )
    assert not re.search(r"hx-(on|vars)|hx-vals='?js:|javascript:", text)


def test_scripts_and_styles_are_asked_of_nobody_else() -> None:
    """What is ours names no other host, and our stylesheet loads nothing."""
    ours = [path for path in FOLDER.iterdir() if path.suffix in {".js", ".css"}]

    assert len(ours) > 5
    assert not [path.name for path in ours if re.search(r"https?://|url\(|@import|eval\(|innerHTML", path.read_text())]
