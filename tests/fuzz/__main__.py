"""
Coverage-guided fuzzing of what reads bytes from outside: `python -m tests.fuzz --minutes 10 [--target NAME] [--keep]`.

Each target runs under libFuzzer (atheris) on one core for its share of the time, from the seeds that are kept. What
breaks a target stands in the folder that is named, and is a bug. `--keep` adds what was found to the seeds.
"""

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import seeds
from tests.fuzz.targets import TARGETS

HERE = Path(__file__).parent
LONGEST_BYTES = 4096  # of an input: what is larger is refused by its size alone
INPUT_S = 10  # libFuzzer's own word for one that takes too long
MEMORY_MIB = 1024


@dataclass(frozen=True, slots=True)
class Figures:
    """What libFuzzer says at its end."""

    target: str
    executions: int
    a_second: int
    coverage: int  # edges of relay's code that were reached
    corpus: int
    peak_mib: int
    broken: tuple[str, ...]  # files with inputs that broke it


def run(target: str, seconds: int, folder: Path, *, keep: bool) -> Figures:
    """The target has been fuzzed for so long."""
    corpus, broken = folder / target / "corpus", folder / target / "broken"
    for one in (corpus, broken):
        one.mkdir(parents=True)
    for number, seed in enumerate(seeds.read(target)):
        (corpus / f"seed-{number:04}").write_bytes(seed)
    command = [sys.executable, "-m", "tests.fuzz.one", target, str(corpus), f"-artifact_prefix={broken}/"]
    limits = [f"-max_total_time={seconds}", f"-max_len={LONGEST_BYTES}", f"-timeout={INPUT_S}"]
    limits += [f"-rss_limit_mb={MEMORY_MIB}", f"-dict={HERE / 'dictionary.txt'}", "-print_final_stats=1"]
    done = subprocess.run([*command, *limits], cwd=HERE.parents[1], capture_output=True, text=True, check=False)
    if keep:
        seeds.keep(target, (one.read_bytes() for one in corpus.iterdir()))
    found = tuple(str(one) for one in sorted(broken.iterdir()))
    if done.returncode != 0 or found:
        print(done.stdout[-2000:], done.stderr[-4000:], sep="\n", file=sys.stderr)
    return Figures(
        target=target,
        executions=_last(r"stat::number_of_executed_units:\s*(\d+)", done.stderr),
        a_second=_last(r"stat::average_exec_per_sec:\s*(\d+)", done.stderr),
        coverage=_last(r" cov: (\d+)", done.stderr),
        corpus=_last(r" corp: (\d+)", done.stderr),
        peak_mib=_last(r"stat::peak_rss_mb:\s*(\d+)", done.stderr),
        broken=found or (("it ended with status " + str(done.returncode),) if done.returncode else ()),
    )


def _last(pattern: str, text: str) -> int:
    return int(([*re.findall(pattern, text)] or ["0"])[-1])


def table(figures: list[Figures]) -> str:
    """In Markdown, for the report."""
    lines = ["| target | inputs | a second | edges of relay's code | corpus | peak MiB | broken |"]
    lines.append("|---|---|---|---|---|---|---|")
    for one in figures:
        cells = (one.executions, one.a_second, one.coverage, one.corpus, one.peak_mib, len(one.broken))
        lines.append(f"| {one.target} | {' | '.join(f'{cell:,}' for cell in cells)} |")
    return "\n".join(lines)


def main() -> int:
    """The figures are on stdout; the status is 1 when anything broke, 2 when there is no atheris."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Coverage-guided fuzzing.")
    parser.add_argument("--minutes", type=float, default=10, help="for all targets together")
    parser.add_argument("--target", choices=TARGETS, help="this one alone")
    parser.add_argument("--keep", action="store_true", help="add what was found to the seeds")
    asked = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: `pip install atheris` (CPython 3.11 to 3.13, Linux)", file=sys.stderr)
        return 2
    targets = [asked.target] if asked.target else list(TARGETS)
    seconds = max(1, round(asked.minutes * 60 / len(targets)))
    folder = Path(tempfile.mkdtemp(prefix="relay-fuzz-"))
    figures = []
    for target in targets:
        print(f"{target}: {seconds} s", file=sys.stderr, flush=True)
        figures.append(run(target, seconds, folder, keep=asked.keep))
    print(table(figures))
    broken = [path for one in figures for path in one.broken]
    for path in broken:
        print(f"broken: {path}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
