"""`relay subscriptions …`: one at a time. Many at once: `apply`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from cyclopts import App, Parameter

from relay import settings
from relay.cli.apply import apply
from relay.cli.common import Common, File, SecretFile, read_file, read_yaml, tell, who
from relay.cli.patience import DOUBT, ask
from relay.clock import SystemClock
from relay.config import Config
from relay.errors import Invalid, Problem
from relay.model import Signature, State, Subscription, SubscriptionId
from relay.store import forms
from relay.store.codec import shown
from relay.store.edits import change, create, delete, found, in_state, readable
from relay.store.forms import is_short, read_form, read_secret
from relay.store.keyring import KeyRing
from relay.store.sealing import amended, fitting, generated_secret, made, new_id, public_keys, renewed
from relay.store.subscriptions import Subscriptions

T = TypeVar("T")

app = App(name="subscriptions", help="Webhooks that customers registered.")
app.command(apply)

COLUMNS = ("id", "account_id", "name", "url", "events", "state", "version")
Id = Annotated[str, Parameter(name="ID")]
COMMON = Common()
OVERLAP = settings.within(settings.duration, "0s", "3650d", "a secret that signs for longer than that was not replaced")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Fields:
    """What may be said of a subscription; what is not said keeps its value."""

    name: str | None = None
    """What people call it."""
    url: str | None = None
    """Where it is called."""
    events: str | None = None
    """lead.created, lead.updated, lead.completed, commas between; * for all."""
    bot: Annotated[tuple[str, ...], Parameter(negative=())] = ()
    """Only leads of these bots; may be given more than once."""
    all_bots: Annotated[bool, Parameter(negative=())] = False
    """Leads of every bot again."""
    filter: str | None = None
    """A JSON object of operators over the event; `null` for none."""
    signatures: str | None = None
    """artibot-sha1, standard-webhooks, sha256, standard-webhooks-ed25519, artibot-url, commas between."""
    header_file: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None
    """YAML or JSON of header names and values, in place of all that it had."""
    tls: str | None = None
    """A JSON object of names in RELAY_TLS_DIR: `client_cert`, `ca`, or both; `null` for none."""
    timeout_s: float | None = None
    """How long one attempt may take, at most RELAY_TIMEOUT_S."""
    record_response: bool | None = None
    """Whether results hold what the receiver answered."""
    order: str | None = None
    """`none`; this version knows no other."""
    rate_per_s: str | None = None
    """Requests a second, of all workers together, 0.1 to 10000; `null` for no limit."""
    max_in_flight: str | None = None
    """Requests under way at once, of all workers together but at least one each, 1 to 10000; `null` for no limit."""

    def said(self) -> dict[str, object]:
        """Field -> what was written."""
        plain = ("name", "url", "events", "filter", "signatures", "tls", "timeout_s", "record_response")
        limits = ("order", "rate_per_s", "max_in_flight")
        said = {field: value for field in (*plain, *limits) if (value := getattr(self, field)) is not None}
        if self.bot or self.all_bots:
            said["bot_ids"] = [] if self.all_bots else list(self.bot)
        if self.header_file is not None:
            said["headers"] = read_yaml(self.header_file, what="header-file") or {}
        return said


NOTHING_SAID = Fields()


@app.command(name="create")
def create_(
    *,
    account: str,
    id_: Annotated[str | None, Parameter(name="--id")] = None,
    secret_file: SecretFile = None,
    fields: Fields = NOTHING_SAID,
    common: Common = COMMON,
) -> int:
    """
    Register a webhook. Without --secret-file a secret is generated, and shown this once.

    Args:
        account: A lead's account, or * for all.
        id_: Its id; generated where none is given.
        secret_file: Holds the secret; - is stdin.
    """
    config = common.load("kafka_bootstrap_servers", "secret_keys")
    said = {"account_id": account, **({} if id_ is None else {"id": id_}), **fields.said()}
    missing = [Problem(field, "is needed: --" + field) for field in ("name", "url", "events") if field not in said]
    values = _checked(said, config, missing)
    subscription_id = SubscriptionId(values.pop("id", None) or new_id())
    secret, generated = _secret(secret_file)
    now_ms = SystemClock().now_ms()
    new = made(subscription_id, values, secret, KeyRing(config.secret_keys), by=who(), now_ms=now_ms)
    ask(config, Subscriptions(config).edit(create(new, quota=config.max_subscriptions_per_account)), doubt=DOUBT)
    common.show_one(_seen(new, config) | ({"secret": secret.decode()} if generated else {}))
    return 0


@app.command(name="list")
def list_(*, account: str | None = None, common: Common = COMMON) -> int:
    """
    All of them.

    Args:
        account: Only this account's.
    """
    config = common.load("kafka_bootstrap_servers")
    there = ask(config, Subscriptions(config).read())
    rows = [shown(one) for one in readable(there) if account in (None, one.account_id)]
    common.show(rows, COLUMNS, empty="no subscriptions: `relay subscriptions create` registers one")
    if unreadable := len(there) - len(readable(there)):
        tell(f"{unreadable} more cannot be read: `relay check` says why")
    return 0


@app.command
def get(id_: Id, /, *, common: Common = COMMON) -> int:
    """One of them; of one that signs with standard-webhooks-ed25519 also what its receiver verifies with."""
    config = common.load("kafka_bootstrap_servers")
    common.show_one(_seen(found(ask(config, Subscriptions(config).read()), SubscriptionId(id_)), config))
    return 0


@app.command
def update(id_: Id, /, *, fields: Fields = NOTHING_SAID, if_version: int | None = None, common: Common = COMMON) -> int:
    """
    Change what is said, keep the rest. Its account never changes; its secret does with `rotate`.

    Args:
        if_version: Only if it is still at this version.
    """
    config = common.load("kafka_bootstrap_servers")
    values = _checked(fields.said(), config)
    if not values:
        raise Invalid(Problem("update", "says nothing to change: `relay subscriptions update --help` has the fields"))
    keys = KeyRing(config.secret_keys)
    return _changed(id_, lambda old: fitting(amended(old, values, keys), keys), config, common, version=if_version)


@app.command
def pause(id_: Id, /, *, reason: str | None = None, common: Common = COMMON) -> int:
    """
    Put off its deliveries, for up to RELAY_MAX_AGE.

    Args:
        reason: For whoever wonders.
    """
    config = common.load("kafka_bootstrap_servers")
    if reason is not None:
        _read("reason", reason, forms.reason)
    return _changed(id_, in_state(State.PAUSED, reason), config, common)


@app.command
def resume(id_: Id, /, *, common: Common = COMMON) -> int:
    """Deliver again, also one that was disabled."""
    return _changed(id_, in_state(State.ACTIVE, None), common.load("kafka_bootstrap_servers"), common)


@app.command(name="delete")
def delete_(id_: Id, /, *, common: Common = COMMON) -> int:
    """Remove it for good; deliveries on their way to it are dropped."""
    config = common.load("kafka_bootstrap_servers")
    ask(config, Subscriptions(config).edit(delete(SubscriptionId(id_)), by=who()), doubt=DOUBT)
    tell(f"deleted {id_}")
    return 0


@app.command
def rotate(
    id_: Id,
    /,
    *,
    secret_file: SecretFile = None,
    activate_in: str = "0s",
    expire_in: str = "24h",
    common: Common = COMMON,
) -> int:
    """
    Give it a new secret; the old ones sign too until they expire, but for those that no key of the ring opens.

    Without --secret-file it is generated, and shown this once.

    Args:
        secret_file: Holds the new secret; - is stdin.
        activate_in: Headers of one value stay with the old secret for so long; webhook-signature has both at once.
        expire_in: The old secrets sign for so long.
    """
    config = common.load("kafka_bootstrap_servers", "secret_keys")
    activate_s, expire_s = _read("activate-in", activate_in, OVERLAP), _read("expire-in", expire_in, OVERLAP)
    if expire_s < activate_s:
        raise Invalid(Problem("expire-in", "must not be sooner than --activate-in: nothing would sign meanwhile"))
    secret, generated = _secret(secret_file)
    now_ms, keys = SystemClock().now_ms(), KeyRing(config.secret_keys)
    active_ms = now_ms + activate_s * 1000 if activate_s else 0

    def alter(old: Subscription) -> Subscription:
        expires_ms = now_ms + expire_s * 1000
        return fitting(renewed(old, secret, keys, now_ms=now_ms, active_ms=active_ms, expires_ms=expires_ms), keys)

    return _changed(id_, alter, config, common, extra={"secret": secret.decode()} if generated else {})


def _changed(
    id_: str,
    alter: Callable[[Subscription], Subscription],
    config: Config,
    common: Common,
    *,
    version: int | None = None,
    extra: Mapping[str, Any] | None = None,
) -> int:
    subscription_id = SubscriptionId(id_)
    subscriptions = Subscriptions(config)
    edit = change(subscription_id, alter, by=who(), now_ms=SystemClock().now_ms(), version=version)
    changes = ask(config, subscriptions.edit(edit), doubt=DOUBT)
    if not changes:
        tell("nothing was different")
    new = changes.get(subscription_id) or found(ask(config, subscriptions.read()), subscription_id)
    common.show_one({**_seen(new, config), **(extra or {})})
    return 0


def _seen(one: Subscription, config: Config) -> dict[str, Any]:
    """As people see it, with the public keys of one that has any: they are its receiver's to know."""
    seen = shown(one)
    if Signature.STANDARD_WEBHOOKS_ED25519 in one.signatures:
        public = public_keys(one, KeyRing(config.secret_keys))
        seen["secrets"] = [secret | {"public_key": key} for secret, key in zip(seen["secrets"], public, strict=True)]
    return seen


def _checked(said: Mapping[str, object], config: Config, missing: list[Problem] | None = None) -> dict[str, Any]:
    """The values, or every problem, what is missing among them."""
    problems = list(missing or ())
    values: dict[str, Any] = {}
    try:
        values = read_form(said, config=config)
    except Invalid as invalid:
        problems.extend(invalid.problems)
    if problems:
        raise Invalid(*problems)
    return values


def _secret(path: File | None) -> tuple[bytes, bool]:
    """The secret of a file, or a generated one, and which of the two."""
    if path is None:
        return generated_secret(), True
    secret = read_secret(read_file(path, what="secret-file"))
    if is_short(secret):
        tell("warning: the secret has fewer than 16 bytes, and may be guessed")
    return secret, False


def _read(option: str, written: str, read: Callable[[str], T]) -> T:
    try:
        return read(written)
    except ValueError as rule:
        raise Invalid(Problem(option, str(rule), settings.shown(written))) from None
