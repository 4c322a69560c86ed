"""
The bare loop that relay is measured against: aiohttp and uvloop posting bodies, and nothing else.

    python -m tests.bench.loop URL FILE [--in-flight 64]

FILE holds one body a line. Stays until stdin is closed, so that whoever measures can still look at it.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import uvloop

IN_FLIGHT = 64  # more does not make the loop faster: it is bound by its CPU


async def post(url: str, bodies: Iterator[bytes], in_flight: int) -> None:
    """Every body has been posted and answered, so many of them at a time."""

    async def lane(session: aiohttp.ClientSession) -> None:
        for body in bodies:
            async with session.post(url, data=body, headers=headers) as response:
                await response.read()
                response.raise_for_status()

    headers = {"Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(in_flight):
            group.create_task(lane(session))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("file", type=Path)
    parser.add_argument("--in-flight", type=int, default=IN_FLIGHT)
    given = parser.parse_args()
    with given.file.open("rb") as lines:
        uvloop.run(post(given.url, (line.rstrip(b"\n") for line in lines), given.in_flight))
    sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
