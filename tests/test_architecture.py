"""Rules about the source as a whole: what pure modules may import, what stands at the top, which module has tests."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PURE_OF = {
    "relay": (
        "model errors urls ports durations instants settings sources networks security retention together "
        "topics findings samples verification"
    ),
    "relay/pipeline": (
        "decode filters match schedule keys sign egress settle results ledger settled holdings covered seen "
        "watch delays fan health notice phase limit rate breaker places queue heard lane alarms allowance "
        "known able lanes census rivals"
    ),
    "relay/processes": "restarts exposition",
    "relay/store": "codec forms limits edits sound audited entry fields",
    "relay/store/history": "values rows folding listing resuming",
    "relay/notices": "board message",
    "relay/access": "values codec forms register claims origin limit headers",
    "relay/completeness": "values counts outcomes folding",
    "relay/replay": "values runs ranges choose hindsight trial shown letters",
    "relay/console": "problems etags cursors ages views exports reconciliations",
    "relay/console/desk": "whose",
    "relay/console/api": "asked idempotency",
    "relay/console/pages": (
        "words charts figures hooks story bodies curl forms asking wishes frame running buried notices proof deeds"
    ),
    "relay/cli": "demo_tally demo_view",
}
PURE = [f"{package}/{name}.py" for package, names in PURE_OF.items() for name in names.split()]
# Whatever awaits, reads a clock, rolls a die or touches the machine; `random.Random`, seeded by the caller, is a value.
IMPURE = {
    "asyncio",
    "aiohttp",
    "aiokafka",
    "uvloop",
    "time",
    "secrets",
    "os",
    "socket",
    "subprocess",
    "threading",
    "io",
}
IMPURE |= {"relay.clock", "relay.broker", "relay.log", "relay.metrics", "structlog", "confluent_kafka", "tempfile"}
CLOCKS_AND_DICE = {"now", "utcnow", "today", "urandom", "uuid1", "uuid4", "random", "time", "monotonic", "perf_counter"}
TOP_LEVEL = {"pyproject.toml", "README.md", "SECURITY.md", "CHANGELOG.md", "LICENSE", "requirements.lock"}
TOP_LEVEL |= {"relay", "schemas", "tests", "deploy"}


def imported(path: Path) -> set[str]:
    """Every module that a file names in an import, at its top or anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def local(name: str) -> Path | None:
    """The file of a module of relay's own."""
    path = ROOT / Path(*name.split("."))
    return next((one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()), None)


def reached(path: Path, seen: set[Path] | None = None) -> set[str]:
    """Everything imported by a file and by whatever of relay's it imports."""
    seen = set() if seen is None else seen
    seen.add(path)
    names = imported(path)
    for name in list(names):
        there = local(name)
        if there is not None and there not in seen:
            names |= reached(there, seen)
    return names


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_reaches_nothing_that_awaits_reads_a_clock_or_rolls_a_die(name: str) -> None:
    """Neither itself nor through another of relay's modules."""
    assert not {one for one in reached(ROOT / name) if one in IMPURE or one.split(".")[0] in IMPURE}


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_asks_no_clock_and_no_die(name: str) -> None:
    """Not by a method of something that is itself harmless, as `datetime.now`."""
    tree = ast.parse((ROOT / name).read_text())
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]

    asked = {f"{ast.unparse(one.value)}.{one.attr}" for one in calls if isinstance(one, ast.Attribute)}

    assert not {one for one in asked if one.rpartition(".")[2] in CLOCKS_AND_DICE and one != "random.random"}


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_has_no_coroutines(name: str) -> None:
    """What awaits is an edge."""
    kinds = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)

    assert not [node for node in ast.walk(ast.parse((ROOT / name).read_text())) if isinstance(node, kinds)]


PACKAGES = sorted(str(path.parent.relative_to(ROOT)) for path in (ROOT / "relay").rglob("__init__.py"))


@pytest.mark.parametrize("package", [one for one in PACKAGES if "migrations" not in one])  # those are alembic's
def test_the_map_of_a_package_names_every_module_and_which_are_pure(package: str) -> None:
    """Its docstring is the map; a line of a drawing has an arrow in it."""
    folder = ROOT / package
    told: dict[str, bool] = {}
    for line in (ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or "").splitlines():
        if line.startswith("    ") and "--" not in line:
            names = re.split(r"\s{2,}", line.strip())[0]
            told |= dict.fromkeys(re.findall(r"\w+", names), line.split()[-1] == "pure")
    pure = set(PURE_OF.get(package, "").split())

    there = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}

    assert there - {"__init__", "__main__"} == set(told)
    assert pure == {name for name, is_pure in told.items() if is_pure}


# What stands on what: a package imports those of the rows beneath its own, and none of its row.
LAYERS = (
    {"relay.__main__"},
    {"relay.cli"},
    {"relay.console"},
    {"relay.replay", "relay.access", "relay.completeness", "relay.notices", "relay.processes", "relay.workers"},
    {"relay.store"},
    {"relay.pipeline"},
    {"relay"},  # every other module of the top level: values, settings, the broker
)
UPWARDS = {
    ("relay.pipeline.disable", "relay.store"): "an endpoint that is gone ends its subscription, which is an edit",
    ("relay.pipeline.wiring", "relay.store"): "there all of a worker is put together, its subscriptions among it",
}


