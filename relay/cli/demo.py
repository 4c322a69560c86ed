"""
`relay demo`: all of relay on one machine, with nothing to install and nothing to configure.

    this process    the embedded broker, sample leads, three receivers that verify, the table
    a child         `relay worker`, just as a platform team runs it
    another         `relay console`, where its extra is installed: a browser shows all of it

One receiver fails twice before it takes a delivery, so that backoff is seen. Nothing of the user's own RELAY_*
variables counts here: a demo that writes to somebody's production topics would be none.
"""

import asyncio
import itertools
import os
import secrets
import signal
import tempfile
import time
from asyncio.subprocess import Process
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from rich.console import Console
from rich.live import Live

from relay.cli.common import run
from relay.cli.demo_children import consoled, working
from relay.cli.demo_tally import Figures, Progress, Tally
from relay.cli.demo_view import line, summary, table
from relay.cli.patience import started
from relay.clock import SystemClock
from relay.config import Config
from relay.embedded import EmbeddedBroker
from relay.errors import Invalid, Problem
from relay.model import EVENT_TYPES, SubscriptionId
from relay.receiver import Received, Receiver
from relay.samples import sample_event, uuid
from relay.store.edits import create
from relay.store.forms import read_form
from relay.store.keyring import KeyRing
from relay.store.sealing import generated_secret, made
from relay.store.subscriptions import Subscriptions

RETRY_DELAYS = "1s,2s,4s"  # short, so that a flaky receiver is seen to recover
ACCOUNT = "demo"
EVENTS_TOPIC = "leads.events"
RATE = 20  # sample events a second: enough to see something move, few enough to follow it
LONGEST_S = 10  # a great many events take no longer to be produced than that
TICK_S = 0.25  # the table is drawn anew
LINE_S = 2.0  # a line is written where there is no terminal
QUIET_S = 30.0  # nothing has been settled for so long, and is not coming: the schedule is over after 7
TAIL_BYTES = 3_000  # of the worker's log, when it is needed
INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """One who registered a webhook, and how their receiver does."""

    id: str
    name: str
    events: tuple[str, ...]
    flaky: int = 0  # attempts of each delivery that it answers with 500
    delay_s: float = 0.0


CUSTOMERS = (
    Customer(id="crm", name="CRM", events=EVENT_TYPES),
    Customer(id="newsletter", name="Newsletter (slow)", events=("lead.completed",), delay_s=0.1),
    Customer(id="helpdesk", name="Helpdesk (flaky)", events=("lead.updated",), flaky=2),
)


def demo(*, events: int | None = None) -> int:
    """
    Show all of relay at work, with nothing to install or configure.

    Args:
        events: So many sample events, then a summary; exit status 1 unless every delivery had its outcome and every
            signature held. Without: until Ctrl-C.
    """
    if events is not None and events < 1:
        raise Invalid(Problem("events", "must be 1 or more; without it the demo goes on until Ctrl-C", str(events)))
    console = Console()
    with EmbeddedBroker() as broker, tempfile.TemporaryDirectory(prefix="relay-demo-") as folder:
        console.print(
            f"relay demo: {len(CUSTOMERS)} customers, one of them flaky, on an embedded broker; "
            "it lets a worker join after some 6 seconds",
            soft_wrap=True,
        )
        return run(play(broker.bootstrap, Path(folder), wanted=events, console=console))


async def play(bootstrap: str, folder: Path, *, wanted: int | None, console: Console) -> int:
    """The whole demo on this broker; the exit status."""
    log = folder / "worker.log"
    tally = Tally({customer.id: customer.name for customer in CUSTOMERS})
    progress = Progress(tally=tally, wanted=wanted)
    environ = environment(bootstrap)
    began_s = time.monotonic()
    async with AsyncExitStack() as stack:
        ended = stack.enter_context(interruptible())
        await register(stack, Config.read(environ), progress)
        worker = await stack.enter_async_context(working(environ, log))
        show = partial(console.print, highlight=False, markup=False, soft_wrap=True)
        await stack.enter_async_context(consoled(environ, folder, show))
        async with asyncio.TaskGroup() as group:
            work = (
                produce(bootstrap, progress),
                follow(bootstrap, progress),
                draw(progress, console, ended),
                watch(worker, progress, ended),
            )
            tasks = [group.create_task(one) for one in work]
            await ended.wait()
            for task in tasks:
                task.cancel()
    figures = progress.tally.figures(time.monotonic())
    console.print(summary(progress, figures, took_s=time.monotonic() - began_s), highlight=False)
    if progress.trouble:
        console.print(tail(log), highlight=False, markup=False)
    return 1 if progress.faults else 0


