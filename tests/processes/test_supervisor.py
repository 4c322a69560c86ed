"""Real processes looked after, each a few lines of Python that do as the test wants; time is the test's."""

import asyncio
import os
import stat
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from relay.errors import Invalid
from relay.metrics import ProcessMetrics
from relay.processes.restarts import FRESH_S
from relay.processes.supervisor import AFTER_DRAIN_S, Supervisor, private_folder
from tests.kafka.driver import until

STOP_S = 50.0
# both end with stdin, as workers do: a test that fails leaves nobody behind
DRAINS = """
import os, pathlib, signal, sys
signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path("{name}.drained").touch(), sys.exit({status})))
pathlib.Path("{name}.pid").write_text(str(os.getpid()))
pathlib.Path("{name}.began").touch()
sys.stdin.read()
"""
HANGS = """
import pathlib, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path("{name}.began").touch()
sys.stdin.read()
"""
ENDS = "open('{name}.starts', 'a').write('.'); raise SystemExit({status})"


class Hasty:
    """A clock on which every run takes `ran_s` and no pause takes any time, but those that shall not end."""

    def __init__(self, *, ran_s: float = 0.0, endless: Sequence[float] = ()) -> None:
        self.slept: Counter[float] = Counter()
        self._now_s = 0.0
        self._ran_s = ran_s
        self._endless = endless

    def now_ms(self) -> int:
        return 0

    def monotonic(self) -> float:
        self._now_s += self._ran_s
        return self._now_s

    async def sleep(self, seconds: float) -> None:
        self.slept[seconds] += 1
        if seconds in self._endless:
            await asyncio.Event().wait()


class Stage:
    """Workers 1, 2, … that run these scripts in a folder of the test's."""

    def __init__(self, folder: Path, scripts: Sequence[tuple[str, int]], clock: Hasty) -> None:
        self._folder = folder
        self.stop = asyncio.Event()
        self.metrics = ProcessMetrics()
        python = (sys.executable, "-S", "-E", "-c")
        commands = {
            number: (*python, script.replace("{name}", str(folder / str(number))).replace("{status}", str(status)))
            for number, (script, status) in enumerate(scripts, 1)
        }
        self.supervisor = Supervisor(commands, stop_s=STOP_S, clock=clock, metrics=self.metrics)

    def there(self, *names: str) -> Callable[[], bool]:
        return lambda: all((self._folder / name).exists() for name in names)

    def starts(self, number: int) -> int:
        path = self._folder / f"{number}.starts"
        return len(path.read_text()) if path.exists() else 0

    def restarts(self, number: int) -> float:
        return self.metrics.registry.get_sample_value("relay_process_restarts_total", {"process": str(number)}) or 0.0

    def running(self) -> float | None:
        return self.metrics.registry.get_sample_value("relay_processes")

    async def run(self, *, until_there: Sequence[str] = (), and_then: Callable[[], bool] = lambda: True) -> int:
        """The exit status, told to stop once these files are there and this holds."""
        async with asyncio.TaskGroup() as group:
            running = group.create_task(self.supervisor.run(self.stop))
            if until_there:
                await until(lambda: self.there(*until_there)() and and_then())
                self.stop.set()
        return running.result()


async def test_all_that_drain_as_told_make_0(tmp_path: Path) -> None:
    """Each is told by SIGTERM, and waited for."""
    stage = Stage(tmp_path, [(DRAINS, 0)] * 3, Hasty(endless=[STOP_S]))

    status = await stage.run(until_there=["1.began", "2.began", "3.began"], and_then=lambda: stage.running() == 3)

    assert status == 0
    assert stage.there("1.drained", "2.drained", "3.drained")()
    assert stage.running() == 0


async def test_a_terminals_ctrl_c_reaches_none_of_them(tmp_path: Path) -> None:
    """Each has a session of its own; the order comes from who looks after it, once."""
    stage, sessions = Stage(tmp_path, [(DRAINS, 0)], Hasty(endless=[STOP_S])), set[int]()

    def seen() -> bool:
        sessions.add(os.getsid(int((tmp_path / "1.pid").read_text())))
        return True

    await stage.run(until_there=["1.began"], and_then=seen)

    assert len(sessions) == 1
    assert os.getsid(0) not in sessions


async def test_one_that_fails_while_it_drains_is_the_status_of_all(tmp_path: Path) -> None:
    """The others drain all the same."""
    stage = Stage(tmp_path, [(DRAINS, 0), (DRAINS, 7)], Hasty(endless=[STOP_S]))

    assert await stage.run(until_there=["1.began", "2.began"]) == 7
    assert stage.there("1.drained", "2.drained")()


