"""
A second copy of a delivery record is known for what it is. Pure.

A retry may be written twice: by a worker that was killed before it could commit, and by the one that did its work
again. Both copies have the same delivery id, attempt and deferrals, and the same key, so they meet in one partition.
Without this each would go on, and one chain of retries would become two.
"""

from collections import OrderedDict

from relay.model import Delivery, DeliveryId

Place = tuple[str, int, int]  # topic, partition, offset
Turn = tuple[DeliveryId, int, int, str | None]  # one turn of one chain; a redelivery is a chain of its own

REMEMBERED = 50_000  # turns, some 300 bytes each; copies follow within seconds, and this is minutes of retries


class Seen:
    """The last turns that were met, and where."""

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._places: OrderedDict[Turn, Place] = OrderedDict()

    def again(self, delivery: Delivery, place: Place) -> bool:
        """Whether this turn was met before at another place; one that is read again at its own is no copy."""
        turn: Turn = (delivery.id, delivery.attempt, delivery.deferrals, delivery.run_id)
        first = self._places.setdefault(turn, place)
        if len(self._places) > self._limit:
            self._places.popitem(last=False)
        return first != place
