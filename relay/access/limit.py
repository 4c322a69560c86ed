"""
How often anybody may try to log in: from one address, and from all together. Pure.

The generic cell rate algorithm (ITU-T I.371): of each address one number, the time by which all that it tried would
have been due at an even pace. Nobody guesses a token; this is so that nobody can keep the console busy by trying.

Memory is bounded by the rate of all: an address is forgotten once a window has passed since its last try, and no more
than twice ALL tries are let through in a window.
"""

EACH = 10  # tries of one address in a window: a person who pastes the wrong line a few times
ALL = 300  # of all together: a team behind many addresses, and still a trickle
WINDOW_S = 60.0
_ROUNDING_S = 1e-6  # of sums of a hundred fractions: a try that is due is not put off for that


class Limit:
    """Takes each try; what was right is given back."""

    def __init__(self, *, each: int = EACH, all_: int = ALL, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._each_s = window_s / each
        self._all_s = window_s / all_
        self._due_s: dict[str, float] = {}  # address -> when all that it tried would have been due
        self._all_due_s = 0.0

    def __len__(self) -> int:
        """Addresses that are remembered."""
        return len(self._due_s)

    def take(self, address: str, now_s: float) -> float:
        """
        Seconds until this address may try again; 0: it may now, and has.

        Args:
            address: Whose try.
            now_s: On a clock that is never set back.
        """
        self._due_s = {one: due_s for one, due_s in self._due_s.items() if due_s > now_s}
        due_s, all_due_s = max(self._due_s.get(address, 0.0), now_s), max(self._all_due_s, now_s)
        wait_s = max(due_s + self._each_s, all_due_s + self._all_s) - now_s - self._window_s
        if wait_s > _ROUNDING_S:
            return wait_s
        self._due_s[address] = due_s + self._each_s
        self._all_due_s = all_due_s + self._all_s
        return 0.0

    def give_back(self, address: str) -> None:
        """Its last try was right: whoever belongs here may come as often as they like."""
        if address in self._due_s:
            self._due_s[address] -= self._each_s
            self._all_due_s -= self._all_s