async def test_one_that_hangs_is_killed_once_its_time_is_over(tmp_path: Path) -> None:
    """137, as a shell says it."""
    clock = Hasty()
    stage = Stage(tmp_path, [(HANGS, 0)], clock)

    assert await stage.run(until_there=["1.began"]) == 137
    assert clock.slept[STOP_S] == 1


async def test_one_that_keeps_dying_ends_all_with_its_status(tmp_path: Path) -> None:
    """After five starts with longer and longer pauses; the other is stopped as it should be."""
    clock = Hasty(endless=[STOP_S])
    stage = Stage(tmp_path, [(ENDS, 3), (DRAINS, 0)], clock)

    assert await stage.run() == 3
    assert (5, 4) == (stage.starts(1), stage.restarts(1))
    assert {0.0: 1, 1.0: 1, 2.0: 1, 4.0: 1}.items() <= clock.slept.items()
    assert stage.there("2.began")() == stage.there("2.drained")()  # it may have been stopped before it began


async def test_one_that_is_misconfigured_ends_all_at_once(tmp_path: Path) -> None:
    """With 2, after one start."""
    stage = Stage(tmp_path, [(DRAINS, 0), (ENDS, 2)], Hasty(endless=[STOP_S]))

    assert await stage.run() == 2
    assert (1, 0) == (stage.starts(2), stage.restarts(2))


async def test_one_that_runs_well_each_time_is_started_again_for_ever(tmp_path: Path) -> None:
    """Minutes between two ends, and nobody counts them."""
    stage = Stage(tmp_path, [(ENDS, 1)], Hasty(ran_s=FRESH_S, endless=[STOP_S]))

    await stage.run(until_there=["1.starts"], and_then=lambda: stage.starts(1) >= 12)

    assert stage.restarts(1) >= 11


async def test_one_that_waits_for_its_next_start_is_not_waited_for(tmp_path: Path) -> None:
    """There is nothing in it to drain, and nothing it failed at."""
    stage = Stage(tmp_path, [(ENDS, 1), (DRAINS, 0)], Hasty(endless=[1.0, STOP_S]))

    status = await stage.run(until_there=["2.began"], and_then=lambda: stage.starts(1) == 2 and stage.running() == 1)

    assert status == 0
    assert (2, 1) == (stage.starts(1), stage.restarts(1))


async def test_a_fault_of_our_own_leaves_nobody_behind(tmp_path: Path) -> None:
    """Else the process would neither work nor end: its loop closes when the last of them has ended."""
    stage = Stage(tmp_path, [(DRAINS, 0), (HANGS, 0)], Hasty(endless=[STOP_S]))

    async with asyncio.TaskGroup() as group:
        running = group.create_task(stage.supervisor.run(stage.stop))
        await until(stage.there("1.began", "2.began"))
        running.cancel()

    pid = (tmp_path / "1.pid").read_text()
    await until(lambda: not Path(f"/proc/{pid}").exists())


async def test_a_program_that_is_gone_is_an_end_like_any_other(tmp_path: Path) -> None:
    """Nothing raises: it is tried again, for an installation may be under way, and given up."""
    clock, stop = Hasty(), asyncio.Event()
    commands = {1: (str(tmp_path / "gone"),)}

    status = await Supervisor(commands, stop_s=STOP_S, clock=clock, metrics=ProcessMetrics()).run(stop)

    assert status == 1
    assert clock.slept.total() == 4


def test_nobody_else_may_look_at_the_sockets(tmp_path: Path) -> None:
    """The folder is its owner's alone, in the first place that can be written, and gone afterwards."""
    with private_folder([str(tmp_path / "gone"), str(tmp_path)]) as folder:
        assert tmp_path == folder.parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    assert not folder.exists()


def test_a_machine_without_a_place_for_sockets_is_told_of(tmp_path: Path) -> None:
    """With the variable that names one."""
    with pytest.raises(Invalid, match="TMPDIR"), private_folder([str(tmp_path / "gone")]):
        pass


def test_a_worker_is_killed_later_than_the_runbook_lets_it_take() -> None:
    """15 s behind RELAY_DRAIN_S are ample for one, it says, and one that hangs has ended itself before 50."""
    text = (Path(__file__).parents[2] / "deploy/RUNBOOK.md").read_text()

    assert AFTER_DRAIN_S == 50
    assert "killed 50 s after `RELAY_DRAIN_S`" in text
