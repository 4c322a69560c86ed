"""
A soak: `python -m tests.faults --minutes M --seed S [--nodes 1|3] [--report FILE]`; 1 when the oracle finds.

With `--judge FOLDER` nothing is played: what such a run has kept there is judged anew.
"""

import argparse
import asyncio
import sys
from pathlib import Path

import uvloop

from tests.faults.report import report
from tests.faults.run import Plan, again, play
from tests.faults.schedule import SOAK

PATIENCE_S = 240  # after the calm: a backlog of the longest outage, worked off by one worker


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--nodes", type=int, choices=(1, 3), default=3)
    parser.add_argument("--rate", type=float, default=100, help="events a second")
    parser.add_argument("--report", type=Path, help="where the report goes; else to stdout")
    parser.add_argument("--judge", type=Path, metavar="FOLDER", help="of a run that was played with the same arguments")
    given = parser.parse_args()
    plan = Plan(
        seed=given.seed, seconds=given.minutes * 60, nodes=given.nodes, pace=SOAK, per_s=given.rate,
        patience_s=PATIENCE_S,
    )  # fmt: skip
    if given.judge:
        outcome = again(plan, given.judge)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            outcome = runner.run(play(plan, lambda line: print(line, file=sys.stderr, flush=True)))
    text = report(outcome, "python -m tests.faults " + " ".join(sys.argv[1:]))
    if given.report:
        given.report.write_text(text)
    else:
        print(text)
    if outcome.judged.findings:
        print(f"found {dict(outcome.judged.counts)}; logs and history in {outcome.folder}", file=sys.stderr)
        return 1
    if not given.judge:
        outcome.forget()
    return 0


if __name__ == "__main__":
    sys.exit(main())
