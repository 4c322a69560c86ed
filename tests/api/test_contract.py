"""
The running server keeps to schemas/openapi.yaml, whatever it is sent: schemathesis makes the calls up.

All of its checks but one: that what the schema takes is taken. Which URLs may be called, and which filters compile, no
schema can say.
"""

import subprocess
import sys
from pathlib import Path

from tests.api.driver import Console, hook, run, told
from tests.store.history.results import a_result

SECONDS = 240  # it takes ten; a busy machine may need many times that
RUN = ("--seed", "1", "--max-examples", "3", "--phases", "examples,coverage,fuzzing", "--request-timeout", "60")
APART = (
    "--workers",
    "1",
    "--no-color",
    "--exclude-path",
    "/api/v1/stream",
    "--exclude-checks",
    "positive_data_acceptance",
)


def schemathesis(console: Console, folder: Path, *arguments: str) -> None:
    """It finds nothing."""
    where = (f"http://{console.address}/api/v1/openapi.yaml", "--url", f"http://{console.address}")
    command = (str(Path(sys.executable).with_name("schemathesis")), "run", *where, *RUN, *APART, *arguments)
    done = subprocess.run(
        [*command, "-H", f"Authorization: Bearer {console.token}"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_server_keeps_to_its_description(console: Console, tmp_path: Path) -> None:
    """No 5xx, no status, header or body that is not described, nothing taken that the description forbids."""
    assert run(console.post("/api/v1/subscriptions", hook(id="sub_1"))).status == 201
    run(told(console, a_result(1), a_result(2, verdict="gave_up")))

    schemathesis(console, tmp_path, "--exclude-operation-id", "revokeToken")
    schemathesis(console, tmp_path, "--include-operation-id", "revokeToken")  # which revokes the caller's own

    assert "Traceback" not in console.log()
