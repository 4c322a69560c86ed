"""The workers of a run, each in a place of its own: killed, stopped, frozen, started again, by place."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

from tests.faults.worker import CLOCK_BYTES
from tests.kafka.driver import NARROW, Relay, until

LOOK_S = 0.2  # how soon a worker that ended by itself is noticed
STOP_S = 60  # a drain of 30 s, and what comes after it
# Short, so that a minute without receivers is survived and everything ends within the calm phase.
SETTINGS = {
    "RELAY_RETRY_DELAYS": "1s,2s,4s,8s,15s,15s,15s,15s,15s,15s",
    "RELAY_HOLD_DELAYS": "1s,2s,4s",
    "RELAY_TIMEOUT_S": "4",
    "RELAY_CONNECT_TIMEOUT_S": "2",
    **NARROW,
}


class Fleet(Relay):
    """Workers by place; one that ends without having been told to is noted down and started again."""

    worker_command = ("tests.faults.worker",)

    def __init__(self, bootstrap: str, prefix: str, folder: Path, *, static: bool = False, **settings: str) -> None:
        super().__init__(bootstrap, prefix, folder, **(SETTINGS | settings))
        self.places: dict[int, subprocess.Popen[bytes]] = {}
        self.died: list[str] = []
        self._static = static

    def start(self, place: int) -> None:
        """A worker in this place, with its instance id where it has one."""
        own = {"RELAY_INSTANCE_ID": f"{self.prefix}-{place}"} if self._static else {}
        self.step(place, 0)
        self.places[place] = self.worker(RELAY_TEST_CLOCK=str(self._clock(place)), **own)

    def join(self) -> int:
        """A worker in the first place that is free."""
        place = next(n for n in range(len(self.places) + 1) if n not in self.places)
        self.start(place)
        return place

    def pick(self, draw: float) -> int:
        """The place that a number in [0, 1) falls on."""
        places = sorted(self.places)
        return places[int(draw * len(places))]

    async def kill(self, place: int) -> None:
        await self.end(self.places.pop(place), signal.SIGKILL)

    async def stop(self, place: int) -> None:
        """As an operator does; one that does not end well has died."""
        process = self.places.pop(place)
        process.send_signal(signal.SIGTERM)
        try:
            status = await asyncio.to_thread(process.wait, STOP_S)
        except subprocess.TimeoutExpired:
            self.died.append(f"{self._name(process)}: had not ended {STOP_S} s after SIGTERM")
            await self.end(process, signal.SIGKILL)
            return
        if status not in {0, -signal.SIGTERM}:  # that one was told before it had begun to listen
            self.died.append(f"{self._name(process)}: exit status {status} after SIGTERM")

    async def stop_all(self) -> None:
        await asyncio.gather(*(self.stop(place) for place in list(self.places)))

    def freeze(self, place: int) -> None:
        self.places[place].send_signal(signal.SIGSTOP)

    def thaw(self, place: int) -> None:
        self.places[place].send_signal(signal.SIGCONT)

    def step(self, place: int, ms: int) -> None:
        """The wall clock of the worker in this place goes wrong by so much, from now on."""
        file = os.open(self._clock(place), os.O_WRONLY | os.O_CREAT)  # in place: the worker has it in its memory
        os.pwrite(file, ms.to_bytes(CLOCK_BYTES, "little", signed=True), 0)
        os.close(file)

    def _clock(self, place: int) -> Path:
        return self.folder / f"clock-{place}"

    async def watch(self) -> None:
        """Start again whoever ends by itself, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            for place, process in list(self.places.items()):
                if process.poll() is not None and self.places.get(place) is process:
                    self.died.append(f"{self._name(process)}: exit status {process.returncode} by itself")
                    self.start(place)

    async def holds(self, **fields: object) -> None:
        """A line with these fields stands in a worker's log."""
        await until(lambda: any(fields.items() <= line.items() for line in self.logs()))

    def _name(self, process: subprocess.Popen[bytes]) -> str:
        return f"worker-{self.processes.index(process)}"
