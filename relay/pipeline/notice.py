"""What a notice says. Pure."""

from enum import StrEnum

from relay import __version__
from relay.model import EndedBy, Reason, State, Subscription
from relay.urls import masked


class Kind(StrEnum):
    """Of a notice."""

    DISABLED = "disabled"
    RE_ENABLED = "re-enabled"
    FAILING = "failing"
    RECOVERED = "recovered"


def notice(
    kind: Kind,
    called: Subscription,
    *,
    since: str,
    at: str,
    reason: Reason | EndedBy | State,
    status: int | None,
    worker: str,
) -> dict[str, object]:
    """
    The flat JSON object of schemas/notice.v1.json, in its order of fields; the URL's path is not in it.

    Args:
        kind: Which.
        called: The subscription as it was called, or as it is by now.
        since: When it began, RFC 3339: its first 410, its first failure.
        at: Now, likewise.
        reason: What came of the last attempt, why it was disabled, or what it is instead.
        status: What its endpoint answered last; None: nothing.
        worker: Who saw it, or did it.
    """
    return {
        "kind": kind,
        "subscription_id": called.id,
        "subscription_version": called.version,
        "account_id": called.account_id,
        "url": masked(called.url),
        "reason": reason,
        "status": status,
        "since": since,
        "at": at,
        "worker": worker,
        "relay_version": __version__,
    }
