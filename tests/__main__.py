"""
The gate: `python -m tests` lints, checks format and types, and runs every test; what follows goes to pytest.

Files of tests run side by side, three at a time: most of them wait for brokers and processes, so that two leave half of
two cores idle; each of the three has a broker of its own. They run in the order of `tests/conftest.py`, the longest
first: of its own accord the plug-in would begin with the files that have most tests, which are over in a second.
"""

import subprocess
import sys
import time

STEPS = {
    "ruff check": ["ruff", "check", "."],
    "ruff format": ["ruff", "format", "--check", "."],
    "mypy": ["mypy"],
    "pytest": ["pytest", "--numprocesses=3", "--dist=loadfile", "--no-loadscope-reorder"],
}


def main() -> int:
    """Every step runs, so that one look shows all that is wrong; the exit status is 1 when any of them failed."""
    took: list[str] = []
    failed = False
    for name, (module, *arguments) in STEPS.items():
        start = time.monotonic()
        print(f"== {name}", flush=True)
        more = sys.argv[1:] if name == "pytest" else []
        status = subprocess.run([sys.executable, "-m", module, *arguments, *more], check=False).returncode
        failed |= status != 0
        took.append(f"{name}: {'ok' if status == 0 else 'FAILED'} in {time.monotonic() - start:.0f} s")
    print("\n".join(["==", *took]))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
