"""The report of a run, in Markdown. Pure."""

from collections import Counter

from tests.faults.run import Outcome

SHOWN = 10  # findings of each kind


def report(outcome: Outcome, command: str) -> str:
    """Everything that anybody needs to play it again and to believe it."""
    plan, judged = outcome.plan, outcome.judged
    lines = [
        "# Fault run",
        "",
        f"`{command}`",
        "",
        f"{'Nothing was found.' if not judged.findings else 'Something is wrong: see the findings.'}",
        "",
        "| | |",
        "|---|---|",
    ]
    rows: list[tuple[str, object]] = [
        ("seed", plan.seed),
        ("nodes of the cluster", plan.nodes),
        ("minutes", f"{plan.seconds / 60:g} (took {outcome.took_s / 60:.1f} with start, end and judgement)"),
        ("events a second", f"{plan.per_s:g}"),
        ("faults", sum(outcome.faults.values())),
        ("events in the log", judged.events),
        ("deliveries (event and matching subscription)", judged.deliveries),
        ("requests", judged.requests),
        ("**lost**", judged.lost),
        ("passed over below a log's cut (unclean election)", judged.passed_over),
        ("**duplicates** (an attempt received again)", judged.repeats),
        ("their bound", f"{sum(judged.bound.values())}: {_listed(judged.bound)}"),
        ("later attempts of chains that a fault had doubled", judged.inherited),
        ("second copies not recognised, around a fault", judged.forks_excused),
        ("longest stall, outages included", f"{judged.stall_s:.1f} s"),
        ("lag at the end", sum(outcome.lag.values())),
        ("workers that ended by themselves", len(outcome.died)),
        ("results", _listed(judged.verdicts)),
        ("`relay reconcile`", _listed(judged.proof)),
    ]
    lines += [f"| {name} | {value} |" for name, value in rows]
    lines += ["", "| fault | times |", "|---|---|"]
    lines += [f"| {kind} | {times} |" for kind, times in sorted(outcome.faults.items())]
    if judged.findings:
        lines += ["", "## Findings", "", f"{_listed(judged.counts)}; logs and history in `{outcome.folder}`", ""]
        shown: Counter[str] = Counter()
        for finding in judged.findings:
            shown[finding.kind] += 1
            if shown[finding.kind] <= SHOWN:
                lines.append(f"- {finding.kind}: `{finding.detail}`")
    return "\n".join(lines) + "\n"


def _listed(counts: object) -> str:
    assert isinstance(counts, dict)
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"
