"""TLS to receivers, by a real worker: what a subscription names, and what is told where something was against it."""

import json
import ssl
from pathlib import Path

import pytest

from tests.contracts.authority import CLIENT, Authority
from tests.contracts.receivers import each, receiving
from tests.kafka.driver import Relay, an_event, until

pytestmark = pytest.mark.kafka

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nprivate"
NAMED = ("--tls", '{"client_cert": "crm", "ca": "corp"}')


async def test_a_receiver_sees_the_certificate_that_a_subscription_names_and_nobody_elses(
    kafka: str, prefix: str, tmp_path: Path
) -> None:
    """An account's own certificate is no other account's; where a reply is not to be kept, none of it is."""
    files, authority = tmp_path / "files", Authority()
    authority.is_trusted(files / "corp")
    authority.issues(files / "crm@acct-1", subject="us", use=CLIENT)
    theirs = authority.serves(tmp_path / "theirs", "127.0.0.1")
    theirs.verify_mode = ssl.CERT_REQUIRED
    theirs.load_verify_locations(cadata=authority.certificate.decode())
    async with receiving(each(OK), tls=theirs) as receiver:
        with Relay(kafka, prefix, tmp_path, RELAY_TLS_DIR=str(files), RELAY_RETRY_DELAYS="1h") as relay:
            await relay.prepare()
            await relay.subscribe("named", receiver.url("/named"), *NAMED, "--no-record-response")
            await relay.subscribe("plain", receiver.url("/plain"))
            await relay.subscribe("other", receiver.url("/other"), *NAMED, account="acct-2")
            worker = relay.worker()
            await relay.emit([an_event(), an_event(account="acct-2")])
            await until(lambda: relay.read_count(f"{prefix}.results", 3))
            found = json.loads(relay.run("check", "-o", "json").stdout)
            assert await relay.end(worker) == 0

            told = {row["subscription_id"]: row for row in await relay.results()}
            verdicts = {ident: (row["verdict"], row["reason"]) for ident, row in told.items()}
            assert {"named": ("delivered", "ok"), "plain": ("retry", "tls"), "other": ("retry", "tls")} == verdicts
            assert (200, None) == (told["named"]["status"], told["named"]["response_body"])
            assert [b"POST /named HTTP/1.1"] == [one.line for one in receiver.heard]
            details = {line["subscription_id"]: line["detail"] for line in relay.logs() if "detail" in line}
            assert "its certificate comes from an unknown authority" in details["plain"]
            missing = "RELAY_TLS_DIR has no crm/tls.crt for this account"
            assert missing in details["other"]
            assert [missing in one["detail"] for one in found if one["what"] == "subscription other"] == [True]
            stored = (await relay.read(f"{prefix}.subscriptions"))[0].value
            assert {"client_cert": "crm", "ca": "corp"} == json.loads(stored)["tls"]
            assert b"private" not in b"".join(row.value for row in await relay.read(f"{prefix}.results"))