def test_nothing_imports_what_stands_above_or_beside_it() -> None:
    """But where there is a reason."""
    upwards = {
        (module, there)
        for module, path in modules().items()
        for there in {package(name) for name in imported(path) if local(name) is not None} - {package(module)}
        if layer(there) <= layer(package(module))
    }

    assert set(UPWARDS) == upwards


def modules() -> dict[str, Path]:
    """Every module of relay's, by its name."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (ROOT / "relay").rglob("*.py")
    }


def package(module: str) -> str:
    """The member of a layer that a module belongs to."""
    member = ".".join(module.split(".")[:2])
    return member if any(member in members for members in LAYERS) else "relay"


def layer(member: str) -> int:
    """0: the uppermost."""
    return next(row for row, members in enumerate(LAYERS) if member in members)


def test_the_embedded_broker_is_no_need_of_production() -> None:
    """confluent-kafka is imported by one module, and only once it is asked for."""
    users = [path for path in (ROOT / "relay").rglob("*.py") if "confluent_kafka" in imported(path)]
    tree = ast.parse((ROOT / "relay/embedded.py").read_text())

    assert [ROOT / "relay/embedded.py"] == users
    assert not [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "confluent_kafka"]


def test_a_history_is_no_need_of_a_worker() -> None:
    """Databases are imported by the history alone, and nothing of the worker's reaches the history."""
    users = {path for path in (ROOT / "relay").rglob("*.py") if _databases(imported(path))}
    worker = reached(ROOT / "relay/pipeline/service.py") | reached(ROOT / "relay/store/catalogue.py")

    assert users
    assert all(path.is_relative_to(ROOT / "relay/store/history") for path in users)
    assert not _databases(worker)
    assert not {name for name in worker if name.startswith(("relay.store.history", "relay.console", "jinja2"))}


def _databases(names: set[str]) -> set[str]:
    return {name for name in names if name.split(".")[0] in {"sqlalchemy", "alembic", "aiosqlite", "asyncpg"}}


def test_the_top_level_holds_what_it_should() -> None:
    """Six names, the change log, the licence, the lock and what is said of security; anything else needs a reason."""
    ignored = {"dist", "build"}

    there = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}

    assert there - ignored - TOP_LEVEL == set()


def test_a_module_reads_in_one_sitting() -> None:
    """What is longer holds a value that wants a file of its own."""
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "relay").rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > 300
    }

    assert {} == long


# Run for real, as processes against a broker and receivers: the file of tests says so by its name.
RUN_FOR_REAL = {
    "tests/kafka/test_worker.py": (
        "attempt",
        "events",
        "deliveries",
        "consume",
        "commit",
        "client",
        "produce",
        "wiring",
        "worker",
        "service",
        "listener",
    ),
    "tests/contracts/test_subscriptions.py": ("subscriptions", "follow", "following", "catalogue", "writer"),
    "tests/contracts/test_history.py": (
        *("tables", "database", "bulk", "writing", "reading", "overview", "pruning", "store"),
        *("tail", "projector", "port", "env", "m0001_history"),
    ),
    "tests/contracts/test_access.py": ("store", "audit"),
    "tests/contracts/test_broker.py": ("broker", "embedded"),
    "tests/api/test_console.py": (
        *("answers", "routes", "repeats", "stream", "export", "deliveries", "sends", "governing", "burying"),
        *("means", "subscribing", "telling", "sending", "trying", "roster", "server", "health", "keys"),
    ),
    "tests/console/test_pages.py": (
        *("access", "editing", "trials", "letters", "names", "operations", "people", "visit", "rendering"),
        *("overview", "webhooks", "replays"),
    ),
    "tests/cli/test_lanes.py": ("workers",),
    "tests/api/test_views.py": ("ages", "etags"),
    "tests/api/test_reconciling.py": ("reconciliations",),
    "tests/contracts/test_notices.py": ("news", "posted"),
    "tests/store/test_entry.py": ("fields",),
    "tests/test_topics.py": ("findings",),
    "tests/contracts/test_deliver.py": ("wire",),
    "tests/cli/test_deliveries.py": ("erase",),
    "tests/kafka/test_deliveries_command.py": ("redeliver",),
    "tests/cli/test_demo.py": ("demo_children",),
    "tests/kafka/test_replay.py": (
        *("lookup", "board", "outbox", "scan", "carry", "runner", "singly", "survey", "sent", "dead_letters"),
    ),
    "tests/kafka/test_watchdog.py": ("sights",),
    "tests/cli/test_commands.py": ("app", "common", "tools", "samples", "send", "listen", "check", "apply", "topics"),
}


def test_every_module_has_tests() -> None:
    """By a file of its name, or by one that runs it for real."""
    tested = {path.stem.removeprefix("test_") for path in (ROOT / "tests").rglob("test_*.py")}
    tested |= {name for path, names in RUN_FOR_REAL.items() for name in names if (ROOT / path).is_file()}

    there = {path.stem for path in (ROOT / "relay").rglob("*.py")} - {"__init__", "__main__"}

    assert set() == there - tested
