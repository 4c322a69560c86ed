"""
Two workers with one RELAY_INSTANCE_ID. Pure.

The group gives the place of a static member to whoever comes with its id (KIP-345). Kafka's own client ends then; ours
(aiokafka 0.14) joins anew and takes the place back, so two such workers would throw each other out with every
heartbeat, and each would send what the other has under way.
"""

from collections import deque

from relay.errors import InstanceTaken

TIMES = 3  # the first may be a freeze, the second a network; a rival throws us out every second or two
WITHIN_S = 30.0  # three sessions
FENCED = "UnknownError()"  # what the client makes of FENCED_INSTANCE_ID (82), which it does not know
GIVE_WAY_S = 30.0  # to whoever has our place, before it is taken back; we have ended by then


class Rivals:
    """How often a worker was thrown out of its group lately."""

    def __init__(self, instance_id: str | None) -> None:
        """None: it has a place of its own each time, which nobody can take."""
        self._instance_id = instance_id
        self._out_s: deque[float] = deque(maxlen=TIMES)

    def thrown_out(self, now_s: float) -> bool:
        """Our assignment was over before the group had said a word; whether somebody else has our place."""
        self._out_s.append(now_s)
        return self._found

    def fenced(self, error: str, now_s: float) -> bool:
        """The group would not have us; whether that is because somebody else has our place."""
        return error == FENCED and self.thrown_out(now_s)

    @property
    def _found(self) -> bool:
        often = len(self._out_s) == TIMES and self._out_s[-1] - self._out_s[0] < WITHIN_S
        return self._instance_id is not None and often

    def check(self) -> None:
        """
        Raises:
            InstanceTaken: Somebody else has our place.
        """
        if self._found:
            raise InstanceTaken(
                f"RELAY_INSTANCE_ID={self._instance_id} is another running worker's too: give each its own"
            )
