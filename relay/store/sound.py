"""
What must hold of a subscription besides its types, whoever wrote it. Pure.

Forms refuse what people must not ask for; but whoever reaches the broker can write to the topic, and what a form would
refuse must not come in by that door: a header that frames requests, an incarnation that is none, a thousand signatures.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from relay.model import Sealed, Subscription, Tls
from relay.store import limits

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
MAX_ID_BYTES = 256  # of accounts and bots, as in an event (DESIGN.md section 5)
MAX_BOTS = 1_000
MAX_HEADERS = 50
MAX_SECRETS = 20  # each signs every request, and with so many `webhook-signature` has 3 kB; a server takes 8 or so
MAX_KEY_ID_CHARACTERS = 64  # as RELAY_SECRET_KEYS has them; they are shown where one is not in the ring
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]{1,100}")  # RFC 9110 section 5.6.2, in lower case
# What relay itself says in every request, and what frames it (RFC 9112): never a subscription's to say.
RESERVED_HEADERS = frozenset(
    {"content-type", "user-agent", "accept-encoding", "x-artibot-signature", "x-relay-signature-256"}
    | {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer", "expect"}
    | {"proxy-authorization", "proxy-connection", "cookie", "content-encoding"}
)
RESERVED_PREFIXES = ("relay-", "webhook-")
_URL = re.compile(r"https?://[!-~]{1,2041}")  # 2,048 characters at most; whether it may be called is asked each time
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)  # as relay writes it: a header copies it
_VERSIONS = range(1, 2**63)
# No slash and no dot in front: it is one name in RELAY_TLS_DIR, never a way out of it. No `@`: see pipeline/tls.py.
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TLS_RULE = 'must be {"client_cert": name, "ca": name}, either or both, each a name in RELAY_TLS_DIR; or null for none'


def own_tls(written: object) -> Tls | None:
    """
    The names in RELAY_TLS_DIR that a subscription goes by.

    >>> own_tls({"client_cert": "crm"}), own_tls(None)
    (Tls(client_cert='crm', ca=None), None)

    Raises:
        ValueError: It is no mapping of these names.
    """
    if written is None:
        return None
    if not isinstance(written, Mapping) or not written.keys() <= {"client_cert", "ca"}:
        raise ValueError(_TLS_RULE)
    names: list[Any] = [written.get("client_cert"), written.get("ca")]
    if names == [None, None] or not all(one is None or _is_reference(one) for one in names):
        raise ValueError(_TLS_RULE)
    return Tls(client_cert=names[0], ca=names[1])


def is_reserved(header: str) -> bool:
    """Whether a header, its name in lower case, is relay's own to set."""
    return header in RESERVED_HEADERS or header.startswith(RESERVED_PREFIXES)


def _is_reference(name: object) -> bool:
    return isinstance(name, str) and _REFERENCE.fullmatch(name) is not None


def _is_sized(identity: str) -> bool:
    return 1 <= len(identity.encode()) <= MAX_ID_BYTES


def _is_sealed(sealed: Sealed) -> bool:
    return len(sealed.key_id) <= MAX_KEY_ID_CHARACTERS


def _are_distinct(values: tuple[object, ...]) -> bool:
    return len(set(values)) == len(values) > 0


RULES: Final[Mapping[str, Callable[[Subscription], bool]]] = {
    "id": lambda one: ID.fullmatch(one.id) is not None,
    "account_id": lambda one: _is_sized(one.account_id),
    "bot_ids": lambda one: len(one.bot_ids) <= MAX_BOTS and all(map(_is_sized, one.bot_ids)),
    "url": lambda one: _URL.fullmatch(one.url) is not None,
    "events": lambda one: _are_distinct(one.events),
    "secrets": lambda one: len(one.secrets) <= MAX_SECRETS and all(_is_sealed(it.sealed) for it in one.secrets),
    "signatures": lambda one: _are_distinct(one.signatures),  # without any, nobody could tell who sent a request
    "headers": lambda one: (
        len(one.headers) <= MAX_HEADERS
        and all(TOKEN.fullmatch(name) and not is_reserved(name) for name in one.headers)
        and all(map(_is_sealed, one.headers.values()))
    ),
    "timeout_s": lambda one: one.timeout_s is None or one.timeout_s >= limits.LEAST_TIMEOUT_S,
    "created_at": lambda one: MOMENT.fullmatch(one.created_at) is not None,
    "updated_at": lambda one: MOMENT.fullmatch(one.updated_at) is not None,
    "state_at": lambda one: MOMENT.fullmatch(one.state_at) is not None,
    "version": lambda one: one.version in _VERSIONS,
}
"""By field: whether what was read of it is what relay itself would have written."""
