"""
A real PostgreSQL for the tests: Debian's server binaries over a folder of their own, reached by a socket in it.

The server refuses to run as root; then it runs as the user that Debian's package made for it.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

START_S = 60  # it takes one on a quiet machine
USER = "postgres"  # Debian's
# Nothing of it outlives the tests: what a crash of the machine would do to it matters to nobody.
SETTINGS = {"fsync": "off", "listen_addresses": "", "max_connections": "50", "shared_buffers": "128MB"}


class NoPostgreSQL(Exception):
    """There is none here; the message says what would make one."""


class Server:
    """One cluster; ended, and its folder gone unless it is to be kept, with the `with` block."""

    def __init__(self, folder: Path, kept: Path | None, **settings: str) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        self._bin = _binaries()
        self._settings = SETTINGS | settings
        self._kept = kept is not None
        self._data = kept or folder / "data"
        if not (self._data / "PG_VERSION").exists():
            self._run("initdb", "--pgdata", str(self._data), "--auth=trust", "--no-sync", "--username", USER)
        self.begin()

    @classmethod
    def start(cls, *, kept: Path | None = None, **settings: str) -> Self:
        """
        One that answers.

        Args:
            kept: A folder for its data, which stays, with what is in it already; None: new data, gone with the server.
            settings: Of the server.

        Raises:
            NoPostgreSQL: Debian's package `postgresql` is not installed.
        """
        _binaries()
        folder = Path(tempfile.mkdtemp(prefix="relay-pg-"))  # short: a socket's path has 107 bytes at most
        if _other_user():
            for one in (folder, kept):
                if one is not None:
                    os.chown(one, pwd.getpwnam(USER).pw_uid, -1)
        try:
            return cls(folder, kept, **settings)
        except BaseException:
            shutil.rmtree(folder)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        shutil.rmtree(self.folder)

    def begin(self) -> None:
        """It runs, with the data that it had."""
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        socket = f"--unix_socket_directories={self.folder}"
        with (self.folder / "log").open("ab") as log:
            command = [str(self._bin / "postgres"), "-D", str(self._data), socket, *settings]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, user=_other_user(), cwd=self.folder)
        until = time.monotonic() + START_S
        while subprocess.run([self._bin / "pg_isready", "-q", "-h", self.folder], check=False).returncode:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < until, (self.folder / "log").read_text()
            time.sleep(0.05)

    def end(self) -> None:
        """It has ended, and whoever was connected has heard of it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)  # "fast": nobody is waited for
            self.process.wait(START_S)
            self.process = None

    def database(self, name: str) -> str:
        """The URL of a new one, or of one that was kept."""
        at = ("-h", str(self.folder), "-U", USER)
        if not self._kept or f"\n{name}|" not in self._run("psql", *at, "-lqtA"):
            self._run("createdb", *at, name)
        return f"postgresql+asyncpg://{USER}@/{name}?host={self.folder}"

    def _run(self, *command: str) -> str:
        done = subprocess.run(
            [self._bin / command[0], *command[1:]], capture_output=True, text=True, user=_other_user(), cwd=self.folder,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


def _other_user() -> str | None:
    return USER if os.geteuid() == 0 else None


def _binaries() -> Path:
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    path = shutil.which("postgres")
    if path:
        found.append(Path(path).parent)
    if not found:
        raise NoPostgreSQL("no PostgreSQL: apt-get install postgresql")
    return max(found, key=lambda one: (len(str(one)), str(one)))
