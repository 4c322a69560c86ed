"""
A real Apache Kafka for the tests: KRaft, one node that is broker and controller, no container.

Runs from Maven Central's jars (about 55 MB, copied once to a cache) when Java 17 and Maven are there; or is the one
that `RELAY_TEST_KAFKA=host:port` names, whose topics other than the tests' own are left alone.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

VERSION = "4.1.1"
JAVA = 17  # the oldest that Kafka 4 runs on
START_S = 60  # it takes 4 s on a quiet machine
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


class Server:
    """A broker; one that was started here ends with its `with` block."""

    def __init__(
        self, bootstrap: str, process: subprocess.Popen[bytes] | None = None, folder: Path | None = None
    ) -> None:
        self.bootstrap = bootstrap
        self.process = process
        self._folder = folder

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
        libraries = _libraries()
        folder = Path(tempfile.mkdtemp(prefix="relay-tests-kafka-"))
        broker, controller = _free_ports(2)
        java = ["java", "-Xmx640m", "-Xms256m", f"-Dlog4j2.configurationFile={folder}/log4j2.properties"]
        java += ["-cp", f"{libraries}/*"]
        (folder / "log4j2.properties").write_text(LOG4J)
        ours = _settings(folder, broker, controller) | {
            name.replace("_", "."): value for name, value in settings.items()
        }
        properties = folder / "server.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in ours.items()))
        storage = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties)]
        subprocess.run([*java, *storage], check=True, capture_output=True, timeout=START_S)
        with (folder / "broker.log").open("wb") as log:
            process = subprocess.Popen([*java, "kafka.Kafka", str(properties)], stdout=log, stderr=log)
        started = cls(f"127.0.0.1:{broker}", process, folder)
        try:
            started.wait()
        except BaseException:
            started.close()
            raise
        return started

    def wait(self) -> None:
        """It accepts connections."""
        assert self.process is not None
        assert self._folder is not None
        host, _, port = self.bootstrap.rpartition(":")
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            assert self.process.poll() is None, (self._folder / "broker.log").read_text()[-4000:]
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
                return
            time.sleep(0.1)
        raise TimeoutError((self._folder / "broker.log").read_text()[-4000:])

    def close(self) -> None:
        """It has ended, and its data is gone."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _settings(folder: Path, broker: int, controller: int) -> dict[str, str]:
    return {
        "process.roles": "broker,controller",
        "node.id": "0",
        "controller.quorum.voters": f"0@127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{broker}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": str(folder / "data"),
        "num.partitions": "4",
        "default.replication.factor": "1",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
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
    if not (cache / "complete").exists():
        cache.mkdir(parents=True, exist_ok=True)
        (cache / "pom.xml").write_text(POM)
        fetch = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={libraries}"]
        done = subprocess.run(fetch, cwd=cache, capture_output=True, text=True, timeout=FETCH_S, check=False)
        if done.returncode:
            raise NoKafka(f"Maven could not fetch Kafka {VERSION}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
        (cache / "complete").touch()
    return libraries


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
