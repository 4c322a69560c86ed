"""
A real Apache Kafka for the tests: KRaft, one node that is broker and controller, no container.

Runs from Maven Central's jars (about 55 MB, copied once to a cache) when Java 17 and Maven are there; or is the one
that `RELAY_TEST_KAFKA=host:port` names, whose topics other than the tests' own are left alone.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

VERSION = "4.1.1"
JAVA = 17  # the oldest that Kafka 4 runs on
START_S = 120  # it takes 4 s on a quiet machine, one that was frozen some 10
FETCH_S = 900  # the first time only: 55 MB from a mirror that may be slow
CLUSTER_ID = "cmVsYXktdGVzdHMtb25lMQ"  # any 16 bytes in base64

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>relay.tests</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>2.25.3</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.3</version></dependency>
</dependencies></project>
"""
LOG4J = """status=error
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d %p %m (%c)%n
"""


class NoKafka(Exception):
    """There is no way to a real Kafka here; the message says what would make one."""


class Node:
    """One broker that is also a controller: a process over a folder of data that outlives it."""

    def __init__(
        self,
        folder: Path,
        number: int,
        ports: Sequence[tuple[int, int]],
        jvm: Sequence[str],
        *,
        users: Sequence[str] = (),
        **settings: str,
    ) -> None:
        """
        Formatted, not yet started.

        Args:
            folder: Of this node alone.
            number: Its place in `ports`, and its id.
            ports: Of every node: broker and controller.
            jvm: Its options: how much memory it may use, above all.
            users: Who may log in by SCRAM, as the `--add-scram` of Kafka's storage tool has them.
            settings: Broker settings besides ours, dots as underscores.
        """
        self.number = number
        self.bootstrap = f"127.0.0.1:{ports[number][0]}"
        self.process: subprocess.Popen[bytes] | None = None
        self._log = folder / "broker.log"
        self._properties = folder / "server.properties"
        log4j = folder / "log4j2.properties"
        self._java = ["java", *jvm, f"-Dlog4j2.configurationFile={log4j}"]
        self._java += ["-cp", f"{_libraries()}/*"]
        folder.mkdir(exist_ok=True)
        log4j.write_text(LOG4J)
        ours = _settings(folder, number, ports) | {name.replace("_", "."): value for name, value in settings.items()}
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in ours.items()))
        storage = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(self._properties)]
        storage += [word for user in users for word in ("--add-scram", user)]
        subprocess.run([*self._java, *storage], check=True, capture_output=True, timeout=START_S)

    def start(self) -> None:
        """Begun, with the data that it had; `wait` says when it answers."""
        with self._log.open("ab") as log:
            command = [*self._java, "kafka.Kafka", str(self._properties)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def wait(self) -> None:
        """It accepts connections."""
        host, _, port = self.bootstrap.rpartition(":")
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            assert self.runs, self._log.read_text()[-4000:]
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
                return
            time.sleep(0.1)
        raise TimeoutError(self._log.read_text()[-4000:])

    def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        """It has ended; its data stays."""
        if self.process is not None and self.runs:
            self.process.send_signal(how)
            self.process.wait(START_S)


class Server:
    """A broker; one that was started here ends with its `with` block."""

    def __init__(self, bootstrap: str, node: Node | None = None, folder: Path | None = None) -> None:
        self.bootstrap = bootstrap
        self._node = node
        self._folder = folder

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """Of one that was started here: a test may kill it or stop it."""
        return self._node.process if self._node is not None else None

    @classmethod
    def start(cls, **settings: str) -> Self:
        """
        One that answers.

        Args:
            settings: Broker settings besides ours, dots as underscores.

        Raises:
            NoKafka: Neither a named one, nor Java and Maven.
        """
        if named := os.environ.get("RELAY_TEST_KAFKA"):
            return cls(named)
        _libraries()
        folder = Path(tempfile.mkdtemp(prefix="relay-tests-kafka-"))
        broker, controller = free_ports(2)
        node = Node(folder, 0, [(broker, controller)], ("-Xmx640m", "-Xms256m"), **settings)
        started = cls(node.bootstrap, node, folder)
        try:
            node.start()
            node.wait()
            started.wait()
        except BaseException:
            started.close()
            raise
        return started

    def wait(self) -> None:
        """Its metadata names it: one that was frozen for long is fenced at first, and there is no broker at all."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            with contextlib.suppress(KafkaException):
                if admin.list_topics(timeout=1).brokers:
                    return
            time.sleep(0.1)
        raise TimeoutError(f"{self.bootstrap} names no broker after {START_S} s")

    def thaw(self) -> None:
        """It answers again, if a test froze it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
        self.wait()

    def close(self) -> None:
        """It has ended, and its data is gone."""
        if self._node is not None:
            self._node.end()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _settings(folder: Path, number: int, ports: Sequence[tuple[int, int]]) -> dict[str, str]:
    broker, controller = ports[number]
    replicas = str(len(ports))
    in_sync = str(max(1, len(ports) - 1))
    return {
        "process.roles": "broker,controller",
        "node.id": str(number),
        "controller.quorum.voters": ",".join(f"{n}@127.0.0.1:{ports[n][1]}" for n in range(len(ports))),
        "listeners": f"PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{broker}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": str(folder / "data"),
        "num.partitions": "4",
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replicas,
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
        "group.initial.rebalance.delay.ms": "0",
        # Kafka's own default, so that a metadata request of ours that would create a topic is noticed
        "auto.create.topics.enable": "true",
    }


def _libraries() -> Path:
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise NoKafka(f"`{program}` is not there: install Java {JAVA} or newer and Maven, or set RELAY_TEST_KAFKA")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "relay-tests" / f"kafka-{VERSION}"
    libraries = cache / "libs"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:  # tests run side by side, and one of them fetches
        fcntl.flock(lock, fcntl.LOCK_EX)
        _fetch(cache, libraries)
    return libraries


def _fetch(cache: Path, libraries: Path) -> None:
    if not (cache / "complete").exists():
        (cache / "pom.xml").write_text(POM)
        fetch = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={libraries}"]
        done = subprocess.run(fetch, cwd=cache, capture_output=True, text=True, timeout=FETCH_S, check=False)
        if done.returncode:
            raise NoKafka(f"Maven could not fetch Kafka {VERSION}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
        (cache / "complete").touch()


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
