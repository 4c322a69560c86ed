"""An overview of the history -> the tiles that pages show. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from relay.console.pages import words
from relay.store.history.values import Overview, State

WELL = 0.99  # of attempts: below this somebody should look


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A figure, and what it is of."""

    label: str
    figure: str
    sub: str
    tone: str = "plain"  # plain | wait | bad
    href: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of several views of the same page."""

    label: str
    href: str
    is_current: bool


def ranges(names: Mapping[str, int], current: str, path: str) -> list[Choice]:
    """A choice each; the page's own path with `?range=`."""
    return [Choice(label=name, href=f"{path}?range={name}", is_current=name == current) for name in names]


def tiles(overview: Overview, *, range_name: str, deliveries: str) -> list[Tile]:
    """
    What happened in the range, and what stands now.

    Args:
        overview: Of one webhook, or of all.
        range_name: As people choose it.
        deliveries: The query of these deliveries: `?subscription=…&`, or `?`.
    """
    total, standing = overview.total, overview.standing
    pending, gave_up = standing.get(State.PENDING, 0), standing.get(State.GAVE_UP, 0)
    unread = (
        [
            Tile(
                label="Unreadable",
                figure=words.count(overview.unreadable),
                sub="records of the results topic, in all",
                tone="bad",
            )
        ]
        if overview.unreadable
        else []
    )
    is_well = total.success is None or total.success >= WELL
    return [
        Tile(
            label="Success rate",
            figure=words.share(total.success),
            sub=f"of {words.count(total.made)} attempts, {range_name}",
            tone="plain" if is_well else "bad",
        ),
        Tile(
            label="p95 answer",
            figure=words.duration(total.percentile_ms(0.95)),
            sub=f"p50 {words.duration(total.percentile_ms(0.5))}, {range_name}",
        ),
        Tile(
            label="Pending",
            figure=words.count(pending),
            sub="deliveries to be tried again, now",
            tone="wait" if pending else "plain",
            href=f"/deliveries{deliveries}state=pending",
        ),
        Tile(
            label="Given up",
            figure=words.count(gave_up),
            sub="deliveries, in all",
            tone="bad" if gave_up else "plain",
            href=f"/deliveries{deliveries}state=gave_up",
        ),
        *unread,
    ]
