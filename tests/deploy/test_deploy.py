"""
What can be checked of deploy/ without a container engine: that the files agree with each other, with the commands and
with the configuration.
"""

import asyncio
import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from relay.cli.app import app
from relay.config import TABLE, Config

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE: Mapping[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES: Mapping[str, Mapping[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if service["image"].startswith("relay:"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text("utf-8").replace("\\\n", "")
EXAMPLE = (DEPLOY / "relay.env.example").read_text("utf-8")
SECURITY = (ROOT / "SECURITY.md").read_text("utf-8")
RUNBOOK = (DEPLOY / "RUNBOOK.md").read_text("utf-8")
COMMANDS = {name for name in app if not name.startswith("-")}
A_KEY = "k1:" + "A" * 43 + "="


def read(environ: Mapping[str, str]) -> Config:
    return Config.read(environ, read_text=lambda _: A_KEY)


def dockerfile(instruction: str) -> list[str]:
    return re.findall(rf"^{instruction} +(.+)$", DOCKERFILE, re.MULTILINE)


def commands(service: Mapping[str, Any]) -> Iterator[list[str]]:
    """What follows `relay`, also where a shell runs it."""
    if service.get("entrypoint") == ["sh", "-c"]:
        for line in service["command"][0].split("||"):
            program, *arguments = shlex.split(line)
            assert program == "relay"
            yield arguments
    else:
        yield service["command"]


def seconds(text: str) -> int:
    number, unit = int(text[:-1]), text[-1]
    return number * {"s": 1, "m": 60}[unit]


# compose.yaml


def test_everything_of_the_demo_is_there() -> None:
    """A broker, its topics, a subscription, a worker, a console, somebody to send and somebody to receive."""
    assert set(SERVICES) == {"broker", "topics", "subscribe", "worker", "console", "receiver", "send"}


@pytest.mark.parametrize("name", OURS)
def test_every_service_runs_a_command_of_relay(name: str) -> None:
    """The image's entry point is `relay`, its roles are commands."""
    assert {arguments[0] for arguments in commands(SERVICES[name])} <= COMMANDS


@pytest.mark.parametrize("name", OURS)
def test_every_service_is_configured_as_relay_reads_it(name: str) -> None:
    """No misspelt variable, no value out of bounds; ConfigProblem would tell."""
    environ = SERVICES[name].get("environment", {})

    assert all(isinstance(value, str) for value in environ.values()), "compose would spell it in its own way"
    assert read(environ).kafka_bootstrap_servers == environ.get("RELAY_KAFKA_BOOTSTRAP_SERVERS", "")


def test_every_condition_can_come_true() -> None:
    """Healthy needs a health check; completed needs a service that ends and stays ended."""
    for service in SERVICES.values():
        for name, dependency in service.get("depends_on", {}).items():
            needed = SERVICES[name]
            match dependency["condition"]:
                case "service_healthy":
                    assert "healthcheck" in needed
                case "service_completed_successfully":
                    assert "restart" not in needed
                case other:
                    pytest.fail(f"{name}: {other}")


def test_a_stop_outlasts_the_drain() -> None:
    """Or the engine kills a worker that is doing what it was asked to."""
    worker = SERVICES["worker"]

    assert seconds(worker["stop_grace_period"]) > read(worker["environment"]).drain_s + 5


@pytest.mark.parametrize("name", OURS)
def test_every_service_has_the_secrets_that_it_names_and_no_other(name: str) -> None:
    """Each is a file that is not in the repository."""
    text = json.dumps([SERVICES[name].get("environment"), SERVICES[name]["command"]])
    named = re.findall(r"/run/secrets/([a-z-]+)", text)

    assert sorted(named) == sorted(SERVICES[name].get("secrets", []))
    for secret in named:
        file = COMPOSE["secrets"][secret]["file"]
        assert file.startswith("secrets/")
        assert f"> deploy/{file} " in (DEPLOY / "compose.yaml").read_text("utf-8"), "the page says how to make it"


def test_the_receiver_is_where_the_subscription_says() -> None:
    """Name, port and secret agree, and the network that holds it is allowed."""
    receiver, subscribe = SERVICES["receiver"]["command"], SERVICES["subscribe"]
    (network,) = COMPOSE["networks"]["default"]["ipam"]["config"]
    port, secret = (receiver[receiver.index(option) + 1] for option in ("--port", "--secret-file"))

    assert f"--url http://receiver:{port}/" in subscribe["command"][0]
    assert f"--secret-file {secret}" in subscribe["command"][0]
    for name in ("subscribe", "worker"):
        config = read(SERVICES[name]["environment"])
        assert config.allow_http
        assert [str(one) for one in config.allow_networks] == [network["subnet"]]


@pytest.mark.parametrize("name", OURS)
def test_nothing_may_more_than_it_needs(name: str) -> None:
    """Read-only root, no capabilities, none to be gained."""
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "user" not in service, "the image's own is numeric already"


@pytest.mark.parametrize(("status", "exit_code"), [(200, 0), (503, 1)])
@pytest.mark.parametrize(
    ("name", "path", "setting"),
    [("worker", "/readyz", "RELAY_METRICS_ADDRESS"), ("console", "/livez", "RELAY_CONSOLE_ADDRESS")],
)
def test_a_health_check_asks_where_its_service_listens(
    name: str, path: str, setting: str, status: int, exit_code: int
) -> None:
    """Run as it stands, but for the port; a proxy in the environment is not asked."""
    program, code = SERVICES[name]["healthcheck"]["test"][-2:]
    configured = SERVICES[name]["environment"][setting].rpartition(":")[2]
    asked: list[str] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status)

    async def check() -> int | None:
        server = await asyncio.get_running_loop().create_server(web.Server(answer), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        here = code.replace(f"127.0.0.1:{configured}/", f"127.0.0.1:{port}/")
        environ = {"http_proxy": "http://127.0.0.1:9"}
        process = await asyncio.create_subprocess_exec(
            sys.executable, program, here, env=environ, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            return await process.wait()
        finally:
            server.close()

    assert exit_code == asyncio.run(check())
    assert asked == [path]
    assert f":{configured}" in SERVICES[name]["ports"][0]


def test_the_history_is_where_the_image_lets_it_be_written() -> None:
    """On a volume; the root is read only, and the user is nobody's."""
    console = SERVICES["console"]
    (volume,) = console["volumes"]
    name, _, folder = volume.partition(":")
    owner = dockerfile("USER")[0]

    assert name in COMPOSE["volumes"]
    assert console["environment"]["RELAY_DATABASE_URL"] == f"sqlite+aiosqlite:///{folder}/history.db"
    assert f"--from=build --chown={owner} {folder} {folder}" in dockerfile("COPY")


# Dockerfile


def test_images_say_their_version() -> None:
    """`latest` is another image tomorrow."""
    images = [service["image"] for service in SERVICES.values()] + [one.split()[0] for one in dockerfile("FROM")]

    assert all(re.fullmatch(r"[a-z/]+:[0-9a-z.-]+", image) and not image.endswith(":latest") for image in images)


def test_the_image_is_not_roots_and_runs_relay_without_a_shell() -> None:
    """A numeric user, so that `runAsNonRoot` can be checked; signals reach the process."""
    final = DOCKERFILE.rsplit("\nFROM ", 1)[1]

    assert re.search(r"^USER [1-9][0-9]*:[1-9][0-9]*$", final, re.MULTILINE)
    assert dockerfile("ENTRYPOINT") == ['["relay"]']
    assert dockerfile("CMD") == ['["--help"]']
    assert "RUN" not in final, "compilers and caches stay in the first stage"


def test_the_build_copies_what_exists_and_what_is_let_in() -> None:
    """Nothing but that enters the build: .dockerignore begins with everything."""
    copied = [one.split()[:-1] for one in dockerfile("COPY") if not one.startswith("--from=")]
    sources = {source for one in copied for source in one}
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()

    assert all((ROOT / source).exists() for source in sources), sources
    assert {rule.removeprefix("!") for rule in ignored if rule.startswith("!")} == sources
    assert next(rule for rule in ignored if not rule.startswith("#")) == "*"


def test_the_image_is_installed_from_the_lock_and_nothing_else() -> None:
    """Byte for byte; relay itself brings nothing with it."""
    installs = [one for run in dockerfile("RUN") for one in run.split(" && ") if " install " in one]

    assert ["--require-hashes -r requirements.lock", "--no-deps /dist/*.whl"] == [
        re.split(r" install (?:--only-binary :all: )?", one.strip())[1] for one in installs
    ]


# relay.env.example


def test_the_example_can_be_used_as_it_stands() -> None:
    """Every line of it is a setting that relay knows."""
    config = read(dict(re.findall(r"^(RELAY_\w+)=(.*)$", EXAMPLE, re.MULTILINE)))

    assert config.secret_keys


def test_the_example_tells_the_defaults() -> None:
    """Uncommenting any of it, or all of it, changes nothing."""
    assert Config() == read(dict(re.findall(r"^#(RELAY_\w+)=(.*)$", EXAMPLE, re.MULTILINE)))


def test_the_example_leaves_out_nothing() -> None:
    """Every setting that there is is in it."""
    shown = set(re.findall(r"^#?(RELAY_\w+)=", EXAMPLE, re.MULTILINE))

    assert {line.variable for line in TABLE.values()} == shown


# RUNBOOK.md


def test_the_runbook_speaks_of_what_there_is() -> None:
    """Its commands and its settings exist."""
    named = re.findall(r"`relay ([a-z-]+)|^ +relay ([a-z-]+)", RUNBOOK, re.MULTILINE)

    assert {one or other for one, other in named} <= COMMANDS
    assert set(re.findall(r"RELAY_[A-Z_]+", RUNBOOK)) <= {line.variable for line in TABLE.values()}


# SECURITY.md


def test_what_is_said_of_security_speaks_of_what_there_is() -> None:
    """Its tests, its settings, and the extra that its command needs."""
    named = set(re.findall(r"tests/[a-z_/]+\.py", SECURITY))

    assert named
    assert {name for name in named if not (ROOT / name).is_file()} == set()
    assert set(re.findall(r"RELAY_[A-Z_]+[A-Z]", SECURITY)) - {"RELAY_KAFKA"} <= {
        line.variable for line in TABLE.values()
    }
    assert "pip install '.[sbom]'" in SECURITY
    assert "\nsbom = [" in (ROOT / "pyproject.toml").read_text("utf-8")
