"""What stands around every page: where one may go, and what is wrong that everybody should know. Pure."""

from dataclasses import dataclass

from relay.access.values import Principal, Scope
from relay.console.ages import Age


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A page that the navigation leads to."""

    path: str
    label: str
    is_current: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Some of them."""

    label: str
    pages: tuple[Place, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """Something that is wrong, or was done."""

    tone: str
    title: str
    text: str


PLACES: tuple[tuple[str, tuple[tuple[str, str, bool, Scope], ...]], ...] = (
    # label of the group; path, label, whether only those bound to no account have it, and the scope it takes
    (
        "",
        (
            ("/", "Overview", False, Scope.READ),
            ("/subscriptions", "Webhooks", False, Scope.READ),
            ("/deliveries", "Delivery History", False, Scope.READ),
            ("/replays", "Replays", False, Scope.READ),
            ("/dead-letters", "Dead letters", False, Scope.READ),
        ),
    ),
    (
        "Operation",
        (
            ("/lanes", "Lanes", False, Scope.READ),
            ("/notices", "Notices", False, Scope.READ),
            ("/reconcile", "Reconcile", True, Scope.READ),
        ),
    ),
    (
        "Administration",
        (
            ("/audit", "Audit log", False, Scope.ADMIN),
            ("/access", "Access", False, Scope.ADMIN),
        ),
    ),
)


def navigation(who: Principal, path: str) -> list[Group]:
    """Where they may go; the page that holds this path is the current one."""
    groups = []
    for label, places in PLACES:
        there = tuple(
            Place(path=one, label=name, is_current=_holds(one, path))
            for one, name, unbound, scope in places
            if who.may(scope) and not (unbound and who.account is not None)
        )
        if there:
            groups.append(Group(label=label, pages=there))
    return groups


def banners(age: Age) -> list[Banner]:
    """What everybody should know: a history that is late is so because the broker, or the database, holds it up."""
    if age.trouble is None:
        return []
    if age.as_of_ms is None:
        return [Banner(tone="bad", title="The history cannot be shown now:", text=f"{age.trouble}.")]
    held = "Kafka or the database holds it up, and what came since is not shown yet."
    return [Banner(tone="wait", title="The history is late:", text=f"{age.trouble}. {held}")]


def person(name: str) -> str:
    """
    Who that is, in short.

    >>> person("token:tok_abc (CI)"), person("proxy:alice"), person("cli:root")
    ('CI', 'alice', 'root')
    """
    kind, _, rest = name.partition(":")
    if kind == "token" and rest.endswith(")") and " (" in rest:
        return rest.partition(" (")[2][:-1]
    return rest or kind


def is_here(path: str) -> bool:
    r"""
    Whether a path leads to a page of ours, so that nobody is sent elsewhere.

    >>> [is_here(one) for one in ("/deliveries?state=pending", "//a.example", "https://a.example", "/\\\\\\\\a")]
    [True, False, False, False]
    """
    return path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()


def _holds(page: str, path: str) -> bool:
    return path == page or (page != "/" and path.startswith(page + "/"))
