"""`relay sign`, `relay verify`, `relay filter test`, `relay version`: what relay does, by hand."""

import os
from collections.abc import Callable
from typing import Annotated

import orjson
from cyclopts import App, Parameter

from relay import __version__, verification
from relay.cli.common import STDIN, Common, File, read_file, read_yaml, tell
from relay.clock import SystemClock
from relay.errors import Invalid, Problem
from relay.model import Signature
from relay.pipeline.filters import compile_filter
from relay.pipeline.keys import public_key
from relay.pipeline.sign import OpenedSecret, Signer
from relay.settings import shown, visible
from relay.store import limits
from relay.store.forms import read_secret, read_verifying
from relay.store.sound import MAX_ID_BYTES

filter_app = App(name="filter", help="Filters of subscriptions.")

COMMON = Common()
DEFAULT = (Signature.ARTIBOT_SHA1, Signature.STANDARD_WEBHOOKS)  # as of a subscription that names none
LAST_S = 9_999_999_999  # ten digits, the most that receivers read; milliseconds have thirteen
MESSAGE_ID = visible(MAX_ID_BYTES, "it is sent as a header")
Hyphened = Annotated[str | None, Parameter(allow_leading_hyphen=True)]


def sign(
    body: Annotated[File, Parameter(name="BODY")],
    /,
    *,
    secret_file: File,
    signatures: str = ",".join(DEFAULT),
    url: str = "",
    id_: Annotated[str | None, Parameter(name="--id")] = None,
    timestamp: int | None = None,
    common: Common = COMMON,
) -> int:
    """
    Print the headers that relay would sign these bytes with; with standard-webhooks-ed25519 the public key on stderr.

    Args:
        body: A file of exactly the bytes that are sent; - is stdin.
        secret_file: The secret; - is stdin.
        signatures: The schemes, commas between, as of a subscription.
        url: Where it is sent, as the subscription shows it: artibot-url signs it too.
        id_: The webhook-id; a random one where none is given.
        timestamp: Unix seconds; now where none is given.
    """
    schemes, wrong = _schemes(signatures, url)
    if problems := [*wrong, *_of_id(id_), *_of_time("timestamp", timestamp)]:
        raise Invalid(*problems)
    secret, raw = _both(secret_file, body, read_secret)
    at_ms = SystemClock().now_ms() if timestamp is None else timestamp * 1000
    message_id = f"msg_{os.urandom(12).hex()}" if id_ is None else id_
    try:
        signer = Signer([OpenedSecret(value=secret)], schemes)
    except ValueError as rule:
        raise Invalid(Problem("secret-file", f"is none for these schemes: it {rule}")) from None
    headers = {"webhook-id": message_id, "webhook-timestamp": str(at_ms // 1000)}
    headers |= signer.headers(raw, url=url, message_id=message_id, now_ms=at_ms)
    if Signature.STANDARD_WEBHOOKS_ED25519 in schemes:
        tell(f"public key: {public_key(secret)}")
    if common.output == "json":
        common.show_one(headers)
    else:
        print("\n".join(f"{name}: {value}" for name, value in headers.items()))
    return 0


def verify(
    body: Annotated[File, Parameter(name="BODY")],
    /,
    *,
    secret_file: File,
    header: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    url: str | None = None,
    at: int | None = None,
    common: Common = COMMON,
) -> int:
    """
    Say in which schemes these bytes were signed with this secret, or why they were not: then exit status 1.

    Args:
        body: A file of exactly the bytes that arrived; - is stdin.
        secret_file: The secret, or a public key (whpk_…); - is stdin.
        header: `name: value`, as it arrived; may be given more than once.
        url: Where it was sent, which artibot-url signs too.
        at: Unix seconds to check the timestamp against; now where none is given.
    """
    if problems := _of_time("at", at):
        raise Invalid(*problems)
    secret, raw = _both(secret_file, body, read_verifying)
    split = [one.partition(":") for one in header]
    if bad := [name for name, colon, _ in split if not colon]:
        raise Invalid(*(Problem("header", "must be written `name: value`", one) for one in bad))
    headers = {name.strip().lower(): value.strip() for name, _, value in split}
    now_s = SystemClock().now_ms() / 1000 if at is None else at
    checked = verification.check(headers, raw, secret, now_s, urls=() if url is None else (url,))
    common.show_one({"verified": checked.why is None, "schemes": checked.schemes, "why": checked.why})
    return 0 if checked.why is None else 1


@filter_app.command(name="test")
def try_filter(
    *,
    event: Annotated[File, Parameter(allow_leading_hyphen=True)],
    filter: Hyphened = None,  # noqa: A002  the option's name
    file: Hyphened = None,
    common: Common = COMMON,
) -> int:
    """
    Say whether a filter lets an event through; exit status 1 when it does not.

    Args:
        event: A file of JSON; - is stdin.
        filter: The filter as JSON,
        file: or a file that holds it.
    """
    if (filter is None) == (file is None):
        raise Invalid(Problem("filter", "is needed once: --filter '{…}' or --file FILE"))
    if file == event == STDIN:
        raise Invalid(Problem("file", "only one of the two can be stdin"))
    wanted = read_yaml(file, what="file") if file is not None else _json((filter or "").encode(), "filter")
    given = _json(read_file(event, what="event"), "event")
    if not isinstance(wanted, dict) or not isinstance(given, dict):
        raise Invalid(Problem("filter", "filter and event must be JSON objects"))
    matches = compile_filter(wanted)(given)
    common.show_one({"matches": matches})
    return 0 if matches else 1


def version(*, common: Common = COMMON) -> int:
    """Print the version."""
    if common.output == "json":
        common.show_one({"version": __version__})
    else:
        print(__version__)
    return 0


def _of_id(written: str | None) -> list[Problem]:
    try:
        if written is not None:
            MESSAGE_ID(written)
    except ValueError as rule:
        return [Problem("id", str(rule), shown(written or ""))]
    return []


def _of_time(option: str, seconds: int | None) -> list[Problem]:
    if seconds is None or 0 <= seconds <= LAST_S:
        return []
    return [Problem(option, f"must be from 0 to {LAST_S}: seconds since 1970", shown(str(seconds)))]


def _schemes(names: str, url: str) -> tuple[tuple[Signature, ...], list[Problem]]:
    try:
        schemes = limits.signatures(name.strip() for name in names.split(","))
    except ValueError as rule:
        return (), [Problem("signatures", str(rule), shown(names))]
    if Signature.ARTIBOT_URL in schemes and not url:
        return (), [Problem("url", "is needed: artibot-url signs it too")]
    return schemes, []


def _both(secret_file: str, body: str, read: Callable[[bytes], bytes]) -> tuple[bytes, bytes]:
    if secret_file == body == STDIN:
        raise Invalid(Problem("secret-file", "only one of the two can be stdin"))
    return read(read_file(secret_file, what="secret-file")), read_file(body, what="body")


def _json(raw: bytes, what: str) -> object:
    try:
        value: object = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Invalid(Problem(what, f"is no JSON: {error}")) from None
    return value