def environment(bootstrap: str) -> dict[str, str]:
    """Of the worker: nothing of RELAY_* but what the demo needs."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RELAY_")}
    return clean | {
        "RELAY_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "RELAY_EVENTS_TOPICS": EVENTS_TOPIC,
        "RELAY_START": "earliest",
        "RELAY_RETRY_DELAYS": RETRY_DELAYS,
        "RELAY_HOLD_DELAYS": RETRY_DELAYS,
        "RELAY_ALLOW_HTTP": "true",
        "RELAY_ALLOW_NETWORKS": "127.0.0.0/8",
        "RELAY_SECRET_KEYS": "demo:" + b64encode(secrets.token_bytes(32)).decode(),
        "RELAY_METRICS_ADDRESS": "127.0.0.1:0",
        "RELAY_LOG_FORMAT": "json",
    }


@contextmanager
def interruptible() -> Iterator[asyncio.Event]:
    """An event that Ctrl-C and SIGTERM set, and the demo itself when it has come to its end."""
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for one in INTERRUPTS:
        loop.add_signal_handler(one, ended.set)
    try:
        yield ended
    finally:
        for one in INTERRUPTS:
            loop.remove_signal_handler(one)


async def produce(bootstrap: str, progress: Progress) -> None:
    """Sample leads at a steady rate, each created, updated and completed."""
    rate = max(RATE, (progress.wanted or 0) / LONGEST_S)
    clock, dice, lead_id = SystemClock(), Random(), ""  # noqa: S311  sample data
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    async with started(producer):
        while progress.produced != progress.wanted:
            step = progress.produced % len(EVENT_TYPES)
            event_type = EVENT_TYPES[step]
            if step == 0:
                lead_id = uuid(dice)
            event = sample_event(
                event_type, now_ms=clock.now_ms(), random=dice, account_id=ACCOUNT, lead_id=lead_id, version=step + 1
            )
            await producer.send(EVENTS_TOPIC, key=lead_id.encode(), value=orjson.dumps(event))
            progress.expected += sum(event_type in customer.events for customer in CUSTOMERS)
            progress.produced += 1
            await asyncio.sleep(1 / rate)


async def follow(bootstrap: str, progress: Progress) -> None:
    """Every result is tallied."""
    reader = AIOKafkaConsumer("relay.results", bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with started(reader):
        async for record in reader:
            progress.tally.add(orjson.loads(record.value), now_s=time.monotonic())


async def draw(progress: Progress, console: Console, ended: asyncio.Event) -> None:
    """What there is to see is shown, until nothing more is to come."""
    settled, moved_s = 0, time.monotonic()
    with _screen(console) as show:
        while not progress.complete:
            await asyncio.sleep(TICK_S)
            now_s = time.monotonic()
            show(progress, progress.tally.figures(now_s))
            if progress.tally.settled > settled:
                settled, moved_s = progress.tally.settled, now_s
            if now_s - moved_s > QUIET_S:
                progress.trouble = f"nothing was settled for {QUIET_S:.0f} s; the end of the worker's log is below"
                break
    ended.set()


@contextmanager
def _screen(console: Console) -> Iterator[Callable[[Progress, Figures], None]]:
    """A table that is drawn anew on a terminal, else a line now and then."""
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            yield lambda progress, figures: live.update(table(progress, figures), refresh=True)
        return
    looks = itertools.count(1)
    every = round(LINE_S / TICK_S)

    def write(progress: Progress, figures: Figures) -> None:
        if next(looks) % every == 0:
            console.print(line(progress, figures), highlight=False, soft_wrap=True)

    yield write


async def watch(worker: Process, progress: Progress, ended: asyncio.Event) -> None:
    """A worker that ends by itself ends the demo."""
    status = await worker.wait()
    if not ended.is_set():
        progress.trouble = f"the worker ended by itself with exit status {status}; the end of its log is below"
        ended.set()


async def register(stack: AsyncExitStack, config: Config, progress: Progress) -> None:
    """Every customer has a receiver, and a subscription that calls it."""
    secret, keys, now_ms = generated_secret(), KeyRing(config.secret_keys), SystemClock().now_ms()

    def on_request(received: Received) -> None:
        if received.verified:
            progress.verified += 1
        else:
            progress.unverified += 1

    subscriptions = Subscriptions(config)
    for customer in CUSTOMERS:
        receiver = Receiver(secret=secret, flaky=customer.flaky, delay_s=customer.delay_s, on_request=on_request)
        url = f"http://127.0.0.1:{await receiver.start()}/"
        stack.push_async_callback(receiver.stop)
        said = {"account_id": ACCOUNT, "name": customer.name, "url": url, "events": list(customer.events)}
        values = read_form(said, config=config)
        new = made(SubscriptionId(customer.id), values, secret, keys, by="demo", now_ms=now_ms)
        await subscriptions.edit(create(new, quota=len(CUSTOMERS)))


def tail(log: Path) -> str:
    return log.read_bytes()[-TAIL_BYTES:].decode(errors="replace")
