"""
The life of an assignment: of one partition, from when it is ours until it is not. Pure.

    LOADING --begin--> OPEN --drain--> DRAINING --suspend--> SUSPENDED --resume--> OPEN     the partition came back
                       | ^                                       |
                 doubt | | reopen                                '--retire--> RETIRED      it did not, or who knows
                       v |
                     DOUBTED    the process was frozen: it may be another's, and nobody has said so yet

Of whatever phase, `close` (the worker goes down) leads to CLOSING where something may still be committed, and else to
RETIRED; so does `retire`. While its fate is open (DRAINING, DOUBTED, SUSPENDED) nothing is started, what is in flight
goes on, and in the last two retries and dead letters are held back, for a new owner would write them too. A late
settlement lands in a retired ledger and moves nothing.
"""

from enum import Enum, auto


class Phase(Enum):
    """Of an assignment."""

    LOADING = auto()
    OPEN = auto()
    DRAINING = auto()
    DOUBTED = auto()
    SUSPENDED = auto()
    CLOSING = auto()
    RETIRED = auto()


UNDECIDED = frozenset({Phase.DRAINING, Phase.DOUBTED, Phase.SUSPENDED})
COMMITTABLE = frozenset({Phase.OPEN, Phase.DRAINING, Phase.CLOSING})
HELD_BACK = frozenset({Phase.DOUBTED, Phase.SUSPENDED})  # retries and dead letters are
SUSPENDABLE = frozenset({Phase.OPEN, Phase.DRAINING, Phase.DOUBTED})  # open: it was loaded while the others drained
