"""Runs with only the field that matters: `a_run(sent=3)`."""

from dataclasses import replace
from typing import Any

from relay.replay.values import Kind, Run
from tests.builders import CREATED_AT


def a_run(**fields: Any) -> Run:  # noqa: ANN401
    """A replay of `a_subscription()` that has begun."""
    run = Run(
        id="run_1",
        kind=Kind.REPLAY,
        subscription_id="sub_1",
        account_id="acc_1",
        incarnation=CREATED_AT,
        by="somebody",
        created_at="2019-06-07T12:00:00.000Z",
        updated_at="2019-06-07T12:00:00.000Z",
    )
    return replace(run, **fields)
