"""
Where a replay begins and ends in each partition, and what of that the log holds no more. Pure.

Its ends are those of when it was started: what comes later is live traffic's, and a replay that chased it would never
be over.
"""

from collections.abc import Mapping
from dataclasses import replace

from relay.replay.values import Lost, Place, Positions, Run, Wish


def ranges(
    wish: Wish, *, begins: Positions, ends: Positions, at_time: Mapping[Place, int | None]
) -> tuple[dict[Place, int], tuple[Lost, ...]]:
    """
    Where it begins, by partition, never beyond its end; and what is lost.

    Args:
        wish: What was asked.
        begins: The first offset of each partition.
        ends: Where each ends.
        at_time: Of a wish for a time: the first record of then or later; None: there is none.
    """
    starts: dict[Place, int] = {}
    gone = []
    for place, begin in begins.items():
        if wish.from_offsets is not None:
            if place not in wish.from_offsets:
                continue
            asked = wish.from_offsets[place]
            if asked < begin:
                gone.append(Lost(topic=place[0], partition=place[1], first=asked, end=begin))
            starts[place] = min(max(asked, begin), ends[place])
        else:
            found = at_time.get(place)
            starts[place] = ends[place] if found is None else min(max(found, begin), ends[place])
            if begin > 0 and starts[place] == begin:  # all that is left is of then or later: so may be what is not
                gone.append(Lost(topic=place[0], partition=place[1], first=None, end=begin))
    return starts, tuple(gone)


def cut(run: Run, begins: Positions) -> Run:
    """Retention was faster than the run: it goes on where the log begins by now, and what that passes over is told."""
    behind = {place: begins[place] for place, at in run.positions.items() if at < begins.get(place, at)}
    gone = tuple(
        Lost(topic=place[0], partition=place[1], first=run.positions[place], end=begin)
        for place, begin in sorted(behind.items())
    )
    return replace(run, positions={**run.positions, **behind}, lost=(*run.lost, *gone)) if behind else run


def remaining(run: Run) -> dict[Place, int]:
    """Where it goes on, of each partition that it has not read to its end."""
    return {place: at for place, at in run.positions.items() if at < run.until.get(place, at)}
