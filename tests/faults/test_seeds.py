"""Two short seeds of the soak, one on one node and one on three, judged by the oracle."""

import pytest

from tests.faults.report import report
from tests.faults.run import Plan, play
from tests.faults.schedule import GATE, Kind, schedule

pytestmark = [pytest.mark.kafka, pytest.mark.usefixtures("java")]

LONGEST_STALL_S = 60  # a figure, not a promise: here only that it did not stand still for good
ONE = Plan(seed=2465, seconds=60, nodes=1, pace=GATE, per_s=50, patience_s=60)
THREE = Plan(seed=2661, seconds=85, nodes=3, pace=GATE, per_s=40, patience_s=60)


def test_between_them_they_play_every_kind_of_fault() -> None:
    played = [schedule(plan.seed, seconds=plan.seconds, nodes=plan.nodes, pace=plan.pace) for plan in (ONE, THREE)]

    assert set(Kind) == {fault.kind for faults in played for fault in faults}


@pytest.mark.parametrize("plan", [ONE, THREE], ids=["one-node", "three-nodes"])
async def test_nothing_is_lost_stuck_or_sent_again_without_a_reason(plan: Plan) -> None:
    """What the seed does is in the report, which is printed; logs and history stay where something was found."""
    outcome = await play(plan, print)
    print(text := report(outcome, f"the gate's seed {plan.seed}"))

    assert () == outcome.judged.findings, text
    assert 0 == outcome.judged.lost == sum(outcome.lag.values())
    assert outcome.judged.stall_s < LONGEST_STALL_S
    assert 0 == outcome.judged.proof["missed"] < outcome.judged.proof["matches"]
    outcome.forget()
