"""`relay subscriptions apply -f FILE`: the subscriptions become what the file says."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from relay.cli.common import Common, File, cell, plain, read_file, read_yaml, tell, who, write_json
from relay.cli.patience import DOUBT, ask
from relay.clock import SystemClock
from relay.config import Config
from relay.errors import Invalid, Problem
from relay.model import SubscriptionId
from relay.settings import cited
from relay.store.desired import Apply, Desired, Difference
from relay.store.forms import read_form, read_secret
from relay.store.keyring import KeyRing
from relay.store.subscriptions import Subscriptions

COMMON = Common()
MARKS = {"create": "+", "update": "~", "delete": "-"}


def apply(
    *,
    file: Annotated[File, Parameter(name=["--file", "-f"])],
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    prune: Annotated[bool, Parameter(negative=())] = False,
    account: str | None = None,
    common: Common = COMMON,
) -> int:
    """
    Bring subscriptions to what a YAML or JSON file says, and show the difference. The same file twice changes nothing.

    The file is a list of subscriptions, each with its `id` and the fields to set; a field that is not there keeps its
    value. Secrets and headers stand in files of their own: `secret_file`, `header_file`, relative to this one.

    Args:
        file: The list; - is stdin.
        dry_run: Show the difference, write nothing.
        prune: Delete what the file does not hold, of the account named.
        account: Whose are deleted with --prune.
    """
    config = common.load("kafka_bootstrap_servers", "secret_keys")
    if prune != (account is not None):
        raise Invalid(Problem("prune", "goes with --account: it deletes what the file does not hold of that account"))
    wanted = _read(file, config)
    edit = Apply(
        desired=wanted,
        prune=account,
        keys=KeyRing(config.secret_keys),
        quota=config.max_subscriptions_per_account,
        by=who(),
        now_ms=SystemClock().now_ms(),
    )
    subscriptions = Subscriptions(config)
    if dry_run:
        edit(ask(config, subscriptions.read()))
    else:
        ask(config, subscriptions.edit(edit, by=who()), doubt=DOUBT)
    _show(edit.differences, common, dry_run=dry_run)
    return 0


def _read(file: str, config: Config) -> list[Desired]:
    content = read_yaml(file, what="file")
    entries = content.get("subscriptions") if isinstance(content, dict) else content
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise Invalid(Problem("file", "must hold a list of subscriptions", file))
    folder = Path(file).parent
    wanted: list[Desired] = []
    problems: list[Problem] = []
    for number, entry in enumerate(entries, 1):
        try:
            wanted.append(_entry(entry, folder, config))
        except Invalid as invalid:
            where = named if isinstance(named := entry.get("id", f"#{number}"), str) else cited(named)
            problems.extend(Problem(f"{where}.{it.field}", it.rule, it.value) for it in invalid.problems)
    ids = [one.id for one in wanted]
    problems.extend(
        Problem(f"{one}.id", "is there twice") for one in sorted({one for one in ids if ids.count(one) > 1})
    )
    if problems:
        raise Invalid(*problems)
    return wanted


def _entry(entry: dict[str, Any], folder: Path, config: Config) -> Desired:
    said = dict(entry)
    problems = [
        Problem(name, f"never stands in this file: name a {name.removesuffix('s')}_file")
        for name in ("secret", "secrets", "headers")
        if said.pop(name, None) is not None
    ]
    files = {name: said.pop(name, None) for name in ("secret_file", "header_file")}
    problems += [
        Problem(name, "must be a file's name")
        for name, path in files.items()
        if path is not None and not isinstance(path, str)
    ]
    secret: bytes | None = None
    values: dict[str, Any] = {}
    try:
        if isinstance(path := files["secret_file"], str):
            secret = read_secret(read_file(str(folder / path), what="secret_file"))
    except Invalid as invalid:
        problems.extend(invalid.problems)
    try:
        if isinstance(path := files["header_file"], str):
            said["headers"] = read_yaml(str(folder / path), what="header_file") or {}
    except Invalid as invalid:
        problems.extend(invalid.problems)
    try:
        values = read_form(said, config=config)
    except Invalid as invalid:
        problems.extend(invalid.problems)
    if "id" not in said:
        problems.append(Problem("id", "is needed: it says which subscription is meant"))
    if problems:
        raise Invalid(*problems)
    return Desired(id=SubscriptionId(values.pop("id")), values=values, secret=secret)


def _show(differences: list[Difference], common: Common, *, dry_run: bool) -> None:
    if common.output == "json":
        write_json(
            [
                {
                    "id": one.id,
                    "action": one.action,
                    "fields": {name: {"before": old, "after": new} for name, (old, new) in one.fields.items()},
                }
                for one in differences
            ]
        )
    for one in differences if common.output != "json" else ():
        print(f"{MARKS[one.action]} {plain(one.id)}")
        for name, (old, new) in one.fields.items():
            print(f"    {name}: {cell(new)}" if one.action == "create" else f"    {name}: {cell(old)} -> {cell(new)}")
    if not differences:
        tell("nothing is different")
    elif dry_run:
        tell("nothing was written: --dry-run")
