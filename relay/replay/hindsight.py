"""What a history knows of what was delivered, and what it does not. Pure."""

from relay.durations import written
from relay.pipeline.results import rfc3339
from relay.replay.values import Run
from relay.store.history.values import Age

LATE_MS = 15_000  # a projector looks each 2 s where the log ends: later than this, something holds it up


def waits(age: Age, run: Run) -> str | None:
    """Why what was not delivered cannot be told yet; None: all that was delivered before the run was made is known."""
    if age.as_of_ms is not None and rfc3339(age.as_of_ms) >= run.created_at:
        return None
    return f"waits until the history is as new as this replay: {_as_of(age)}"


def unknown(age: Age, run: Run, *, retention_s: int) -> str:
    """
    What would be sent although it was delivered, for whoever starts it.

    Args:
        age: Of the history.
        run: As it would begin now.
        retention_s: RELAY_HISTORY_RETENTION.
    """
    lost = ", what its log lost" if age.gaps else ""
    said = f"the history does not know what was delivered more than {written(retention_s)} ago{lost}, or was erased: "
    said += "that would be sent again"
    if age.as_of_ms is None or rfc3339(age.as_of_ms + LATE_MS) < run.created_at:
        said += f"; what was delivered lately is counted too, and the replay waits until it is known: {_as_of(age)}"
    return said


def _as_of(age: Age) -> str:
    return "it has read nothing yet" if age.as_of_ms is None else f"it is as of {rfc3339(age.as_of_ms)}"
