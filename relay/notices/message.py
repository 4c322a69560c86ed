"""A notice on its way to an operator's own webhook, and what becomes of it. Pure."""

from dataclasses import dataclass
from hashlib import sha256

import orjson

from relay.model import EVERY_ACCOUNT, Answer, Reply, Request
from relay.pipeline.notice import Word
from relay.pipeline.settle import retry_after_s
from relay.pipeline.sign import USER_AGENT, Signer

PAUSES_S = (1.0, 5.0, 30.0, 120.0, 600.0)  # between tries, and ever after the last: somebody is told, nobody is flooded
ANSWERED_S = 3_600.0  # of trying: who answers, and takes it not for an hour, has something against it
SILENT_S = 86_400.0  # since it was told: who was not there for a day reads the topic, or the console


@dataclass(frozen=True, slots=True)
class Sent:
    """It was taken."""


@dataclass(frozen=True, slots=True)
class Again:
    """It is tried again, so long after this."""

    pause_s: float


@dataclass(frozen=True, slots=True)
class Passed:
    """It is not tried any more, and holds up no other."""


def message_id(topic: str, partition: int, offset: int, timestamp_ms: int, *, namespace: str) -> str:
    """The same notice always carries the same id, as a delivery does (pipeline/match.delivery_id)."""
    parts = (namespace, topic, partition, offset, timestamp_ms)
    return "ntc_" + sha256("\n".join(map(str, parts)).encode()).hexdigest()[:32]


def request(word: Word, *, id_: str, url: str, signer: Signer, attempt: int, timeout_s: float, now_ms: int) -> Request:
    """
    POST of the notice as it stands on its topic, with its `type` in front: `notice.disabled`.

    Args:
        word: The notice.
        id_: Becomes `webhook-id`.
        url: The operator's, sent byte for byte.
        signer: Of the operator's secret.
        attempt: From 1.
        timeout_s: For all of it.
        now_ms: Becomes `webhook-timestamp`, in seconds.
    """
    type_ = f"notice.{word.kind}"
    body = orjson.dumps({"type": type_, **word.told})
    headers = {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "accept-encoding": "identity",
        "webhook-id": id_,
        "webhook-timestamp": str(now_ms // 1000),
        "relay-event": type_,
        "relay-attempt": str(attempt),
        **signer.headers(body, url=url, message_id=id_, now_ms=now_ms),
    }
    return Request(url=url, headers=headers, body=body, timeout_s=timeout_s, account_id=EVERY_ACCOUNT)


def outcome(reply: Reply, *, attempt: int, tried_s: float, age_s: float, now_ms: int) -> Sent | Again | Passed:
    """
    What a reply means. Never raises: every reply has an outcome, and none is waited for without an end.

    Args:
        reply: What came.
        attempt: From 1.
        tried_s: Since its first attempt here.
        age_s: Since it was told.
        now_ms: When the reply came.
    """
    pause_s = PAUSES_S[min(attempt, len(PAUSES_S)) - 1]
    match reply:
        case Answer(status=status) if 200 <= status < 300:  # noqa: PLR2004
            return Sent()
        case Answer(headers=headers):
            asked_s = retry_after_s(dict(headers).get("retry-after", ""), now_ms=now_ms)
            pause_s = max(pause_s, min(asked_s, PAUSES_S[-1]))
            return Again(pause_s) if tried_s + pause_s <= ANSWERED_S else Passed()
        case _:
            return Again(pause_s) if age_s + pause_s <= SILENT_S else Passed()
