"""
What pages are made of besides HTML: stylesheet, scripts, icon. Edge (aiohttp).

Read once, and served from memory: a path that is none of these files is not found, whatever it looks like. A URL holds
the hash of what it names, so that it may be kept for as long as anybody likes.
"""

import gzip
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from aiohttp import web

FOLDER = Path(__file__).parents[1] / "static"
PREFIX = "/static/"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
KEPT = "public, max-age=31536000, immutable"  # a year, as RFC 9111 has for what never changes
NOT_KEPT = "no-cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file."""

    mark: str  # of what it holds
    body: bytes
    packed: bytes  # with gzip
    content_type: str


class Assets:
    """All of them."""

    def __init__(self) -> None:
        paths = sorted(path for path in FOLDER.rglob("*") if path.suffix in TYPES)
        self._assets = {path.relative_to(FOLDER).as_posix(): _read(path) for path in paths}

    def url(self, name: str) -> str:
        """
        Where it is served.

        Raises:
            KeyError: There is no such file.
        """
        return f"{PREFIX}{name}?{self._assets[name].mark}"

    async def serve(self, request: web.Request) -> web.Response:
        """One of them."""
        asset = self._assets.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        is_current = request.query_string == asset.mark
        headers = {"Cache-Control": KEPT if is_current else NOT_KEPT, "Vary": "Accept-Encoding"}
        headers["Content-Type"] = f"{asset.content_type}; charset=utf-8"
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=asset.packed, headers={**headers, "Content-Encoding": "gzip"})
        return web.Response(body=asset.body, headers=headers)


def _read(path: Path) -> Asset:
    body = path.read_bytes()
    return Asset(
        mark=sha256(body).hexdigest()[:16],
        body=body,
        packed=gzip.compress(body, mtime=0),
        content_type=TYPES[path.suffix],
    )
