"""
Standard Webhooks' own library for JavaScript, where Node and npm are: fetched once to a cache, as package-lock.json
pins it, from wherever npm is set up to fetch.
"""

import fcntl
import json
import os
import shutil
import subprocess
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tests.outside.verifiers import Captured, prefixed

HERE = Path(__file__).parent
FETCH_S = 300  # the first time only: three packages of some kilobytes, from a mirror that may be slow
RUN_S = 60


class NoNode(Exception):
    """There is no way to the library here; the message says what would make one."""


@cache
def library() -> Path:
    """
    The folder whose node_modules has it.

    Raises:
        NoNode: Node or npm is not there, or npm could not fetch it.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise NoNode(f"`{program}` is not there")
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "relay-tests" / "node"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:  # tests run side by side, and one of them fetches
        fcntl.flock(lock, fcntl.LOCK_EX)
        pinned = (HERE / "package-lock.json").read_bytes()
        there = folder / "complete"
        if not there.exists() or there.read_bytes() != pinned:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(HERE / name, folder)
            fetch = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            done = subprocess.run(fetch, cwd=folder, capture_output=True, text=True, timeout=FETCH_S, check=False)
            if done.returncode:
                raise NoNode(f"npm could not fetch it: {done.stderr[-1000:]}")
            there.write_bytes(pinned)
    return folder


def taken(cases: Sequence[tuple[Captured, bytes]]) -> list[bool]:
    """Whether it takes each of these requests, with this secret."""
    said = [
        {"key": prefixed(secret), "headers": one.headers, "body": b64encode(one.body).decode()} for one, secret in cases
    ]
    done = subprocess.run(
        ["node", HERE / "verify.mjs", library()],
        input=json.dumps(said),
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    verdicts: list[bool] = json.loads(done.stdout)
    return verdicts
