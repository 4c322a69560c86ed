"""
Two workers with one RELAY_INSTANCE_ID. Pure.

The group gives the place of a static member to whoever comes with its id (KIP-345). Kafka's own client ends then; ours
(aiokafka 0.14) joins anew and takes the place back, so two such workers would throw each other out with every
heartbeat, and each would send what the other has under way. Or it is fenced, where it joins as the member that it was:
then it asks for ever, as a member of nothing, while the other has the place and knows of no rival.

To be fenced is proof. To be thrown out is none: a broker forgets who was silent for a session. But nobody is silent
for a session who had joined less than a session ago; so that, again and again, is proof too.
"""

from collections import deque

from relay.errors import InstanceTaken

TIMES = 3  # the first may be somebody's restart, the second a broker's; a rival throws us out every second or two
WITHIN_S = 120.0  # on a machine that is so slow that heartbeats are barely in time, it is every ten
SESSION_S = 10.0  # client.SESSION_MS
GIVE_WAY_S = 30.0  # to whoever has our place, before it is taken back; we have ended by then


class Rivals:
    """How a worker has lost its place in its group lately."""

    def __init__(self, instance_id: str | None) -> None:
        """None: it has a place of its own each time, which nobody can take."""
        self._instance_id = instance_id
        self._joined_s = 0.0
        self._out_s: deque[float] = deque(maxlen=TIMES)
        self._fenced = False

    def joined(self, now_s: float) -> None:
        """The group has just had us."""
        self._joined_s = now_s

    def thrown_out(self, now_s: float) -> bool:
        """Our assignment was over before the group had said a word; whether somebody else has our place."""
        if now_s - self._joined_s < SESSION_S:
            self._out_s.append(now_s)
        return self._found

    def fenced(self) -> None:
        """The group says that somebody else has our place."""
        self._fenced = True

    @property
    def _found(self) -> bool:
        often = len(self._out_s) == TIMES and self._out_s[-1] - self._out_s[0] < WITHIN_S
        return self._instance_id is not None and (self._fenced or often)

    def check(self) -> None:
        """
        Raises:
            InstanceTaken: Somebody else has our place.
        """
        if self._found:
            raise InstanceTaken(
                f"RELAY_INSTANCE_ID={self._instance_id} is another running worker's too: give each its own"
            )
