"""The commands that need no broker, and what all of them say when there is none or the settings are wrong."""

import io
import os
import re
import socket
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from relay import __version__, log
from relay.cli.app import main
from relay.config import TABLE
from relay.errors import ConfigProblem
from relay.metrics import Metrics
from relay.pipeline.listener import listening

Capsys = pytest.CaptureFixture[str]
Stdin = Callable[[bytes], None]

SECRET = b"a-secret-nobody-may-see"
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # of Standard Webhooks' own vector
BODY = b'{"test": 2432232314}'
SIGN = ["sign", "body", "--secret-file", "secret"]
VECTOR = ("--id", "msg_p5jXN8AQM9LWM0D4loKWxJek", "--timestamp", "1614265330")
KEYS = "k1:" + b64encode(bytes(range(32))).decode()
SETTINGS = {"RELAY_SECRET_KEYS": KEYS, "RELAY_ALLOW_HTTP": "true"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where every command runs, with a body and its secret; no setting of whoever runs the tests counts."""
    for name in [name for name in os.environ if name.startswith("RELAY_")]:
        monkeypatch.delenv(name)
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "body").write_bytes(BODY)
    (tmp_path / "secret").write_bytes(SECRET + b"\n")
    (tmp_path / "whsec").write_text(WHSEC)
    (tmp_path / "whsec-long").write_text("whsec_" + b64encode(bytes(range(32))).decode())
    return tmp_path


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Stdin:
    """Puts these bytes on stdin."""
    return lambda raw: monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))


def test_version_is_the_package_s(capsys: Capsys) -> None:
    """Alone on stdout, or as JSON."""
    assert [0, 0] == [main(["version"]), main(["version", "-o", "json"])]

    plain, _, json = capsys.readouterr().out.partition("\n")
    assert (__version__, {"version": __version__}) == (plain, orjson.loads(json))


@pytest.mark.parametrize(
    ("arguments", "said", "more"),
    [
        (["frob"], 'Unknown command "frob"', "`relay --help` says more"),
        (["sign"], "BODY requires an argument", "`relay sign --help` says more"),
        (["subscriptions", "frob"], "frob", "`relay subscriptions --help` says more"),
        (["subscriptions", "create"], "--account requires", "`relay subscriptions create --help` says more"),
        (["listen", "--port", "x"], "--port", "`relay listen --help` says more"),
        (["version", "-o", "xml"], '"table", "json"', "`relay version --help` says more"),
        (["version", "--frob"], "--frob", "`relay version --help` says more"),
    ],
)
def test_what_was_typed_wrong_is_named(capsys: Capsys, arguments: list[str], said: str, more: str) -> None:
    """With where to read on, and exit status 2; stdout stays empty."""
    assert main(arguments) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("relay: ")
    assert said in captured.err
    assert captured.err.endswith(f"{more}\n")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["subscriptions"], ["subscriptions", "create", "--help"]])
def test_help_is_no_mistake(capsys: Capsys, arguments: list[str]) -> None:
    """Asked for or not, it is on stdout, and the status is 0."""
    assert main(arguments) == 0

    assert "Usage: relay" in capsys.readouterr().out


def test_sign_prints_the_published_vector(capsys: Capsys) -> None:
    """The headers, a line each, as curl takes them."""
    assert main(["sign", "body", "--secret-file", "whsec", *VECTOR]) == 0

    assert capsys.readouterr().out.splitlines() == [
        "webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp: 1614265330",
        "x-artibot-signature: sha1=2da57a63580e1b8259222d7c976d87cd11bdfb5b",
        "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ]


def test_what_sign_prints_verifies_with_standard_webhooks_own_library(capsys: Capsys) -> None:
    """Now and with an id of its own, as a receiver would check it; another body does not."""
    assert main(["sign", "body", "--secret-file", "whsec", "-o", "json"]) == 0
    headers = orjson.loads(capsys.readouterr().out)

    assert orjson.loads(BODY) == Webhook(WHSEC).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(WHSEC).verify(BODY + b" ", headers)


def test_what_sign_prints_verifies_with_verify(capsys: Capsys) -> None:
    """The lines of one are the --header of the other."""
    assert main(["sign", "body", "--secret-file", "secret"]) == 0
    headers = [f"--header={line}" for line in capsys.readouterr().out.splitlines()]

    assert main(["verify", "body", "--secret-file", "secret", *headers, "-o", "json"]) == 0

    assert orjson.loads(capsys.readouterr().out) == {
        "verified": True,
        "schemes": ["artibot-sha1", "standard-webhooks"],
        "why": None,
    }


EVERY = (
    "--signatures",
    "standard-webhooks,sha256,standard-webhooks-ed25519,artibot-url",
    "--url",
    "https://crm.example/",
)


def test_every_scheme_is_signed_and_verified_by_hand(folder: Path, capsys: Capsys) -> None:
    """The public key, which `sign` tells on stderr, verifies the asymmetric one alone; the URL is signed too."""
    assert main(["sign", "body", "--secret-file", "whsec-long", *EVERY]) == 0
    said = capsys.readouterr()
    headers = [f"--header={line}" for line in said.out.splitlines()]
    (folder / "public").write_text(said.err.removeprefix("public key: "))
    asked = {
        "secret": ["--secret-file", "whsec-long", "--url", "https://crm.example/"],
        "public": ["--secret-file", "public"],
        "elsewhere": ["--secret-file", "whsec-long", "--url", "https://crm.example/else"],
    }

    answers = {}
    for name, more in asked.items():
        status = main(["verify", "body", *headers, *more, "-o", "json"])
        answers[name] = status, orjson.loads(capsys.readouterr().out)

    schemes = ["standard-webhooks", "sha256", "standard-webhooks-ed25519", "artibot-url"]
    assert (0, {"verified": True, "schemes": schemes, "why": None}) == answers["secret"]
    assert (0, ["standard-webhooks-ed25519"]) == (answers["public"][0], answers["public"][1]["schemes"])
    assert (1, schemes[:3]) == (answers["elsewhere"][0], answers["elsewhere"][1]["schemes"])
    assert "(artibot-url)" in answers["elsewhere"][1]["why"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--signatures", "artibot-sha1,artibot-url"], "signatures: artibot-sha1 and artibot-url stand in the same"),
        (["--signatures", "md5"], "signatures: 'md5' is not a valid Signature: this version speaks artibot-sha1"),
        (["--signatures", "artibot-url"], "url: is needed: artibot-url signs it too"),
        (["--signatures", "standard-webhooks-ed25519"], "secret-file: is none for these schemes: it has fewer than 24"),
    ],
)
def test_schemes_that_cannot_sign_are_refused(capsys: Capsys, wrong: list[str], said: str) -> None:
    """Exit status 2, and why; nothing is signed by half."""
    assert main([*SIGN, *wrong]) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"relay: {said}")


def test_a_public_key_signs_nothing(folder: Path, capsys: Capsys) -> None:
    """It is taken for what it is, and not for text."""
    (folder / "public").write_text("whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=")

    assert main(["sign", "body", "--secret-file", "public"]) == 2

    assert "relay: secret: begins with whpk_: a public key signs nothing" in capsys.readouterr().err


@pytest.mark.parametrize(("file", "content"), [("body", BODY + b" "), ("secret", b"another")])
def test_a_signature_that_does_not_hold_is_a_mismatch(folder: Path, capsys: Capsys, file: str, content: bytes) -> None:
    """Exit status 1, and why; the signature that would hold is not told."""
    main(["sign", "body", "--secret-file", "secret"])
    headers = [f"--header={line}" for line in capsys.readouterr().out.splitlines()]
    (folder / file).write_bytes(content)

    assert main(["verify", "body", "--secret-file", "secret", *headers]) == 1

    said = capsys.readouterr().out
    assert "x-artibot-signature does not match the body and the secret" in said
    assert "sha1=" not in said


def test_an_old_timestamp_is_a_mismatch_unless_told_when_it_was(capsys: Capsys) -> None:
    """A replay of 2021 does not verify today; --at asks about then."""
    main(["sign", "body", "--secret-file", "whsec", *VECTOR])
    headers = [f"--header={line}" for line in capsys.readouterr().out.splitlines()]
    verify = ["verify", "body", "--secret-file", "whsec", *headers]

    assert [1, 0] == [main(verify), main([*verify, "--at", "1614265400"])]


@pytest.mark.parametrize(
    "arguments",
    [["sign", "body", "--secret-file", "-"], ["verify", "body", "--secret-file", "-", "--header", "webhook-id: m"]],
)
def test_a_secret_may_come_on_stdin_and_is_never_printed(stdin: Stdin, capsys: Capsys, arguments: list[str]) -> None:
    """Not on stdout, not on stderr."""
    stdin(SECRET + b"\n")

    assert main(arguments) == (0 if arguments[0] == "sign" else 1)

    captured = capsys.readouterr()
    assert SECRET.decode() not in captured.out + captured.err


def test_a_secret_on_stdin_is_the_secret_in_a_file(stdin: Stdin, capsys: Capsys) -> None:
    """One line end is not part of either."""
    main(["sign", "body", "--secret-file", "secret", *VECTOR])
    expected = capsys.readouterr().out
    stdin(SECRET)

    main(["sign", "body", "--secret-file", "-", *VECTOR])

    assert expected == capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sign", "-", "--secret-file", "-"], "secret-file: only one of the two can be stdin"),
        (["sign", "body", "--secret-file", "gone"], "secret-file: cannot be read: No such file or directory"),
        (["sign", "gone", "--secret-file", "secret"], "body: cannot be read: No such file or directory"),
        (["sign", "body", "--secret-file", "empty"], "secret: must have 1 to 256 bytes"),
        (["verify", "body", "--secret-file", "secret", "--header", "x"], "header: must be written `name: value`"),
        (["filter", "test", "--event", "body"], "filter: is needed once"),
        (["filter", "test", "--event", "body", "--filter", "{}", "--file", "f"], "filter: is needed once"),
        (["filter", "test", "--event", "body", "--filter", "{"], "filter: is no JSON"),
        (["filter", "test", "--event", "secret", "--filter", "{}"], "event: is no JSON"),
        (
            ["filter", "test", "--event", "body", "--filter", '{"a": {"$regex": "x"}}'],
            "filter.a.$regex: is no operator",
        ),
        (["listen", "--secret-file", "gone"], "secret-file: cannot be read"),
        (["sign", "a\0b", "--secret-file", "secret"], "body: cannot be read: no file has such a name"),
        *(
            ([*SIGN, "--id", wrong], "id: must be 1 to 256 visible ASCII characters without spaces")
            for wrong in ("a\nb: c", "a\x1b[31m", "", "é", "a b", "m" * 257)
        ),
        *(
            ([*SIGN, f"--timestamp={wrong}"], "timestamp: must be from 0 to 9999999999: seconds since 1970")
            for wrong in ("-5", "1614265330000")
        ),
        (["verify", "body", "--secret-file", "secret", "--at=-5"], "at: must be from 0 to 9999999999"),
        (["demo", "--events", "0"], "events: must be 1 or more"),
        (["demo", "--events=-1"], "events: must be 1 or more"),
    ],
)
def test_what_cannot_be_used_is_refused(folder: Path, capsys: Capsys, arguments: list[str], said: str) -> None:
    """Exit status 2, the option and its rule."""
    (folder / "empty").write_bytes(b"\n")

    assert main(arguments) == 2

    assert f"relay: {said}" in capsys.readouterr().err


def test_all_that_is_wrong_with_a_signature_is_told_at_once(capsys: Capsys) -> None:
    """And nothing of it becomes a header."""
    assert main([*SIGN, "--id", "a\nb: c", "--timestamp=-5"]) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert ["id", "timestamp"] == [line.split(": ")[1] for line in captured.err.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (["send", "--account", "\udcff"], "--account"),
        (["send", "--account=\udcff"], "--account"),
        (["subscriptions", "pause", "one", "--reason", "caf\udce9"], "--reason"),
        ([*SIGN, "--id", "\udcff"], "--id"),
        (["filter", "test", "--event", "body", "--filter", "\udcff"], "--filter"),
        (["sign", "\udcff", "--secret-file", "secret"], "argument 2"),
        (["\udcff"], "argument 1"),
        (["version", "--\udcff"], "argument 2"),
    ],
)
def test_an_argument_that_is_no_utf_8_is_refused(capsys: Capsys, arguments: list[str], where: str) -> None:
    """Whatever the command, by its option or its place; Python hands on the bytes as surrogates."""
    assert main(arguments) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"relay: {where}: must be UTF-8 (given: ")
    assert captured.err.removesuffix("\n").isprintable()


@pytest.mark.parametrize("option", ["--secret-file", "--header-file"])
def test_what_stands_where_a_file_of_secrets_is_named_is_not_shown(capsys: Capsys, option: str) -> None:
    """Some write the secret itself there, in whatever bytes it has."""
    assert [2, 2] == [main(["sign", "body", *words]) for words in ([option, "t0ken\udcff"], [f"{option}=t0ken\udcff"])]

    assert f"relay: {option}: must be UTF-8\n" * 2 == capsys.readouterr().err


def test_every_argument_that_is_no_utf_8_is_told_at_once(capsys: Capsys) -> None:
    """Nobody mends one only to hear of the next."""
    assert main(["sign", "\udcff", "--secret-file", "\udcff", "--id", "fine"]) == 2

    assert ["argument 2", "--secret-file"] == [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()]


def test_what_was_typed_is_not_obeyed_by_the_terminal_that_shows_it(capsys: Capsys) -> None:
    """Nor does a line end in it begin a line of its own."""
    assert [2, 2] == [main(["\x1b[31mfrob"]), main(["sign", "a\nrelay: fine", "--secret-file", "secret"])]

    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert r"\x1b[31mfrob" in said
    assert r"(given: a\nrelay: fine)" in said


def test_every_option_of_listen_that_is_wrong_is_told_at_once(capsys: Capsys) -> None:
    """Nobody mends one only to hear of the next."""
    arguments = ["listen", "--status", "200", "--status", "99", "--delay", "-1", "--flaky", "-1", "--port", "65536"]

    assert main(arguments) == 2

    fields = [line.split(":")[1].strip() for line in capsys.readouterr().err.splitlines()]
    assert ["status", "delay", "flaky", "port"] == fields


@pytest.mark.parametrize(
    ("wanted", "status"), [('{"test": 2432232314}', 0), ('{"test": {"$gt": 1}}', 0), ('{"test": "2432232314"}', 1)]
)
def test_a_filter_is_tried_on_an_event(folder: Path, capsys: Capsys, wanted: str, status: int) -> None:
    """0 when it lets the event through, 1 when not, whether written here or in a file."""
    (folder / "filter").write_text(wanted)

    for given in (("--filter", wanted), ("--file", "filter")):
        assert main(["filter", "test", "--event", "body", *given, "-o", "json"]) == status
        assert {"matches": status == 0} == orjson.loads(capsys.readouterr().out)


def test_every_problem_of_the_configuration_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: Capsys, folder: Path
) -> None:
    """What is missing, wrong or unknown, in the environment or the file; no key is shown."""
    (folder / "relay.toml").write_text('timeout_s = "soon"\n')
    monkeypatch.setenv("RELAY_SECRET_KEYS", "k1:c2VjcmV0")
    monkeypatch.setenv("RELAY_IN_FLIGHT", "many")
    monkeypatch.setenv("RELAY_TOPIC_PREFX", "x")

    assert main(["worker", "--config", "relay.toml"]) == 2

    said = capsys.readouterr().err
    names = ("KAFKA_BOOTSTRAP_SERVERS", "SECRET_KEYS", "IN_FLIGHT", "TOPIC_PREFX", "TIMEOUT_S")
    assert [] == [name for name in names if f"relay: RELAY_{name}: " not in said]
    assert "RELAY_TOPIC_PREFIX?" in said
    assert "c2VjcmV0" not in said


def test_a_setting_that_there_is_not_is_told_with_where_all_of_them_stand(
    monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    """Where nothing is near; and they do stand there, all that this version takes."""
    monkeypatch.setenv("RELAY_ZZZ", "x")

    assert main(["check"]) == 2

    assert "RELAY_ZZZ: is no setting of relay: deploy/relay.env.example lists them all" in capsys.readouterr().err
    listed = (Path(__file__).parents[2] / "deploy/relay.env.example").read_text()
    absent = {line.variable for line in TABLE.values() if line.variable not in listed}
    assert [] == [name for name in absent if not re.fullmatch("RELAY_KAFKA_(SASL|CA|CERT|KEY)_.*", name)]


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6")
async def test_where_a_worker_listens_is_logged_as_it_is_called(capsys: Capsys) -> None:
    """IPv6 in brackets, so that it can be pasted into a browser."""
    log.configure(format_="json", level="info")

    async with listening(("::1", 0), Metrics()) as listener:
        port = listener.port
        with pytest.raises(ConfigProblem, match=rf"given: \[::1\]:{port}"):
            async with listening(("::1", port), Metrics()):
                pass

    (line,) = [line for line in capsys.readouterr().err.splitlines() if "metrics.listening" in line]
    assert f"[::1]:{port}" == orjson.loads(line)["address"]


def test_a_file_of_settings_that_is_not_there_is_told(capsys: Capsys) -> None:
    """And what it may have held is not told as missing too."""
    assert main(["check", "--config", "gone.toml"]) == 2

    assert capsys.readouterr().err == "relay: gone.toml: cannot be read: No such file or directory\n"


@pytest.mark.parametrize("number", ["9" * 5000, "0x" + "f" * 5000, "0b" + "1" * 20_000])
@pytest.mark.parametrize("entry", ["{{id: one, name: {0}}}", "{{id: {0}, name: x}}", "{{id: one, ? {0} : x}}"])
def test_a_number_that_no_message_could_show_is_no_yaml(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys, entry: str, number: str
) -> None:
    """In whatever base and place it stands: Python reads some that it then cannot write."""
    monkeypatch.setenv("RELAY_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    (folder / "file.yaml").write_text(f"[{entry.format(number)}]")

    assert main(["subscriptions", "apply", "-f", "file.yaml"]) == 2

    assert "relay: file: is no YAML: Exceeds the limit (4300 digits)" in capsys.readouterr().err


@pytest.mark.parametrize("processes", ["0", "65", "-1"])
def test_processes_have_a_bound(monkeypatch: pytest.MonkeyPatch, capsys: Capsys, processes: str) -> None:
    """Nothing is started beyond it."""
    monkeypatch.setenv("RELAY_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")

    assert main(["worker", f"--processes={processes}"]) == 2

    assert f"relay: processes: must be from 1 to 64 (given: {processes})" in capsys.readouterr().err


def test_several_processes_start_only_where_they_can_be_seen(monkeypatch: pytest.MonkeyPatch, capsys: Capsys) -> None:
    """The address of their figures is taken: told before any of them is started."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("RELAY_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
        monkeypatch.setenv("RELAY_METRICS_ADDRESS", address)

        assert main(["worker", "--processes", "2"]) == 2

    said = capsys.readouterr().err
    assert "relay: RELAY_METRICS_ADDRESS: cannot be listened on" in said
    assert "process.started" not in said


def test_the_help_tells_what_is_a_persons_to_say(capsys: Capsys) -> None:
    """How one of several is told its place is between the two processes."""
    assert main(["worker", "--help"]) == 0

    said = capsys.readouterr().out
    assert "--processes" in said
    assert "--child" not in said


@pytest.mark.parametrize(
    ("command", "silent"),
    [("subscriptions list", False), ("topics plan", False), ("send", False), ("check", False), ("check", True)],
)
def test_a_broker_that_is_not_there_is_told_within_10_s(
    monkeypatch: pytest.MonkeyPatch, capsys: Capsys, command: str, *, silent: bool
) -> None:
    """With its address and what to look at, exit status 5; whether the port is closed or takes and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        if not silent:
            server.close()
        monkeypatch.setenv("RELAY_KAFKA_BOOTSTRAP_SERVERS", address)
        began_s = time.monotonic()

        assert main(command.split()) == 5

    assert time.monotonic() - began_s < 10
    assert f"relay: no Kafka answers at {address}" in capsys.readouterr().err
